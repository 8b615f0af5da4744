"""The description of a finished stage, and the check that its files are still what was written.

`DONE` holds the SHA-256 of `stage.json`, and `stage.json` that of every other file.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

from xstilts.core.errors import StoreError
from xstilts.core.files import read_object
from xstilts.core.files import sha256 as sha256_of
from xstilts.core.keys import content_key

UNCHECKED = ("DONE", "stage.json", "log.txt")
"""Files without a checksum in `stage.json`. `DONE` has the one of `stage.json`, so that damage to either shows. Only
people read the log, and a process may still be writing to it."""
REMEDY = "`xstilts run` computes it again"


@dataclass(frozen=True)
class Record:
    """A finished stage, as its `stage.json` describes it; `started` and `finished` are ISO 8601 in UTC.

    Attributes:
        environment: versions, processor and device it was computed with (`graph.environment`).
        files: SHA-256 of its files by relative path.
    """

    key: str
    kind: str
    version: int
    label: str
    config: dict[str, Any]
    inputs: dict[str, str]
    started: str
    finished: str
    host: str
    package: str
    directory: Path
    environment: dict[str, Any]
    files: dict[str, str]

    @classmethod
    def read(cls, directory: Path, key: str = "") -> Self:
        """The finished stage in this folder, whose name is its key if none is given.

        Reads `DONE` and `stage.json` only. Raises `StoreError` if one of them is missing or damaged.
        """
        try:
            written = (directory / "DONE").read_text(encoding="ascii")
            content = (directory / "stage.json").read_bytes()
            if written != sha256(content).hexdigest():
                raise ValueError("stage.json has changed since it was written")
            record = cls(**json.loads(content), directory=directory)
            expected = content_key([record.kind, record.version, record.config, record.inputs])
            if (record.key, key or directory.name) != (expected, expected):
                raise ValueError("stage.json describes another stage")
        except OSError as error:
            raise damaged(directory, f"{Path(error.filename).name}: {error.strerror}") from None
        except (TypeError, ValueError, RecursionError) as error:
            raise damaged(directory, str(error)) from None
        return record

    @property
    def seconds(self) -> float:
        """Computing time; for a resumed stage, of its last attempt."""
        return (datetime.fromisoformat(self.finished) - datetime.fromisoformat(self.started)).total_seconds()

    @cached_property
    def fault(self) -> str:
        """The first of its files that has changed since it was written, and why; empty if there is none."""
        return next(filter(None, map(self._fault, self.files)), "") or self.astray

    @property
    def astray(self) -> str:
        """A sentence if it points to a model that is not on this machine; empty otherwise."""
        source = self._pointer.get("source")
        gone = "files" in self.config and source and not Path(source).is_dir()
        return f"it points to the model in {source}, which is gone" if gone else ""

    def _fault(self, name: str) -> str:
        try:
            same = sha256_of(self.directory / name) == self.files[name]
            return "" if same else f"{name} has changed since it was written"
        except OSError as error:
            return f"{name}: {error.strerror}"

    @cached_property
    def base(self) -> Path | None:
        """The folder of the stage whose weights this one uses in place (`pointer.json` of adapters)."""
        stage = self._pointer.get("stage")
        return Path(self.directory, stage).resolve() if stage else None

    @cached_property
    def _pointer(self) -> Mapping[str, Any]:
        return read_object(self.directory / "pointer.json")  # most stages have none

    def file(self, name: str) -> Path:
        """One of its files, compared with its checksum. Raises `StoreError` if it is damaged."""
        if name in self.files and (fault := self._fault(name)):
            raise damaged(self.directory, fault)
        return self.directory / name

    def sound(self) -> Self:
        """Itself, with all files compared with their checksums. Raises `StoreError` if one is damaged."""
        if self.fault:
            raise damaged(self.directory, self.fault)
        return self


def damaged(directory: Path, why: str) -> StoreError:
    """The error for a finished stage with a file that has changed since it was written."""
    return StoreError(f"{directory} is damaged ({why}): {REMEDY}")
