"""Scores, and benchmarks that are means of them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

FREE = "free"
"""The variant of predictions that were generated without constraints."""
ORACLE = "checkpoint=oracle"
"""Part of a signature: the weights were chosen on validation data of the target languages."""
COLLAPSED = "run=collapsed"
"""Part of a signature: on validation data the model was not better than the majority baseline."""
RESTARTS = "restarts="
"""Begins a part of a signature: how many runs before this model were replaced by runs with other seeds."""


@dataclass(frozen=True)
class Score:
    """One measured value.

    Attributes:
        task: target (or intermediate) task.
        language: XTREME's code of the test language.
        split: train, validation or test; `gold` if it is a file given to `score`.
        metric: accuracy, f1, exact_match, token_accuracy ...
        value: 0-100.
        n: number of examples measured.
        majority: value of the majority baseline on the same examples, 0-100 (chance, if there is none).
        seed: seed of the replicate.
        recipe: label of the phases before the target, e.g. `[]`, `[mnli]`, `[squad, mnli]`, `[{mnli, mlm}]`.
        backbone: name of the model at the start of the recipe.
        role: `target`, or `intermediate` for an intermediate task's own score.
        main: whether this is the value that enters the task's mean.
        variant: further choices, e.g. `layer=2 centred`; empty if there are none.
        signature: the protocol in one line: metric script, split, example count, version.
        stage: key of the evaluate stage, whose folder holds the values per example.
        chosen_on: whether gold of this language was used to choose something (the layer of retrieval): not zero-shot.
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
        """Whether labels in the target languages were used to choose the weights: not zero-shot."""
        return ORACLE in self.signature.split(" | ")

    @property
    def collapsed(self) -> bool:
        """Whether training ended not better than the majority baseline."""
        return COLLAPSED in self.signature.split(" | ")

    @property
    def restarted(self) -> bool:
        """Whether it comes from a run with another seed, because the first one diverged or collapsed."""
        return f" | {RESTARTS}" in self.signature

    def row(self) -> dict[str, Any]:
        """A flat JSON object."""
        return asdict(self)


@dataclass(frozen=True)
class Benchmark:
    """The tasks and languages of a benchmark's official mean.

    Attributes:
        name: for the command line.
        title: name in its paper; used only for a complete mean.
        languages: task -> the languages that enter its mean, with equal weight.
        groups: name -> tasks. Tasks of the group `qa` count with the mean of exact match and F1, others with their main
            value. The overall mean is over tasks, not over groups.
        splits: task -> measured split, unless it is `test`.
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
        """The metrics whose mean counts for a task; empty: its main value."""
        return ("f1", "exact_match") if task in self.groups.get("qa", ()) else ()
