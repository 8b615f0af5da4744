"""Scores, and benchmarks that are means of them: what both wings know, and all that the reading wing needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

FREE = "free"
"""The variant of answers that were generated without constraint."""
ORACLE = "checkpoint=oracle"
"""Part of a signature: the weights were chosen on validation data of the target languages."""
COLLAPSED = "run=collapsed"
"""Part of a signature: on validation the model was no better than the best constant answer."""
RESTARTS = "restarts="
"""Begins a part of a signature: how many runs on the way to the model were replaced by ones with other seeds."""


@dataclass(frozen=True)
class Score:
    """One measured value.

    Attributes:
        task: target (or intermediate) task.
        language: XTREME's code of the test language.
        split: train, validation or test.
        metric: accuracy, f1, exact_match, token_accuracy ...
        value: 0-100.
        n: number of examples measured.
        majority: value of the best constant answer on the same examples, 0-100 (chance, where no answer is constant).
        seed: the replicate's seed.
        recipe: label of the phases before the target, e.g. `[]`, `[mnli]`, `[squad, mnli]`, `[{mnli, mlm}]`.
        backbone: name of the model at the start of the recipe.
        role: `target`, or `intermediate` for an intermediate task's own score.
        main: whether this is the value that enters the task's mean.
        variant: what else was chosen, e.g. `layer=2 centred`; empty where nothing is to choose.
        signature: the protocol in one line: metric script, split, example count, version.
        stage: key of the evaluate stage that measured it; its folder holds the per-example values.
        chosen_on: whether this language's gold chose something (the layer of retrieval): no zero-shot result.
    """

    task: str
    language: str
    split: str
    metric: str
    value: float
    n: int
    majority: float
    seed: int
    recipe: str
    backbone: str
    role: str = "target"
    main: bool = True
    variant: str = ""
    signature: str = ""
    stage: str = ""
    chosen_on: bool = False

    @property
    def oracle(self) -> bool:
        """Whether target-language labels chose the model's weights: no zero-shot result."""
        return ORACLE in self.signature.split(" | ")

    @property
    def collapsed(self) -> bool:
        """Whether training ended no better than the best constant answer."""
        return COLLAPSED in self.signature.split(" | ")

    @property
    def restarted(self) -> bool:
        """Whether a run of another seed stands in the place of one that diverged or collapsed."""
        return f" | {RESTARTS}" in self.signature

    def row(self) -> dict[str, Any]:
        """A flat JSON object."""
        return asdict(self)


@dataclass(frozen=True)
class Benchmark:
    """What a benchmark's official mean is taken over.

    Attributes:
        name: as a user types it.
        title: as its paper calls it; only a complete mean is called so.
        languages: task -> the languages that enter its mean, with equal weight.
        groups: name -> tasks. Tasks of the group `qa` count with the mean of exact match and F1, others with their main
            value. The overall mean is over tasks, not over groups.
        splits: task -> split that is measured, where it is not `test`.
    """

    name: str
    title: str
    languages: Mapping[str, tuple[str, ...]]
    groups: Mapping[str, tuple[str, ...]]
    splits: Mapping[str, str] = field(default_factory=dict)

    def split(self, task: str) -> str:
        """The split whose scores count."""
        return self.splits.get(task, "test")

    def values(self, task: str) -> tuple[str, ...]:
        """The values whose mean a task counts with; empty: its main value."""
        return ("f1", "exact_match") if task in self.groups.get("qa", ()) else ()
