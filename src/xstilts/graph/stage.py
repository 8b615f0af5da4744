"""A stage: one unit of work named by its content. Stages with equal descriptions are one stage.

The key covers everything that can change a number (kind, version, config, keys of the inputs) and nothing else:
`label` and `settings` may differ between machines and runs.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from typing import Any

from xstilts.core.keys import content_key


@dataclass(frozen=True, eq=False, repr=False)
class Stage:
    """A node of the graph. Two stages are equal if their keys are equal.

    Attributes:
        kind: what is done (`prepare`, `train` ...); also the name of its folder in the store.
        version: raised by hand when the code of this kind starts to give other numbers.
        config: JSON, everything that can change a number. It is copied, so later changes do not reach the stage.
        inputs: role -> the stage whose directory is read, e.g. `{"weights": train, "data": prepare}`.
        label: name for people; not in the key.
        settings: JSON hints for the executor, e.g. `{"cost": 3.0}` (relative length); not in the key.
        key: 20 hex digits. Computed from the keys of the inputs, so a deep graph costs one hash per stage.

    Raises:
        TypeError: config or settings hold something that is not JSON.
    """

    kind: str
    version: int
    config: Mapping[str, Any]
    inputs: Mapping[str, Stage] = field(default_factory=dict)
    label: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    key: str = field(init=False)

    def __post_init__(self) -> None:
        assert self.kind.isidentifier(), f"'{self.kind}' cannot name a folder of stages"
        assert self.kind != "failures", "the store keeps tracebacks in failures/"
        for name in ("config", "settings"):
            object.__setattr__(self, name, json.loads(json.dumps(dict(getattr(self, name)), allow_nan=False)))
        object.__setattr__(self, "inputs", dict(self.inputs))
        object.__setattr__(self, "key", content_key([self.kind, self.version, self.config, self.input_keys()]))

    def input_keys(self) -> dict[str, str]:
        return {role: stage.key for role, stage in self.inputs.items()}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stage) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __str__(self) -> str:
        return f"{self.kind} {self.label or self.key}"

    def __repr__(self) -> str:
        return f"<Stage {self}, {self.key}>"


def graph(targets: Iterable[Stage]) -> list[Stage]:
    """The targets and everything they depend on, each once, inputs before the stages that read them.

    The order depends on the targets alone. Of equal stages the first one stands for all (their labels may differ).
    """
    found: dict[str, Stage] = {}
    to_visit = list(reversed(list(targets)))
    while to_visit:  # not recursive: a chain of phases may be deeper than Python's stack
        stage = to_visit.pop()
        if stage.key not in found:
            found[stage.key] = stage
            to_visit.extend(reversed(list(stage.inputs.values())))
    sorter = TopologicalSorter({key: stage.input_keys().values() for key, stage in found.items()})
    return [found[key] for key in sorter.static_order()]


def drop_defaults(config: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """`config` without the entries that equal their default, so that a new option keeps the keys of old results.

    List an option here if it was added after results exist, with the value that means "as before". Old results then
    stay valid, and only results that use the option get new keys. Options of the first release are not listed:
    changing one of *their* defaults must change the keys.

    >>> drop_defaults({"lr": 0.1, "smoothing": 0.0}, {"smoothing": 0.0})
    {'lr': 0.1}
    """

    said = {name: json.dumps(value, sort_keys=True) for name, value in defaults.items()}  # as text: 1 == 1.0 == True
    return {name: value for name, value in config.items() if said.get(name) != json.dumps(value, sort_keys=True)}


def to_rows(stages: Iterable[Stage]) -> list[dict[str, Any]]:
    """The whole graph of `stages` as JSON rows, inputs first: what a worker in another process receives."""
    names = ("key", "kind", "version", "config", "label", "settings")
    return [{**{name: getattr(stage, name) for name in names}, "inputs": stage.input_keys()} for stage in graph(stages)]


def from_rows(rows: Iterable[Mapping[str, Any]]) -> dict[str, Stage]:
    """Key -> stage, the inverse of `to_rows`."""
    stages: dict[str, Stage] = {}
    for row in rows:
        inputs = {role: stages[key] for role, key in row["inputs"].items()}
        stage = Stage(row["kind"], row["version"], row["config"], inputs, row["label"], row["settings"])
        assert stage.key == row["key"], f"{stage} has the key {stage.key} here and {row['key']} at the sender"
        stages[stage.key] = stage
    return stages
