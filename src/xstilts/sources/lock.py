"""What was fetched: `xstilts-data.lock.json` in the data folder, with revisions, origins and checksums."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from xstilts.core.errors import DataError
from xstilts.core.files import read_json, write_json

NAME = "xstilts-data.lock.json"
FORMAT = 1


@dataclass(frozen=True)
class Locked:
    """A fetched file: its task, split and language (`*`: all), its bytes and where they are from."""

    task: str
    split: str
    language: str
    origin: str
    bytes: int
    sha256: str


@dataclass
class Lock:
    """The lock of one data folder.

    Attributes:
        revisions: dataset repository -> commit that all fetches of it use.
        files: path below the data folder -> what was written there.
    """

    path: Path
    revisions: dict[str, str] = field(default_factory=dict)
    files: dict[str, Locked] = field(default_factory=dict)

    def of(self, task: str, split: str, language: str) -> list[str]:
        """Paths of the fetched files of one split and language, those for all languages included."""
        return [
            path
            for path, file in self.files.items()
            if (file.task, file.split) == (task, split) and file.language in (language, "*")
        ]

    def save(self) -> None:
        """Write the lock, whole or not at all."""
        files = {path: asdict(file) for path, file in sorted(self.files.items())}
        write_json(self.path, {"format": FORMAT, "revisions": dict(sorted(self.revisions.items())), "files": files})


def load_lock(root: Path) -> Lock:
    """The lock of the data folder, empty where there is none. Raises `DataError` when it is damaged."""
    path = root / NAME
    if not path.exists():
        return Lock(path)
    document = read_json(path)
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise DataError(f"not a lock of format {FORMAT}; delete it to fetch anew", path)
    revisions, files = document.get("revisions"), document.get("files")
    whole = isinstance(revisions, dict) and all(isinstance(text, str) for text in revisions.values())
    if not whole or not isinstance(files, dict) or not all(map(_is_locked, files.values())):
        raise DataError("a damaged lock; delete it to fetch anew", path)
    return Lock(path, revisions or {}, {name: Locked(**entry) for name, entry in files.items()})


def _is_locked(entry: Any) -> bool:
    kinds = {each.name: int if each.name == "bytes" else str for each in fields(Locked)}
    return isinstance(entry, dict) and {name: type(value) for name, value in entry.items()} == kinds
