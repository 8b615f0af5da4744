"""A score: one number with all that is needed to know what it means. The reading wing needs nothing else."""

from __future__ import annotations

from dataclasses import asdict, dataclass
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
