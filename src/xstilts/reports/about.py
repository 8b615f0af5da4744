"""The input of a report besides scores: the question, and names and notes in the order to show them."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from xstilts.reports.curves import KindCost, Logged
from xstilts.stats.benchmarks import Averages
from xstilts.stats.flags import Flag
from xstilts.stats.table import ScoreTable


@dataclass(frozen=True)
class Named:
    """A backbone with its display name and a note, or a language with its name, family and script.

    `resources`: class by data on the web, 0 to 5; `distance`: from English, 0 to 1; None where not known.
    """

    key: str
    name: str = ""
    note: str = ""
    script: str = ""
    resources: int | None = None
    distance: float | None = None

    @property
    def label(self) -> str:
        return self.name or self.key


@dataclass(frozen=True)
class About:
    """The words of a report; every name in it is data.

    Attributes:
        title, question, description: plain text; the description's paragraphs are separated by blank lines.
        backbones: the models that recipes start from, with notes.
        recipes, targets: labels in the order to show.
        languages: test languages in the order to show, nearest to the source language first.
        controls: name of a control backbone -> what it is, e.g. `random encoder`.
        control_recipes: those of `recipes` that are controls.
        baseline: the recipe that gains are differences from.
        source: the language of all training data; excluded from zero-shot means.
        trained_in: other languages of a target's own training data; excluded from its zero-shot means too.
        labelled: recipe -> languages other than the source in which it has seen labels: not zero-shot there.
        seed_means: what differs between seeds, e.g. `initialisation, data order and the constructed world`.
        worlds: seed -> constructed world; empty on real data.
        averages: official means, where a target belongs to a benchmark.
        failed: runs without scores because a stage failed.
        facts: software, machines and cost, a sentence each.
        config: the experiment file, to copy.
        distances: how distances of languages are defined; empty if they are not from `source`.
        validation: (backbone, recipe, target, seed) -> score on the target's validation data in `source`, 0 to 100.
        texts: (target, language) -> id -> text, of test examples, where the report may show them.
        licences: target -> licence of its data, where `texts` are shown; empty if not known.
        logged: what training runs logged, by step.
        costs: what finished stages took, by kind.
        inputs: rows of `inputs.csv`: the files that were read, with their checksums.
        selection: training options set by default, and which weights were kept.
    """

    title: str
    question: str
    description: str = ""
    experiment: str = ""
    backbones: tuple[Named, ...] = ()
    recipes: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    languages: tuple[Named, ...] = ()
    controls: Mapping[str, str] = field(default_factory=dict)
    control_recipes: tuple[str, ...] = ()
    seeds: tuple[int, ...] = ()
    command: str = ""
    limitations: tuple[str, ...] = ()
    version: str = ""
    baseline: str = "[]"
    source: str = "en"
    trained_in: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    labelled: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    seed_means: str = ""
    worlds: Mapping[int, int] = field(default_factory=dict)
    averages: Averages | None = None
    selection: tuple[str, ...] = ()
    failed: tuple[Flag, ...] = ()
    facts: tuple[str, ...] = ()
    config: str = ""
    distances: str = ""
    validation: Mapping[tuple[str, str, str, int], float] = field(default_factory=dict)
    texts: Callable[[str, str], Mapping[str, str]] | None = None
    licences: Mapping[str, str] = field(default_factory=dict)
    logged: tuple[Logged, ...] = ()
    costs: tuple[KindCost, ...] = ()
    inputs: tuple[Mapping[str, str], ...] = ()

    def language(self, code: str) -> Named:
        return next((one for one in self.languages if one.key == code), Named(code))

    def backbone(self, name: str) -> Named:
        return next((one for one in self.backbones if one.key == name), Named(name, note=self.controls.get(name, "")))

    def owner(self, control: str) -> str:
        """The backbone of a control; for a control not named after one, its own name."""
        return control.removesuffix(f" ({self.controls[control]})")

    def controls_beside(self, backbone: str) -> tuple[str, ...]:
        """The controls of a backbone, and for kinds that it lacks those of other backbones."""
        own = {kind for name, kind in self.controls.items() if self.owner(name) == backbone}
        return tuple(n for n, kind in self.controls.items() if self.owner(n) == backbone or kind not in own)

    def control_label(self, control: str, beside: str = "") -> str:
        """The kind of a control, with its backbone unless that is the one it is shown `beside`."""
        kind, owner = self.controls[control], self.owner(control)
        alone = not beside and list(self.controls.values()).count(kind) == 1
        return (kind or control) if alone or owner in (beside, control) else f"{kind} of {self.backbone(owner).label}"

    def completed(self, table: ScoreTable) -> Self:
        """Append everything that was measured but not mentioned: no score is dropped silently."""
        main = [run for run in table.runs() if run.backbone not in self.controls]
        backbones = [one for one in self.backbones if one.key not in self.controls]
        return replace(
            self,
            backbones=_extended(backbones, (run.backbone for run in main)),
            recipes=tuple(dict.fromkeys([self.baseline, *self.recipes, *(run.recipe for run in main)])),
            targets=tuple(dict.fromkeys([*self.targets, *table.distinct("task")])),
            languages=_extended(self.languages, sorted(table.distinct("language"))),
            seeds=tuple(sorted({*self.seeds, *table.distinct("seed")})),
        )


def _extended(known: Iterable[Named], measured: Iterable[str]) -> tuple[Named, ...]:
    named = {one.key: one for one in known}
    return (*named.values(), *(Named(key) for key in dict.fromkeys(measured) if key not in named))
