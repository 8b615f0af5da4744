"""Names that an experiment lacks and tests that no scores can decide, found before anything is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from xstilts.core.errors import UnknownName
from xstilts.studies.spec import Bounded, Contrast, StudySpec

FIELDS = {
    **{"recipe": "recipe", "against": "recipe", "targets": "target", "versus": "target"},
    **{"backbones": "backbone", "other": "backbone", "parameters": "backbone"},
}
"""Fields of contrasts that hold names -> their kind."""


def impossible(
    spec: StudySpec, there: Mapping[str, Sequence[str]], controls: Mapping[str, Sequence[str]]
) -> tuple[tuple[str | int, ...], str] | None:
    """The first unknown name, or contrast that cannot be measured or whose value no score can change: place and reason.

    Args:
        there: kind -> names without controls: recipes (the baseline first), backbones, targets.
        controls: kind -> names of controls.
    """
    for group, targets in spec.groups.items():
        listed = ("study", "groups", group)
        for name in targets:
            if name not in there["target"]:
                return listed, str(UnknownName("target", name, there["target"]))
        if group in there["target"] and targets != (group,):
            return listed, f"group '{group}' has the name of a target: give it another name"
    more = {**controls, "target": list(spec.groups)}
    for place, contrast in spec.contrasts():
        for field, kind in FIELDS.items():
            names = [*there[kind], *more.get(kind, ())]
            if absent := [name for name in getattr(contrast, field) if name not in names]:
                return (*place, field), str(UnknownName(kind, absent[0], names))
    for place, contrast in spec.contrasts():
        if problem := _problem(contrast.filled(there, spec.groups), contrast):
            return place, problem
    return None


def _problem(full: Contrast, asked: Contrast) -> str:
    """Why it cannot be judged; empty if it can."""
    runs, against = len(full.backbones) * len(full.recipe), set(full.against or full.recipe)
    same = set(full.recipe) == against
    itself = against & set(full.recipe) if same or full.each == "recipe" or full.kind == "best" else set[str]()
    if full.kind == "correlation":
        if runs < 3:
            return f"a correlation over runs needs at least three, found {runs}"
        same = set(full.targets) == set(full.versus)
        return "a correlation of targets with the same targets is 1: name others in `versus`" if same else ""
    if full.kind == "difference":
        nothing = itself and set(full.backbones) == set(full.other)
        return "a difference between runs and the same runs is 0: name other recipes or backbones" if nothing else ""
    if full.kind == "best" and not full.against:
        return "there is no other recipe for it to be better than"
    if itself:
        return f"recipe '{sorted(itself)[0]}' is compared with itself: that is 0 whatever is measured"
    if full.kind == "trend" and asked.backbones:
        return "a trend is over the backbones of `parameters`: leave `backbones` out"
    return _of_backbones(full, asked) or _of_parts(full)


def _of_backbones(full: Contrast, asked: Contrast) -> str:
    """Interactions: of two backbones with a sign, of more without one."""
    count, named = len(full.backbones), asked.backbones or full.backbones
    if full.kind != "interaction":
        return ""
    if count < 2 or len(named) > count:
        return f"an interaction needs two or more different backbones (found: {', '.join(named)})"
    if count > 2 and full.each:
        return "a joint test of more than two backbones has no `each`"
    signed = isinstance(full, Bounded) and (full.direction in ("above", "below") or full.than)
    problem = "gains of three or more backbones have no sign: `is: differs` or `is: within`, without `than`"
    return problem if count > 2 and signed else ""


def _of_parts(full: Contrast) -> str:
    """`at_least` must not exceed the number of parts."""
    parts = {"target": full.targets, "backbone": full.backbones, "recipe": full.recipe, "": full.against}[full.each]
    if isinstance(full, Bounded) and full.at_least and full.at_least > len(parts):
        return f"`at_least: {full.at_least}` of {len(parts)}: it counts {full.each or 'recipe'}s"
    return ""
