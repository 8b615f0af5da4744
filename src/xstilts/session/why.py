"""What a store knows about stages: which are running, what each key is made of, and why one is not finished."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

from xstilts.core.errors import StoreError, UnknownName
from xstilts.core.files import read_object
from xstilts.graph.events import time_left
from xstilts.graph.locks import is_held, local_time
from xstilts.graph.perform import PROGRESS
from xstilts.graph.record import Record
from xstilts.graph.stage import Stage
from xstilts.graph.store import Store
from xstilts.session.grid import grids

MOST, ALIKE = 3, 5
"""Differences that are named, while others are counted; most differences between stages that are compared at all."""
LOOKED_INTO = 30
"""Number of similar stages whose inputs are compared too."""
WAITS = "it waits for"
"""How a reason begins that is not a change of the stage itself."""
Facts = frozenset[tuple[str, str]]


@dataclass(frozen=True)
class Running:
    """A stage that a process is computing.

    Attributes:
        label: empty before the stage has begun.
        fraction: finished share, 0-1, if known; `message`: its latest message.
        step, steps, loss, tokens_per_second: of a train stage; `seconds_left`: estimate, if known.
        host, process: where it runs; `since`: when that began, ISO 8601 in UTC.
        told: time of its latest report.
    """

    key: str
    kind: str
    label: str = ""
    fraction: float | None = None
    message: str = ""
    step: int | None = None
    steps: int | None = None
    loss: float | None = None
    tokens_per_second: float | None = None
    seconds_left: float | None = None
    host: str = "?"
    process: int = 0
    since: str = ""
    told: str = ""

    def row(self) -> dict[str, str]:
        return {
            "running": self.kind,
            "key": self.key[:8],
            "stage": self.label,
            "done": "-" if self.fraction is None else f"{self.fraction:.0%}",
            "left": time_left(self.seconds_left or 0.0).removesuffix(" left") or "-",
            "since": local_time(self.since) if self.since else "-",
            "process": f"{self.process} on {self.host}",
            "last message": f"{self.message} ({local_time(self.told)})" if self.told else "-",
        }


def running(store: Store) -> list[Running]:
    """The stages that are being computed now by any process on any machine, by kind, oldest first."""
    locks = [path for path in store.root.glob("*/.*.lock") if is_held(path)]
    return sorted(map(_running, locks), key=lambda one: (one.kind, one.since, one.key))


def _running(lock: Path) -> Running:
    key = lock.name.removeprefix(".").removesuffix(".lock")
    progress = map(read_object, lock.parent.glob(f".{key}.*partial/{PROGRESS}"))
    latest = max(progress, key=lambda one: str(one.get("told", "")), default={})
    found = latest | {"process" if name == "pid" else name: value for name, value in read_object(lock).items()}
    known = {each.name: found[each.name] for each in fields(Running) if each.name in found}
    return Running(**known | {"key": key, "kind": lock.parent.name})


class Described(NamedTuple):
    """The parts of a stage's key, and its label; `inputs`: role -> key."""

    key: str
    kind: str
    version: int
    label: str
    config: Mapping[str, Any]
    inputs: Mapping[str, str]

    def __str__(self) -> str:
        return f"{self.kind} {self.label or self.key}"


