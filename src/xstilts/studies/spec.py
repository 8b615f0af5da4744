"""The `study:` block of an experiment file: a question, and claims: published statements that contrasts judge.

A *contrast* is a number made of scores, with an interval. Recipes, backbones and targets are named as in tables.
"""

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from xstilts.core.errors import UnknownName
from xstilts.core.strict import Strict
from xstilts.stats.evidence import Direction

Kind = Literal["gain", "difference", "interaction", "trend", "best", "correlation"]
Identifier = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9-]*$")]
Names = Annotated[tuple[str, ...], BeforeValidator(lambda value: [value] if isinstance(value, str) else value)]
"""One or several; in a file, a single name is enough."""


class Contrast(Strict):
    """A number made of scores, in points; a slope in points per tenfold size; a correlation between -1 and 1.

    gain          recipe - against, within each backbone
    difference    recipe with `backbones` - `against` with `other`
    interaction   the gain in the first backbone - that in the second; among more, whether gains differ at all
    trend         slope of the gain against the logarithm (base 10) of `parameters`
    best          recipe - each other recipe (`against` names them; else all there are)
    correlation   between the mean scores on `targets` and on `versus`, over backbones x recipes within a seed (Pearson)

    Several backbones, recipes or targets enter as their mean, unless `each` says that the bound is for each of them.
    """

    kind: Kind = Field(default="gain", description="kind of number; see docs/studies/README.md")
    recipe: Names = Field(default=(), description="recipe or recipes, by label")
    against: Names = Field(default=(), description="recipes to compare with; default: the baseline")
    backbones: Names = Field(default=(), description="backbones; default: all but controls")
    other: Names = Field(default=(), description="the other backbones of a difference")
    targets: Names = Field(default=(), description="targets or groups; default: all")
    versus: Names = Field(default=(), description="the other targets of a correlation")
    scope: Literal["zero-shot", "all"] = Field(
        default="zero-shot", description="languages; all: source language included"
    )
    each: Literal["", "target", "backbone", "recipe"] = Field(
        default="", description="apply the bound to each of these"
    )
    parameters: dict[str, float] = Field(default_factory=dict, description="sizes for a trend: backbone -> size")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        needs = {"trend": ("recipe", "parameters"), "correlation": ("targets", "versus"), "difference": ("other",)}
        for name in needs.get(self.kind, ("recipe",)):
            if not getattr(self, name):
                raise ValueError(f"a contrast of kind '{self.kind}' needs `{name}`")
        for name, kind in {"other": "difference", "versus": "correlation", "parameters": "trend"}.items():
            if getattr(self, name) and self.kind != kind:
                raise ValueError(f"`{name}` is for contrasts of kind '{kind}', found '{self.kind}'")
        if self.kind == "trend" and len(self.parameters) < 3:
            raise ValueError(f"a trend needs at least three backbones, found {len(self.parameters)}")
        sizes = self.parameters.values()
        if self.kind == "trend" and (min(sizes) <= 0 or len(set(sizes)) < 2):
            shown = ", ".join(f"{size:g}" for size in sizes)
            raise ValueError(f"sizes of a trend are above 0, and not all the same (found: {shown})")
        if self.kind == "best" and len(self.recipe) != 1:
            raise ValueError(f"one recipe can be the best, found {len(self.recipe)}")
        if self.kind in ("best", "correlation") and self.each:
            raise ValueError(f"`each` is not for contrasts of kind '{self.kind}'")
        if self.kind in ("interaction", "trend") and self.each == "backbone":
            raise ValueError(f"kind '{self.kind}' compares backbones: `each` can be target or recipe")
        return self

    def filled(self, there: Mapping[str, Sequence[str]], groups: Mapping[str, Sequence[str]]) -> Self:
        """This contrast with the names that it leaves out, targets for groups, and no name twice; see `impossible`."""
        targets, versus = (
            [target for name in names for target in groups.get(name, (name,))] for names in (self.targets, self.versus)
        )
        recipe, against = self.recipe or tuple(there["recipe"]), self.against
        if self.kind == "best":
            against = against or tuple(name for name in there["recipe"] if name not in recipe)
        elif self.kind not in ("difference", "correlation"):
            against = against or (there["recipe"][0],)
        names = {
            **{"recipe": recipe, "against": against, "backbones": self.backbones or there["backbone"]},
            **{"targets": targets or there["target"], "versus": versus, "other": self.other},
        }
        return self.model_copy(update={field: tuple(dict.fromkeys(found)) for field, found in names.items()})


