"""The store: key -> directory. A stage is there whole or not at all, whoever is killed at whatever moment.

STORE.json                 format of this folder
<kind>/<key>/              a finished stage: its files, stage.json, and DONE, written last
<kind>/.<key>.partial/     one that is being computed, or was when its process died; may hold checkpoints
<kind>/.<key>.lock         held while it is computed; the kernel lets go when the holder dies
failures/<key>.txt         traceback of a failed stage
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from xstilts.core.errors import StoreError
from xstilts.core.files import flush, read_json, write_json
from xstilts.graph.stage import Stage

FORMAT = 1
ELSEWHERE = "choose a folder of your own with --store"


@dataclass(frozen=True)
class Record:
    """A finished stage as its `stage.json` tells it; `started` and `finished` are ISO 8601 in UTC."""

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

    @property
    def seconds(self) -> float:
        """What computing it took: of a resumed stage its last part."""
        return (datetime.fromisoformat(self.finished) - datetime.fromisoformat(self.started)).total_seconds()


class Store:
    """A folder of finished stages.

    Args:
        root: the folder; made if missing.
        must_exist: refuse to make one, for commands that only read.

    Raises:
        StoreError: the folder is of another format, is not a store, cannot be written to, or is missing though it must
            exist.
    """

    def __init__(self, root: Path, must_exist: bool = False) -> None:
        self.root = root.absolute()
        marker = self.root / "STORE.json"
        # Listed before the marker is looked for: another run may be making the same store at this moment.
        foreign = self.root.is_dir() and any(not path.name.startswith(".") for path in self.root.iterdir())
        if marker.is_file():
            _check_format(marker)
        elif must_exist:
            raise StoreError(f"no store in {self.root}: `xstilts run` makes one, --store names another")
        elif foreign or (self.root.exists() and not self.root.is_dir()):
            raise StoreError(f"{self.root} is in use and not a store: choose a new or empty folder with --store")
        else:
            try:
                write_json(marker, {"format": FORMAT})
            except OSError as error:
                raise StoreError(f"no store can be made in {self.root} ({error.strerror}): {ELSEWHERE}") from None
        if not must_exist and not os.access(self.root, os.W_OK | os.X_OK):
            raise StoreError(f"{self.root} cannot be written to: {ELSEWHERE}")

    def directory(self, stage: Stage) -> Path:
        """Where the finished stage lies, or will."""
        return self.root / stage.kind / stage.key

    def partial(self, stage: Stage) -> Path:
        """Where the stage is computed; what is left here by a killed process is found by the next."""
        return self.root / stage.kind / f".{stage.key}.partial"

    def failure(self, stage: Stage) -> Path:
        """Where the traceback of a failed attempt is written."""
        return self.root / "failures" / f"{stage.key}.txt"

    def has(self, stage: Stage) -> bool:
        """Whether the stage is finished."""
        return (self.directory(stage) / "DONE").is_file()

    def publish(self, stage: Stage, started: datetime) -> Path:
        """Make the partial directory the finished one, in one rename. Call it with the lock held."""
        partial, final = self.partial(stage), self.directory(stage)
        write_json(partial / "stage.json", _describe(stage, started))
        (partial / "DONE").touch()
        for path in [*partial.rglob("*"), partial]:
            flush(path)  # or a power cut could leave a DONE beside empty weights
        if final.exists():  # someone removed its DONE by hand
            shutil.rmtree(final)
        partial.rename(final)
        flush(final.parent)
        self.failure(stage).unlink(missing_ok=True)
        return final

    @contextmanager
    def lock(self, stage: Stage) -> Iterator[bool]:
        """Yields whether this process now holds the stage; does not wait. Released by the kernel if we die."""
        path = self.root / stage.kind / f".{stage.key}.lock"
        handle = _try_lock(path)
        try:
            yield handle is not None
        finally:
            if handle is not None:
                _release(path, handle)

    def stages(self) -> list[Record]:
        """All finished stages, oldest first."""
        records = [_record(path.parent) for path in self.root.glob("*/*/DONE") if not path.parent.name.startswith(".")]
        return sorted(records, key=lambda record: (record.finished, record.key))

    def find(self, key: str) -> Record:
        """The finished stage whose key begins with `key`. Raises `StoreError` when none or several do."""
        found = [record for record in self.stages() if record.key.startswith(key)]
        if len(found) == 1:
            return found[0]
        if not found:
            raise StoreError(f"no finished stage '{key}' in {self.root}: `xstilts list models` has the keys of models")
        near = ", ".join(f"{record.key} ({record.kind})" for record in found[:3])
        raise StoreError(f"'{key}' begins {len(found)} keys in {self.root}: {near} ...; give more digits")

    def sizes(self) -> dict[str, int]:
        """Bytes by kind of stage; what is not finished stands under `unfinished`."""
        sizes: dict[str, int] = {}
        for folder in self.root.glob("*/*"):
            if folder.is_dir():
                name = "unfinished" if folder.name.startswith(".") else folder.parent.name
                sizes[name] = sizes.get(name, 0) + _size(folder)
        return sizes

    def clean_partials(self) -> int:
        """Remove what killed or failed runs left, checkpoints too, and return the bytes freed. Skips what is in use."""
        freed = 0
        for partial in self.root.glob("*/.*.partial"):
            path = partial.with_suffix(".lock")
            handle = _try_lock(path)
            if handle is not None:
                freed += _size(partial)
                shutil.rmtree(partial)
                _release(path, handle)
        return freed


def _check_format(marker: Path) -> None:
    found = read_json(marker)
    number = found.get("format") if isinstance(found, dict) else None
    if number != FORMAT:
        raise StoreError(
            f"{marker.parent} is a store of format {number} and this xstilts reads format {FORMAT}: "
            "use the xstilts that made it, or choose a new folder with --store"
        )


def _describe(stage: Stage, started: datetime) -> dict[str, Any]:
    return {
        "key": stage.key,
        "kind": stage.kind,
        "version": stage.version,
        "label": stage.label,
        "config": stage.config,
        "inputs": stage.input_keys(),
        "started": started.isoformat(timespec="milliseconds"),
        "finished": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "host": socket.gethostname(),
        "package": package_version(),
    }


def package_version() -> str:
    """The installed version of xstilts."""
    try:
        return version("xstilts")
    except PackageNotFoundError:
        return "not installed"


def _record(directory: Path) -> Record:
    try:
        return Record(**read_json(directory / "stage.json"), directory=directory)
    except (TypeError, ValueError) as error:
        raise StoreError(f"{directory} is damaged ({error}): remove it, and it is computed again") from None


def _try_lock(path: Path) -> int | None:
    """An open handle with an exclusive lock, or None while another process has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        handle = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return None
        if path.exists() and os.path.samestat(path.stat(), os.fstat(handle)):
            return handle
        os.close(handle)  # the holder before us removed it between our open and our lock


def _release(path: Path, handle: int) -> None:
    path.unlink(missing_ok=True)  # while we hold it: whoever opened the same file sees that its name is gone
    os.close(handle)


def _size(folder: Path) -> int:
    total = 0
    for place, _, names in os.walk(folder):  # forgives folders that vanish: a run may be renaming them
        for name in names:
            with suppress(FileNotFoundError):
                total += Path(place, name).lstat().st_size
    return total
