"""Tests that no scores of the experiment could decide, found before anything is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from xstilts.studies.spec import SIGNLESS, Bounded, Contrast, StudySpec


def impossible(spec: StudySpec, there: Mapping[str, Sequence[str]]) -> tuple[tuple[str | int, ...], str] | None:
    """The first contrast that cannot be measured or has one value whatever is measured: its place, and why.

    Args:
        there: recipes (the baseline first), backbones without controls and targets, by kind. All names in contrasts are
            known.
    """
    for group in spec.groups:
        if group in there["target"] and spec.groups[group] != (group,):
            return ("study", "groups", group), f"group '{group}' is called like a target: give it another name"
    for place, contrast in spec.contrasts():
        if problem := _problem(_filled(contrast, spec, there), contrast, there["recipe"][0]):
            return place, problem
    return None


def _filled(contrast: Contrast, spec: StudySpec, there: Mapping[str, Sequence[str]]) -> Contrast:
    """With all names that it leaves out, and with the targets of groups."""

    def targets(names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(target for name in names for target in spec.groups.get(name, (name,)))

    named = {
        "recipe": contrast.recipe or tuple(there["recipe"]),
        "backbones": contrast.backbones or tuple(there["backbone"]),
        "targets": targets(contrast.targets) or tuple(there["target"]),
        "versus": targets(contrast.versus),
    }
    if contrast.kind == "best":
        named["against"] = contrast.against or tuple(name for name in there["recipe"] if name not in contrast.recipe)
    elif contrast.kind != "correlation":
        named["against"] = contrast.against or (named["recipe"] if contrast.kind == "difference" else ("",))
    return contrast.model_copy(update=named)


def _problem(full: Contrast, asked: Contrast, baseline: str) -> str:
    """Why it cannot be judged; empty where it can."""
    runs = len(set(full.backbones)) * len(set(full.recipe))
    against = set(full.against) if full.against != ("",) else {baseline}
    itself = against & set(full.recipe) if full.each == "recipe" or full.kind == "best" else set[str]()
    if set(full.recipe) == against:
        itself = against
    if full.kind == "correlation":
        if runs < 3:
            return f"a correlation over runs needs at least three, found {runs}"
        same = set(full.targets) == set(full.versus)
        return "a correlation of targets with the same targets is 1: name others in `versus`" if same else ""
    if full.kind == "difference":
        if itself and set(full.backbones) == set(full.other):
            return "a difference between runs and the same runs is 0: name other recipes or backbones"
        return ""
    if itself:
        return f"recipe '{sorted(itself)[0]}' is compared with itself: that is 0 whatever is measured"
    if full.kind == "best" and not full.against:
        return "there is no other recipe for it to be better than"
    if full.kind == "trend" and asked.backbones:
        return "a trend is over the backbones of `parameters`: leave `backbones` out"
    return _of_backbones(full) or _of_parts(full)


def _of_backbones(full: Contrast) -> str:
    """Interactions: of two backbones with a sign, of more without one."""
    if full.kind != "interaction":
        return ""
    count = len(full.backbones)
    if count < 2 or len(set(full.backbones)) < count:
        return f"an interaction needs two or more different backbones (found: {', '.join(full.backbones)})"
    if count > 2 and full.each:
        return "a joint test of more than two backbones has no `each`"
    signed = isinstance(full, Bounded) and (full.direction in ("above", "below") or full.than)
    return SIGNLESS if count > 2 and signed else ""


def _of_parts(full: Contrast) -> str:
    """So many parts as `at_least` asks for must be there."""
    if not isinstance(full, Bounded) or not full.at_least:
        return ""
    counted = {"target": full.targets, "backbone": full.backbones, "recipe": full.recipe, "": full.against}[full.each]
    if full.at_least <= len(counted):
        return ""
    return f"`at_least: {full.at_least}` of {len(counted)}: it counts {full.each or 'recipe'}s"
