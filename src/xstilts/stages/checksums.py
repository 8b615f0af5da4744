"""Data and models in keys: checksums of their files, or a hub name and revision.

A file whose size, times of change (in nanoseconds) and inode are as before is not read again.
"""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xstilts.backbones.names import weight_files
from xstilts.core.files import read_object, sha256, write_json
from xstilts.core.keys import content_key
from xstilts.graph.stage import Stage
from xstilts.tasks.base import Split, Task, check_language, check_split, task_to_json


@dataclass(frozen=True)
class DataSource:
    """Where the files of a task are: data folders, or a world that a stage writes.

    Attributes:
        roots: the data folders, searched in turn; empty where `world` writes the files.
        world: stage that writes the files.
    """

    roots: tuple[Path, ...] = ()
    world: Stage | None = None

    @property
    def inputs(self) -> dict[str, Stage]:
        return {"world": self.world} if self.world else {}

    @property
    def folders(self) -> list[str] | None:
        """The data folders, as the settings of a stage name them; None for a world."""
        return None if self.world else [str(root.absolute()) for root in self.roots]

    def settings(self, task: Task, languages: Sequence[str]) -> dict[str, Any]:
        return {"roots": self.folders, "task": task_to_json(task, languages)}

    def raw_text(self, task: Task, languages: Sequence[str]) -> list[str]:
        """The languages in which the task has training files."""
        there = languages if self.world else task.available(self.roots, "train")
        return [code for code in languages if code in there]

    def checksums(
        self, task: Task, split: Split, languages: Sequence[str], take: Callable[[Path], str] | None = None
    ) -> dict[str, Any]:
        """Checksums of the raw files (`digest`, or what `take` says), by language; for a world, its key instead."""
        if self.world:
            check_split(task, split)
            for language in languages:
                check_language(task, language)
            return {"world": True}
        table: dict[str, Any] = {}
        for language in languages:
            paths = [*task.paths(self.roots, split, language), *task.gold_paths(self.roots, split, language)]
            paths = list(dict.fromkeys(paths + task.beside_paths(self.roots, language)))
            count, table[language] = Counter(path.name for path in paths), {}
            for path in paths:
                below = (path.relative_to(root).as_posix() for root in self.roots if path.is_relative_to(root))
                name = path.name if count[path.name] == 1 else next(below, str(path))
                table[language][name] = (take or digest)(path)
        return table


def identity(source: str, revision: str | None, patterns: Sequence[str], also: Sequence[Path] = ()) -> dict[str, Any]:
    """The entry of a model in a key: checksums of a folder's files (and of `also`), or a hub name with revision."""
    folder = Path(source)
    if not folder.is_dir():
        return {"hub": source, "revision": revision}
    found = {*also, *(path for pattern in patterns for path in folder.glob(pattern))}
    paths = sorted(path for path in found if path.is_file())
    return {"files": {os.path.relpath(path, folder): digest(path) for path in paths}}


def identity_of_model(source: str, revision: str | None) -> dict[str, Any]:
    """Checksums or revision of a whole model, whatever the format of its weights; not of what else is in its folder."""
    patterns = ("*.json", "*.safetensors", "*.model", "*.txt")
    return identity(source, revision, patterns, weight_files(Path(source)))


def identity_of_tokenizer(source: str, revision: str | None) -> dict[str, Any]:
    """Checksums or revision of a model's tokenizer."""
    further = () if (Path(source) / "tokenizer.json").is_file() else ("merges.txt", "added_tokens.json")
    patterns = ("tokenizer*", "*.model", "vocab.*", "special_tokens_map.json", *further)
    return identity(source, revision, patterns)


DIGESTS = "checksums.json"
FRESH_SECONDS = 2.0
"""Coarsest resolution of a file system's times: the digest of a file that changed since then is not kept."""
_KNOWN: dict[str, list[str]] = {}
"""Path -> [what tells of a change, digest], of this process."""


def digest(path: Path) -> str:
    """20 hex digits of the SHA-256 of the file's content."""
    name, clock, before = str(path.absolute()), time.time(), path.stat()
    known = _KNOWN.get(name)
    if known is not None and known[0] == _stamp(before):
        return known[1]
    found = sha256(path)[:20]
    if clock - max(before.st_mtime, before.st_ctime) > FRESH_SECONDS and _stamp(path.stat()) == _stamp(before):
        _KNOWN[name] = [_stamp(before), found]
    return found


def kept_digest(path: Path) -> str:
    """The stored digest of a file with this size and time of change, for any inode; else `digest`.

    Good enough for a note, not for a key.
    """
    stamp, found = _KNOWN.get(str(path.absolute()), ("", ""))
    state = path.stat()
    return found if stamp.startswith(f"{state.st_size} {state.st_mtime_ns} ") else digest(path)


@contextmanager
def remembered(file: Path) -> Iterator[None]:
    """In this block, use the digests in `file` and add new ones to it at the end.

    A damaged file is ignored and replaced. Of two processes that write at once, the digests of one are lost and taken
    again later. Nothing is written where the folder of `file` does not exist.
    """
    before = _load(file)
    _KNOWN.update(before)
    try:
        yield
    finally:
        if any(before.get(name) != row for name, row in _KNOWN.items()) and file.parent.is_dir():
            with suppress(OSError):  # a store that cannot be written to
                rows = _load(file) | _KNOWN
                write_json(file, {"sum": content_key(rows), "files": rows})


def _load(file: Path) -> dict[str, list[str]]:
    found = read_object(file)
    return dict(found["files"]) if found and found.get("sum") == content_key(found.get("files")) else {}


def _stamp(state: os.stat_result) -> str:
    return f"{state.st_size} {state.st_mtime_ns} {state.st_ctime_ns} {state.st_dev}:{state.st_ino}"