class Known:
    """The stages that a store knows: finished ones, and those of the experiments that were run in it.

    Args:
        stages: further ones.

    Attributes:
        finished: key -> its record; damaged ones are left out.
        stages: key -> stage, finished or not.
        experiments: name -> keys of the stages that it needs.
    """

    def __init__(self, store: Store, stages: Iterable[Stage] = ()) -> None:
        self.finished: dict[str, Record] = {}
        for done in store.root.glob("*/[!.]*/DONE"):
            with suppress(StoreError):
                record = Record.read(done.parent)
                self.finished[record.key] = record
        rows = {name: found.get("stages", ()) for name, found in grids(store).items()}
        self.experiments = {name: {row["key"] for row in own} for name, own in rows.items()}
        names = Described._fields
        found = [Described(*(row[name] for name in names)) for own in rows.values() for row in own]
        found += [Described(*(getattr(one, name) for name in names)) for one in self.finished.values()]
        found += [Described(s.key, s.kind, s.version, s.label, s.config, s.input_keys()) for s in stages]
        self.stages = {one.key: one for one in found}
        self._facts: dict[str, Facts] = {}
        self._known: dict[tuple[str, str], dict[str, Described]] = {}

    def find(self, name: str) -> Described:
        """The stage whose key begins with `name`, or whose label is `name` or alone contains it.

        Raises:
            UnknownName: there is none.
            StoreError: there are several.
        """
        known = self.stages.values()
        found = [one for one in known if one.key.startswith(name)]
        found = found or [one for one in known if name in (str(one), one.label)]
        found = found or [one for one in known if name in str(one)]
        if len(found) > 1:
            near = ", ".join(f"{one.key[:8]} ({one})" for one in found[:3])
            raise StoreError(f"'{name}' is {len(found)} stages: give the key of one of them, as in {near} ...")
        if not found:
            raise UnknownName("stage", name, map(str, known), "xstilts plan FILE --stages --json")
        return found[0]

    def readers(self, one: Described) -> list[Described]:
        return [other for other in self.stages.values() if one.key in other.inputs.values()]

    def nearest(self, one: Described) -> Described | None:
        """The finished stage of its kind with the fewest differences, the latest of several; None if there is none."""
        records = [record for record in self.finished.values() if record.kind == one.kind and record.key != one.key]
        records.sort(key=lambda record: record.finished, reverse=True)
        others = sorted((self.stages[record.key] for record in records), key=lambda o: len(self._of(one) ^ self._of(o)))
        if others and others[0].inputs != one.inputs:  # differences inside the inputs count too
            others = sorted(others[:LOOKED_INTO], key=lambda other: len(self.differences(one, other)))
        return others[0] if others else None

    def _of(self, one: Described) -> Facts:
        if one.key not in self._facts:
            own = (("code version", str(one.version)), *flat(one.config))
            self._facts[one.key] = frozenset((*own, *one.inputs.items()))
        return self._facts[one.key]

    def differences(self, one: Described, other: Described) -> dict[str, Described]:
        """The differences from `other`, as in `train.epochs is 3, there 5`, with the stage where it does.

        That stage is `one`, or one that it reads.
        """
        if (one.key, other.key) in self._known:
            return self._known[one.key, other.key]
        found = self._known[one.key, other.key] = {}
        facts, theirs = dict(self._of(one)), dict(self._of(other))
        for name in sorted((facts.keys() | theirs.keys()) - one.inputs.keys() - other.inputs.keys()):
            if facts.get(name) != theirs.get(name):
                found[f"{name} is {_short(facts.get(name))}, there {_short(theirs.get(name))}"] = one
        for role in dict.fromkeys([*one.inputs, *other.inputs]):
            ours, its = self.stages.get(one.inputs.get(role, "")), self.stages.get(other.inputs.get(role, ""))
            if ours is not None and its is not None and ours.kind == its.kind:
                found |= {text: found.get(text, where) for text, where in self.differences(ours, its).items()}
            elif one.inputs.get(role) != other.inputs.get(role):
                found[f"{role} is {ours or 'nothing'}, there {its or 'a stage that is gone'}"] = one
        return found

    def apart(self, one: Described, other: Described) -> str:
        found = self.differences(one, other)
        told = [text if where.key == one.key else f"{where}: {text}" for text, where in found.items()]
        return "; ".join(told[:MOST]) + (f"; and {len(told) - MOST} more" if len(told) > MOST else "")

    def why(self, one: Described) -> str:
        waits = [self.stages[key] for key in one.inputs.values() if key in self.stages and key not in self.finished]
        if waits:
            return f"{WAITS} {waits[0]}" + (f" and {len(waits) - 1} more" if len(waits) > 1 else "")
        if (near := self.nearest(one)) is None:
            return "no stage of its kind is finished"
        if len(self.differences(one, near)) > ALIKE:
            return "new: no finished stage is like it"
        return f"{self.apart(one, near)} (in {near.key[:8]}, {near})"


def reasons(stages: Sequence[Stage], store: Store) -> dict[str, str]:
    """Key -> why it is not finished, for missing stages; empty if the store has no finished stage at all."""
    known = Known(store, stages)
    missing = [stage.key for stage in stages if stage.key not in known.finished]
    return {key: known.why(known.stages[key]) for key in missing} if known.finished else {}


def flat(value: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """The leaves of a JSON value with their places: `train.epochs`, `components.0.rate`."""
    parts: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, Mapping):
        parts = value.items()
    elif isinstance(value, list) and any(isinstance(part, Mapping) for part in value):
        parts = enumerate(value)
    for name, part in parts:
        yield from flat(part, f"{place}.{name}" if place else str(name))
    if not parts:
        yield place, json.dumps(value, ensure_ascii=False)


def _short(text: str | None) -> str:
    return "not set" if text is None else text if len(text) <= 40 else f"{text[:40]}..."
