"""Attempts at a stage: each has a directory of its own, and what one of them still writes spoils no other's.

A lock may pass on while its holder lives (it was cut off from a file server), and some mounts lock nothing at all. So
two may be at one stage: neither writes where the other does, and one rename decides.
"""

from __future__ import annotations

import errno
import os
import shutil
import socket
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from secrets import token_hex
from typing import Any

from xstilts.core.files import flush, link, sha256, write_json
from xstilts.graph import environment
from xstilts.graph.record import UNCHECKED
from xstilts.graph.stage import Stage

PARTIAL, NEW, GONE = ".partial", ".new", ".gone"
"""Suffixes of `.<key>.<attempt>`: computed, or left by a kill; not yet given what an older one left, or being fetched;
being removed."""


@dataclass(frozen=True)
class Attempt:
    """One of this process.

    Attributes:
        handle: open on its directory, so that another of the same name is told apart.
        older: attempts that were there when it began, and go when it is published.
    """

    path: Path
    handle: int
    older: tuple[Path, ...] = ()

    @property
    def is_lost(self) -> bool:
        """Whether another process has removed it; a stage that goes on writing may have made such a folder again."""
        try:
            return not os.path.samestat(os.fstat(self.handle), self.path.stat())
        except OSError:
            return True

    def end(self) -> None:
        """Let go of it. What is left of an unfinished one is nobody's from now on, as its new name says."""
        if not self.is_lost:
            with suppress(OSError):  # another has made such a name
                self.path.rename(ended(self.path.parent, self.path.name.split(".")[1]))
        os.close(self.handle)


def ended(folder: Path, key: str) -> Path:
    """The directory of an attempt that its own process left unfinished."""
    return folder / f".{key}{PARTIAL}"


def attempts(folder: Path, key: str) -> list[Path]:
    """The directories of attempts at a stage, the newest last; first come those half made or half removed."""
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if entry.name.startswith(f".{key}.")]
    except FileNotFoundError:
        return []
    paths = map(folder.joinpath, names)
    return sorted((path for path in paths if path.suffix in (PARTIAL, NEW, GONE)), key=_age)


def _age(path: Path) -> tuple[bool, float]:
    try:
        return path.suffix == PARTIAL, path.stat().st_mtime_ns
    except OSError:  # its process lives, and has just renamed it
        return False, 0


def new(folder: Path, key: str) -> Path:
    """Make a directory that no attempt goes on from, whoever is killed while it is filled."""
    made = folder / f".{key}.{token_hex(4)}{NEW}"
    made.mkdir()
    return made


def begin(folder: Path, key: str, resume: bool) -> Attempt:
    """Make the directory of a new attempt, with links to the files of the newest older one if it is to `resume`.

    That one stays until the stage is published unless it has ended, for its process may live and be first.
    """
    old = attempts(folder, key)
    made = new(folder, key)
    if resume and old and old[-1].suffix == PARTIAL:
        _adopt(old[-1], made)
    # Renamed only now: of what an older one left, a kill leaves all under the name of an attempt, or nothing.
    own = made.rename(made.with_suffix(PARTIAL))
    for path in old:
        if path in (*old[:-1], ended(folder, key)):
            discard(path)
    return Attempt(own, os.open(own, os.O_RDONLY), tuple(old))


def _adopt(source: Path, target: Path) -> None:
    """Link all but scratch files (hidden) and what `seal` writes; of the log, which may still be written, a copy."""
    for place, _, names in os.walk(source):  # forgives folders that vanish
        own = target / Path(place).relative_to(source)
        own.mkdir(exist_ok=True)
        for name in names:
            if not name.startswith(".") and name not in ("DONE", "stage.json"):
                with suppress(FileNotFoundError):  # what is whole is told by checksums and not by its being there
                    (shutil.copyfile if name == "log.txt" else link)(Path(place, name), own / name)


def discard(path: Path) -> None:
    """Remove the directory of an attempt; renamed first, for its process may live and be about to publish it."""
    gone = path.with_suffix(GONE)
    with suppress(OSError):
        path.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


def seal(stage: Stage, directory: Path, read: Iterable[Mapping[str, Any]], started: datetime) -> None:
    """Write `stage.json` and `DONE`; `read`: the environments of its inputs."""
    gathered = environment.gather(directory, read)
    paths = sorted(path for path in directory.rglob("*") if path.is_file())
    names = [path.relative_to(directory).as_posix() for path in paths]
    told = {
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
        "environment": gathered,
        "files": {name: sha256(directory / name) for name in names if name not in UNCHECKED},
    }
    write_json(directory / "stage.json", told)
    (directory / "DONE").write_text(sha256(directory / "stage.json"), encoding="ascii")


def publish(directory: Path, final: Path, older: Iterable[Path]) -> bool:
    """Remove older attempts, have a sealed one on the disk and rename it; False where another was first."""
    for path in [*directory.rglob("*"), directory]:
        flush(path)  # or a power cut could leave a DONE beside empty weights
    for path in older:
        discard(path)
    try:
        directory.rename(final)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            raise
        if (final / "DONE").is_file():
            return False
        set_aside(final)  # someone removed its DONE by hand
        directory.rename(final)
    flush(final.parent)
    return True


def set_aside(final: Path) -> None:
    """Rename what lies where a finished stage belongs; what was set aside before goes."""
    aside = final.with_name(f".{final.name}.damaged")
    remove(aside)
    final.rename(aside)


def remove(path: Path) -> None:
    """Remove a folder or file, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def package_version() -> str:
    """The installed version of xstilts."""
    try:
        return version("xstilts")
    except PackageNotFoundError:
        return "not installed"
