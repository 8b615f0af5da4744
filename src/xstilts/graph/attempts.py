"""Attempts at a stage. Each has its own directory, so an attempt that still writes cannot spoil another.

A process may lose its lock while it still runs (when the file server is unreachable), and some mounts have no locks.
So two processes may compute one stage: they write to different directories, and one rename decides which result stays.
"""

import errno
import os
import shutil
import socket
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex
from typing import Any

from xstilts.core.files import flush, link, sha256, write_json
from xstilts.graph import environment
from xstilts.graph.record import UNCHECKED
from xstilts.graph.stage import Stage

PARTIAL, NEW, GONE = ".partial", ".new", ".gone"
"""Suffixes of `.<key>.<attempt>`: in progress or killed; being prepared or fetched; being removed."""


@dataclass(frozen=True)
class Attempt:
    """An attempt of this process.

    Attributes:
        handle: open on its directory, to tell it from another one of the same name.
        older: earlier attempts, which are removed when this one is published.
    """

    path: Path
    handle: int
    older: tuple[Path, ...] = ()

    @property
    def is_lost(self) -> bool:
        """Whether another process has removed its directory; a stage that still writes may have made a new one."""
        try:
            return not os.path.samestat(os.fstat(self.handle), self.path.stat())
        except OSError:
            return True

    def end(self) -> None:
        """Give it up. Its directory gets a name that marks it as ended."""
        if not self.is_lost:
            with suppress(OSError):  # there is such a directory
                self.path.rename(ended(self.path.parent, self.path.name.split(".")[1]))
        os.close(self.handle)


def ended(folder: Path, key: str) -> Path:
    """The directory of an attempt that its own process has ended unfinished."""
    return folder / f".{key}{PARTIAL}"


def attempts(folder: Path, key: str) -> list[Path]:
    """The directories of attempts at a stage, newest last; those being prepared or removed come first."""
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if entry.name.startswith(f".{key}.")]
    except FileNotFoundError:
        return []
    return sorted((path for path in map(folder.joinpath, names) if path.suffix in (PARTIAL, NEW, GONE)), key=_age)


def _age(path: Path) -> tuple[bool, float]:
    try:
        return path.suffix == PARTIAL, path.stat().st_mtime_ns
    except OSError:  # its process has just renamed it
        return False, 0


def new(folder: Path, key: str) -> Path:
    """Make a directory that no attempt resumes from if this process is killed."""
    made = folder / f".{key}.{token_hex(4)}{NEW}"
    made.mkdir()
    return made


def begin(folder: Path, key: str, resume: bool) -> Attempt:
    """Make the directory of a new attempt; to `resume`, with links to the files of the newest older attempt.

    Unless that one has ended, it stays until the stage is published: its process may live and finish first.
    """
    old = attempts(folder, key)
    made = new(folder, key)
    adopts = resume and old and old[-1].suffix == PARTIAL
    for place, _, names in os.walk(old[-1]) if adopts else ():  # ignores folders that vanish
        target = made / Path(place).relative_to(old[-1])
        target.mkdir(exist_ok=True)
        for name in names:
            # Not scratch files (hidden) and those of `seal`; the log is copied, because it may still be written to.
            if not name.startswith(".") and name not in ("DONE", "stage.json"):
                with suppress(FileNotFoundError):  # checksums, not its presence, tell whether a file is whole
                    (shutil.copyfile if name == "log.txt" else link)(Path(place, name), target / name)
    # Renamed only now, so that after a kill either all files of the older attempt are there to resume from, or none.
    own = made.rename(made.with_suffix(PARTIAL))
    for path in old:
        if path in (*old[:-1], ended(folder, key)):
            discard(path)
    return Attempt(own, os.open(own, os.O_RDONLY), tuple(old))


def discard(path: Path) -> None:
    """Remove the directory of an attempt. It is renamed first, in case its process is about to publish it."""
    gone = path.with_suffix(GONE)
    with suppress(OSError):
        path.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


def seal(stage: Stage, directory: Path, read: Iterable[Mapping[str, Any]], started: datetime) -> None:
    """Write `stage.json` and `DONE`; `read`: the environments of its inputs."""
    gathered = environment.gather(directory, read)
    paths = sorted(path for path in directory.rglob("*") if path.is_file())
    names = [path.relative_to(directory).as_posix() for path in paths]
    description = {
        "key": stage.key,
        "kind": stage.kind,
        "version": stage.version,
        "label": stage.label,
        "config": stage.config,
        "inputs": stage.input_keys(),
        "started": started.isoformat(timespec="milliseconds"),
        "finished": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "host": socket.gethostname(),
        "package": environment.versions(["xstilts"]).get("xstilts", "not installed"),
        "environment": gathered,
        "files": {name: sha256(directory / name) for name in names if name not in UNCHECKED},
    }
    write_json(directory / "stage.json", description)
    (directory / "DONE").write_text(sha256(directory / "stage.json"), encoding="ascii")


def publish(directory: Path, final: Path, older: Iterable[Path]) -> bool:
    """Remove older attempts, flush a sealed one to the disk and rename it; False if another was first."""
    for path in [*directory.rglob("*"), directory]:
        flush(path)  # otherwise a power cut could leave a DONE beside empty weights
    for path in older:
        discard(path)
    try:
        directory.rename(final)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            raise
        if (final / "DONE").is_file():
            return False
        set_aside(final)  # its DONE was removed by hand
        directory.rename(final)
    flush(final.parent)
    return True


def set_aside(final: Path) -> None:
    """Rename the folder at the place of a finished stage; replaces one that was set aside before."""
    aside = final.with_name(f".{final.name}.damaged")
    remove(aside)
    final.rename(aside)


def remove(path: Path) -> None:
    """Remove a folder or file, if there is one."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
