"""A stage: one unit of work named by its content. Equal descriptions are one stage, however often they are asked for.

The key covers everything that can change a number (kind, version, config, the inputs' keys) and nothing else: `label`
and `settings` may differ between machines and runs without a second computation.
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
    """A node of the graph. Two stages are equal when their keys are.

    Attributes:
        kind: what is done (`prepare`, `train` ...); also the name of its folder in the store.
        version: raised by hand whenever the code of this kind starts to give other numbers.
        config: JSON, all that can change a number. It is copied, so that nobody can change it behind the key.
        inputs: role -> the stage whose directory is read, e.g. `{"weights": train, "data": prepare}`.
        label: for people; outside the key.
        settings: JSON hints for the executor, e.g. `{"cost": 3.0}` (relative length); outside the key.
        key: 20 hex digits. Taken from the inputs' own keys, so that deep graphs cost one hash a stage.

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
        """Role -> key of the input."""
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
    """Targets and all they depend on, each once, inputs before the stages that read them.

    The order depends on the targets alone. Of equal stages the first one met stands for all (labels may differ).
    """
    met: dict[str, Stage] = {}
    to_visit = list(reversed(list(targets)))
    while to_visit:  # not recursive: a chain of phases may be deeper than Python's stack
        stage = to_visit.pop()
        if stage.key not in met:
            met[stage.key] = stage
            to_visit.extend(reversed(list(stage.inputs.values())))
    sorter = TopologicalSorter({key: stage.input_keys().values() for key, stage in met.items()})
    return [met[key] for key in sorter.static_order()]


def drop_defaults(config: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """`config` without the entries that equal their default: how a new option keeps the keys of old results.

    An option added after results exist is listed here with the value that means "as before"; results then stay valid
    and only those that use the option get new keys. The options of the first release are not listed, so that changing
    one of *their* defaults changes the keys, as it must.

    >>> drop_defaults({"lr": 0.1, "smoothing": 0.0}, {"smoothing": 0.0})
    {'lr': 0.1}
    """
    return {
        name: value for name, value in config.items() if name not in defaults or _json(value) != _json(defaults[name])
    }


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True)  # not ==, for which 1, 1.0 and True are the same


def to_rows(stages: Iterable[Stage]) -> list[dict[str, Any]]:
    """The whole graph of `stages` as JSON rows, inputs first: what a worker elsewhere is sent."""
    return [
        {
            "key": stage.key,
            "kind": stage.kind,
            "version": stage.version,
            "config": stage.config,
            "inputs": stage.input_keys(),
            "label": stage.label,
            "settings": stage.settings,
        }
        for stage in graph(stages)
    ]


def from_rows(rows: Iterable[Mapping[str, Any]]) -> dict[str, Stage]:
    """Key -> stage, the inverse of `to_rows`."""
    stages: dict[str, Stage] = {}
    for row in rows:
        inputs = {role: stages[key] for role, key in row["inputs"].items()}
        stage = Stage(row["kind"], row["version"], row["config"], inputs, row["label"], row["settings"])
        assert stage.key == row["key"], f"{stage} has the key {stage.key} here and {row['key']} where it was sent from"
        stages[stage.key] = stage
    return stages
