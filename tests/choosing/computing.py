"""Runs of a tiny experiment, and what was computed of them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from stages.tiny_experiment import run, tiny_experiment
from xstilts.choosing import Choice, Runs, choose, setting
from xstilts.experiment import Experiment
from xstilts.graph.stage import Stage
from xstilts.graph.store import Store

RECIPES = [[], ["micro_nli"], ["micro_ner"], ["micro_tagging"]]


def experiment(**changes: Any) -> Experiment:
    train = {"steps": 8, "batch_size": 4, "learning_rate": 1e-3}
    targets = ["micro_topic", "micro_retrieval"]
    return tiny_experiment(**{"recipes": RECIPES, "targets": targets, "train": train, **changes})


class Computing:
    """Runs stages in this process and counts what it computed."""

    def __init__(self, store: Path) -> None:
        self.store, self.done = Store(store), 0

    def __call__(self, stages: Iterable[Stage]) -> None:
        events = run(stages, self.store.root)
        assert events["Failed"] == [], events["Failed"]
        self.done += len(events["Done"])


def runs_for(target: str, root: Path, compute: Computing, asked: Experiment | None = None) -> Runs:
    return Runs(setting(asked or experiment(), target, (), None), root, compute.store)


def chosen_for(
    target: str, root: Path, compute: Computing, asked: Experiment | None = None, budget: float = 1.0
) -> Choice:
    return choose(runs_for(target, root, compute, asked), compute, budget)
