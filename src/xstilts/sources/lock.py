"""The lock: `xstilts-data.lock.json` in the data folder has the revision, origin and checksum of what was fetched."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from xstilts.core.errors import DataError
from xstilts.core.files import read_text, write_json

NAME = "xstilts-data.lock.json"


@dataclass(frozen=True)
class Locked:
    """A fetched file: its task, split and language (`*`: all), where it is from, its size and checksum."""

    task: str
    split: str
    language: str
    origin: str
    bytes: int
    sha256: str


@dataclass
class Lock:
    """What was fetched: dataset repository -> commit, and path below the data folder -> file."""

    format: Literal[1]
    revisions: dict[str, str]
    files: dict[str, Locked]

    def save(self, root: Path) -> None:
        """Write the lock, whole or not at all."""
        self.revisions, self.files = dict(sorted(self.revisions.items())), dict(sorted(self.files.items()))
        write_json(root / NAME, asdict(self))


def load_lock(root: Path) -> Lock:
    """The lock of the data folder, empty where there is none. Raises `DataError` when it is damaged."""
    if not (root / NAME).exists():
        return Lock(1, {}, {})
    try:
        return TypeAdapter(Lock).validate_json(read_text(root / NAME), strict=True)
    except ValidationError:
        raise DataError("damaged, or not a lock of format 1: delete it to fetch again", root / NAME) from None
