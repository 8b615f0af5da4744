"""How the weights of a phase are selected: a train stage's config, and sentences about it. No torch."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xstilts.core.errors import count
from xstilts.graph.stage import Stage
from xstilts.tasks.base import Split, Task

OPTIONS = ("select", "checkpoints", "evaluate_every", "subset", "patience", "average")
"""Fields of `TrainConfig` that a train stage has in `selection`, not among its training options."""


@dataclass(frozen=True)
class Judge:
    """Validation data on which the weights of a phase are judged.

    Attributes:
        component: place in the mixture of the task whose head answers.
    """

    task: Task
    split: Split
    component: int
    data: Stage


def selection_of(options: Mapping[str, Any], judges: Sequence[Judge]) -> dict[str, Any]:
    """The `selection` of a train stage; empty for the last weights without judges, as in old keys.

    Args:
        options: training options, those of selection among them.
        judges: none where nothing is measured. With `last` and `average` they judge only the end.
    """
    by: str = options["select"]
    if not judges and by != "average":
        return {}
    used = {"last": (), "average": ("average",)}.get(by, ("patience",))
    selection: dict[str, Any] = {"by": by, **{name: options[name] for name in used}}
    if by != "last":
        when = "checkpoints" if options["evaluate_every"] is None else "evaluate_every"
        selection[when] = options[when]
    judged = [
        {"component": one.component, "task": one.task.name, "split": one.split, "metric": metric, "main": one.task.main}
        for one in judges
        for metric in [one.task.metric]
    ]
    return {**selection, "judges": judged}


def in_words(stages: Iterable[Stage]) -> tuple[str, ...]:
    """One sentence per rule by which train stages keep weights; none where all keep the last."""
    rules: dict[str, dict[str, None]] = {}
    for stage in stages:
        if stage.kind in ("train", "choose"):
            rules.setdefault(_rule(stage), {})[_tasks(stage)] = None
    if set(rules) <= {"the last"}:
        return ()
    return tuple(f"Weights after training on {', '.join(names)}: {rule}." for rule, names in rules.items())


def in_words_by_default(stages: Iterable[Stage]) -> tuple[str, ...]:
    """One sentence on the epochs and learning rates that the experiment leaves open; none where it gives all."""
    found: dict[str, None] = {}
    for stage in stages:
        if stage.kind == "train" and (names := stage.settings.get("by_default")):
            train = stage.config["train"]
            said = {"epochs": f"{train['epochs']:g} epochs", "learning_rate": f"rate {train['learning_rate']:g}"}
            found[f"{_tasks(stage)}: {', '.join(said[name] for name in names)}"] = None
    return (f"Set by default from the size of the data and of the model: {'; '.join(found)}.",) if found else ()


def _tasks(stage: Stage) -> str:
    return " with ".join(part["task"] for part in stage.config["components"])


def _rule(stage: Stage) -> str:
    said = stage.config.get("selection", {})
    if stage.kind == "choose":
        rates = ", ".join(f"{rate:g}" for rate in stage.config["learning_rates"])
        return f"the run with the best of the learning rates {rates} on the same validation data"
    by = said.get("by", "last")
    if by == "last":
        return "the last"
    if by == "average":
        taken = min(said["average"], said.get("checkpoints", said["average"]))
        return f"the mean of the last {count(taken, 'snapshot')} of the run (Schmidt et al. 2023)"
    often = (
        f"every {said['evaluate_every']} steps" if "evaluate_every" in said else f"{count(said['checkpoints'], 'time')}"
    )
    limits = {stage.inputs[f"dev{i}"].config["limit"] for i in range(len(said["judges"]))}
    first = f" (at most {max(limits)} examples)" if max(limits) else ""
    where = "the target's own languages, an oracle" if by == "oracle" else "the source language"
    patience = f", stopping after {said['patience']} without a better one" if said.get("patience") else ""
    return f"the best on validation data of {where}{first}, evaluated {often}{patience}"
