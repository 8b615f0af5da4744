"""How the weights of a phase are chosen, as train stages describe it. No torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from xstilts.graph.stage import Stage
from xstilts.tasks.base import Split, Task

OPTIONS = ("select", "checkpoints", "evaluate_every", "subset", "patience", "average")
"""Of `TrainConfig`: they stand in a train stage's `selection` and not among its training options."""


@dataclass(frozen=True)
class Judge:
    """Validation data by which the weights of a phase are judged.

    Attributes:
        component: place in the mixture of the task whose head answers.
    """

    task: Task
    split: Split
    component: int
    data: Stage


@dataclass(frozen=True)
class Selection:
    """Which weights of a phase are kept.

    Attributes:
        options: training options, those of selection among them.
        judges: what they are judged by; none where nothing is measured. With `last` and `average` only the end is.
    """

    options: Mapping[str, Any]
    judges: tuple[Judge, ...] = ()

    @property
    def by(self) -> str:
        """The rule: as asked, but `last` where there is nothing to choose by."""
        asked: str = self.options["select"]
        return asked if self.judges or asked == "average" else "last"

    def config(self) -> dict[str, Any]:
        """What of it can change a number, for the key; nothing for the last weights, as before there was a choice."""
        if self.by == "last" and not self.judges:
            return {}
        used = {"last": (), "average": ("average",)}.get(self.by, ("patience",))
        told: dict[str, Any] = {"by": self.by, **{name: self.options[name] for name in used}}
        if self.by != "last":
            when = "checkpoints" if self.options["evaluate_every"] is None else "evaluate_every"
            told[when] = self.options[when]
        judges = [
            {
                "component": judge.component,
                "task": judge.task.name,
                "split": judge.split,
                "metric": judge.task.metric,
                "main": judge.task.main,
            }
            for judge in self.judges
        ]
        return {"selection": {**told, "judges": judges}}

    def inputs(self) -> dict[str, Stage]:
        """Role -> data: `dev0`, `dev1` ..., in the order of the judges."""
        return {f"dev{i}": judge.data for i, judge in enumerate(self.judges)}


def in_words(stages: Iterable[Stage]) -> tuple[str, ...]:
    """What a report says of the train stages: one sentence a rule; nothing where all keep their last weights."""
    rules: dict[str, dict[str, None]] = {}
    for stage in stages:
        if stage.kind in ("train", "choose"):
            names = " with ".join(part["task"] for part in stage.config["components"])
            rules.setdefault(_rule(stage), {})[names] = None
    if set(rules) <= {LAST}:
        return ()
    return tuple(f"Weights after training on {', '.join(names)}: {rule}." for rule, names in rules.items())


def in_words_by_default(stages: Iterable[Stage]) -> tuple[str, ...]:
    """One sentence on the epochs and learning rates that the experiment left open; none where it gives all."""
    found: dict[str, None] = {}
    for stage in stages:
        if stage.kind == "train" and (names := stage.settings.get("by_default")):
            train, tasks = stage.config["train"], " with ".join(part["task"] for part in stage.config["components"])
            said = {"epochs": f"{train['epochs']:g} epochs", "learning_rate": f"rate {train['learning_rate']:g}"}
            found[f"{tasks}: {', '.join(said[name] for name in names)}"] = None
    told = "Set by default from the size of the data and of the model: "
    return (told + "; ".join(found) + ".",) if found else ()


LAST = "the last"


def _rule(stage: Stage) -> str:
    said = stage.config.get("selection", {})
    if stage.kind == "choose":
        rates = ", ".join(f"{rate:g}" for rate in stage.config["learning_rates"])
        return f"those of the learning rate, of {rates}, that is best on the same validation data"
    by = said.get("by", "last")
    if by == "last":
        return LAST
    if by == "average":
        return f"the mean of the last {said['average']} snapshots of the run (Schmidt et al. 2023)"
    often = f"every {said['evaluate_every']} steps" if "evaluate_every" in said else f"{said['checkpoints']} times"
    limits = {stage.inputs[f"dev{i}"].config["limit"] for i in range(len(said["judges"]))}
    first = f" ({max(limits)} examples)" if max(limits) else ""
    where = "the target's own languages, an oracle" if by == "oracle" else "the source language"
    patience = f", stopping after {said['patience']} without a better one" if said.get("patience") else ""
    return f"the best on validation data of {where}{first}, evaluated {often}{patience}"