class Bounded(Contrast):
    """A contrast with the bound of a claim, which all of its parts must keep, or `at_least` so many."""

    direction: Direction = Field(default="above", alias="is", description="relation of the number to the bound")
    than: float = Field(default=0.0, description="the bound")
    margin: float = Field(
        default=0.0, ge=0, description="distance from the bound; above, below: the smallest effect that matters"
    )
    at_least: int | None = Field(
        default=None, gt=0, description="number of parts that must satisfy the bound; default: all"
    )

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.direction in ("within", "differs") and not self.margin:
            raise ValueError(f"`is: {self.direction}` needs `margin`, in points: nothing is exactly equal")
        if self.at_least and not (self.each or self.kind == "best"):
            raise ValueError("`at_least` counts the parts of a test with `each`, or of kind 'best'")
        return self


class Claim(Strict):
    """A statement with its source, and the test that judges it, or the reason why none does."""

    id: Identifier = Field(description="letters, digits and hyphens")
    statement: str = Field(description="the claim in a sentence")
    citation: Names = Field(description="keys of `references`")
    test: Bounded | None = Field(default=None, description="test of the claim")
    untested: str = Field(default="", description="reason why the scores cannot decide it")
    limits: str = Field(default="", description="what the verdict does not show; printed beside it")

    @model_validator(mode="after")
    def _judged(self) -> Self:
        if (self.test is None) == (not self.untested):
            raise ValueError(f"claim '{self.id}': give either `test`, or `untested` with the reason")
        return self


class Effect(Strict):
    """A number that the answer reports."""

    label: str = Field(description="label on the page")
    contrast: Contrast = Field(description="contrast of scores")


class StudySpec(Strict):
    """The `study:` block of an experiment file."""

    question: str = Field(description="question that the page answers")
    citation: Names = Field(description="keys of `references`")
    cost: str = Field(description="expected cost of a run")
    falsified_by: str = Field(description="result that would refute the expected answer")
    groups: dict[str, Annotated[Names, Field(min_length=1)]] = Field(
        default_factory=dict, description="group -> targets, for contrasts"
    )
    parameters: dict[str, float] = Field(default_factory=dict, description="sizes for all trends: backbone -> size")
    effects: tuple[Effect, ...] = Field(default=(), description="numbers in the answer")
    claims: tuple[Claim, ...] = Field(default=(), description="claims to test")
    limitations: tuple[str, ...] = Field(default=(), description="limitations besides those of the experiment")
    references: dict[str, str] = Field(default_factory=dict, description="key -> full text")

    @model_validator(mode="before")
    @classmethod
    def _sized(cls, data: Any) -> Any:
        """Trends without sizes take the study's, so that a variant changes them in one place."""
        if not isinstance(data, dict) or not data.get("parameters"):
            return data
        data = deepcopy(data)
        for listed, name in (("effects", "contrast"), ("claims", "test")):
            rows = data.get(listed)
            for row in rows if isinstance(rows, list) else ():
                found = row.get(name) if isinstance(row, dict) else None
                if isinstance(found, dict) and found.get("kind") == "trend":
                    found.setdefault("parameters", data["parameters"])
        return data

    @model_validator(mode="after")
    def _known(self) -> Self:
        ids = [claim.id for claim in self.claims]
        if twice := [name for name in ids if ids.count(name) > 1]:
            raise ValueError(f"claim '{twice[0]}' occurs twice")
        for name in (*self.citation, *(name for claim in self.claims for name in claim.citation)):
            if name not in self.references:
                raise UnknownName("reference", name, self.references)
        return self

    def contrasts(self) -> Iterator[tuple[tuple[str | int, ...], Contrast]]:
        """Every contrast and its place in the file."""
        for number, effect in enumerate(self.effects):
            yield ("study", "effects", number, "contrast"), effect.contrast
        for number, claim in enumerate(self.claims):
            if claim.test is not None:
                yield ("study", "claims", number, "test"), claim.test


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
    if full.kind == "interaction" and (problem := _of_backbones(full, asked.backbones or full.backbones)):
        return problem
    parts = {"target": full.targets, "backbone": full.backbones, "recipe": full.recipe, "": full.against}[full.each]
    if isinstance(full, Bounded) and full.at_least and full.at_least > len(parts):
        return f"`at_least: {full.at_least}` of {len(parts)}: it counts {full.each or 'recipe'}s"
    return ""


def _of_backbones(full: Contrast, named: Sequence[str]) -> str:
    """Interactions: of two backbones with a sign, of more without one."""
    count = len(full.backbones)
    if count < 2 or len(named) > count:
        return f"an interaction needs two or more different backbones (found: {', '.join(named)})"
    if count > 2 and full.each:
        return "a joint test of more than two backbones has no `each`"
    if count > 2 and isinstance(full, Bounded) and (full.direction in ("above", "below") or full.than):
        return "gains of three or more backbones have no sign: `is: differs` or `is: within`, without `than`"
    return ""
