"""A whole experiment on a tiny microworld, small enough for tests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from xstilts.core.files import read_jsonl
from xstilts.core.machine import Machine
from xstilts.expand import Expansion
from xstilts.experiment import Experiment
from xstilts.graph.events import Cached, Done, Event, Failed, Skipped
from xstilts.graph.stage import Stage
from xstilts.graph.store import Store
from xstilts.session.executors import RUNNER, carry_out

LANGUAGES = ("en", "qaa", "qab", "qac", "qad", "qae")
BACKBONE = {
    "name": "tiny",
    "architecture": "xlm-roberta",
    "config": {
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 24,
        "max_position_embeddings": 400,
    },
    "tokenizer": {"tasks": ["micro_text"], "languages": list(LANGUAGES), "vocabulary": 400, "characters": 5000},
}
TARGETS = ("micro_topic", "micro_choice", "micro_tagging", "micro_qa", "micro_ner", "micro_retrieval")


def tiny_experiment(**changes: Any) -> Experiment:
    fields: dict[str, Any] = {
        "name": "tiny",
        "seeds": [1],
        "backbones": [BACKBONE],
        "recipes": [[], ["micro_nli"]],
        "targets": list(TARGETS),
        "train": {"steps": 2, "batch_size": 4, "learning_rate": 1e-3, "select": "last"},
    }
    return Experiment(**{**fields, **changes})


def run(
    stages: Iterable[Stage], store: Path, workers: int = 0, runner: Any = RUNNER, **settings: Any
) -> dict[str, list[Event]]:
    """Events by how stages ended; fails where a stage did, unless asked not to."""
    events: dict[str, list[Event]] = {"Done": [], "Cached": [], "Failed": [], "Skipped": []}
    machine = Machine(workers=workers, threads=1, **settings)
    for event in carry_out(list(stages), Store(store), machine, runner):
        if isinstance(event, Done | Cached | Failed | Skipped):
            events[type(event).__name__].append(event)
    return events


def run_all(expansion: Expansion, store: Path, **more: Any) -> dict[str, list[Event]]:
    events = run(expansion.stages(), store, **more)
    assert events["Failed"] == [], [event.error for event in events["Failed"] if isinstance(event, Failed)]
    return events


def scores(store: Path, stage: Stage) -> list[Mapping[str, Any]]:
    return [row for _, row in read_jsonl(Store(store).directory(stage) / "scores.jsonl")]
