"""What is being computed in a store at this moment, by whatever process on whatever machine."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from xstilts.core.errors import XstiltsError
from xstilts.core.files import read_json
from xstilts.graph.locks import is_held
from xstilts.graph.perform import PROGRESS
from xstilts.graph.store import Store


@dataclass(frozen=True)
class Running:
    """A stage that a process has locked.

    Attributes:
        label: empty before the stage has begun.
        fraction: the share that is done, 0-1, where it is known; `message`: what it said last.
        host, process: who computes it; `since`: when that began, ISO 8601 in UTC.
        told: when it last said how far it is.
    """

    key: str
    kind: str
    label: str = ""
    fraction: float | None = None
    message: str = ""
    host: str = "?"
    process: int = 0
    since: str = ""
    told: str = ""

    def json(self) -> dict[str, Any]:
        """A JSON object."""
        return asdict(self)

    def row(self) -> dict[str, str]:
        """A row for people."""
        return {
            "running": self.kind,
            "key": self.key[:8],
            "stage": self.label,
            "done": "-" if self.fraction is None else f"{self.fraction:.0%}",
            "since": _local(self.since),
            "process": f"{self.process} on {self.host}",
            "last word": f"{self.message} ({_local(self.told)})" if self.told else "-",
        }


def running(store: Store) -> list[Running]:
    """The stages that are locked now, by kind, those that began first at the front."""
    locks = [path for path in store.root.glob("*/.*.lock") if is_held(path)]
    return sorted(map(_running, locks), key=lambda one: (one.kind, one.since, one.key))


def _running(lock: Path) -> Running:
    key = lock.name.removeprefix(".").removesuffix(".lock")
    progress = map(_fields, lock.parent.glob(f".{key}.*partial/{PROGRESS}"))
    said = max(progress, key=lambda one: str(one.get("told", "")), default={})
    told = {name: said[name] for name in ("label", "fraction", "message", "told") if name in said}
    names = {"host": "host", "pid": "process", "since": "since"}
    return Running(
        key, lock.parent.name, **told, **{names[name]: who for name, who in _fields(lock).items() if name in names}
    )


def _fields(path: Path) -> dict[str, Any]:
    """What a small file says; nothing where it is just being written or removed."""
    try:
        found = read_json(path)
    except XstiltsError:
        return {}
    return found if isinstance(found, dict) else {}


def _local(time: str) -> str:
    """`12:03`, with the date where that is not today's."""
    if not time:
        return "-"
    since, now = datetime.fromisoformat(time).astimezone(), datetime.now().astimezone()
    return f"{since:{'%H:%M' if since.date() == now.date() else '%Y-%m-%d %H:%M'}}"
