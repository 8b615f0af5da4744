"""Fetching data sets: official files as they are, or the hub's Parquet written back to the official form.

What is written is where the task's own reader looks, so that there is one reader a task. A file is there whole or not
at all; what is there already is never overwritten. The lock notes origin and checksum of each file, and the commit of
each dataset repository, which later fetches use exactly.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urldefrag

from xstilts.core.errors import DataError
from xstilts.core.files import sha256, write_text
from xstilts.sources.direct import Bytes, beside, download, unpack
from xstilts.sources.forms import FORMS, written
from xstilts.sources.hub import read_parquet, snapshot
from xstilts.sources.lock import Lock, Locked, load_lock
from xstilts.sources.manifest import ALL, Direct, Item, Parquet, by_hand, direct_items, hub_items
from xstilts.tasks import Task

Via = Literal["official", "hub"]


@dataclass(frozen=True)
class Request:
    """What to fetch, and from where.

    Attributes:
        languages: only these (files for all languages always); empty: all.
        via: official files or the hub's Parquet; `None`: official ones where there are any.
        revision: commit, branch or tag on the hub; `None`: the lock's, else the newest.
        mirror: URL or folder that stands for `https://`: below it are hosts and their paths.
    """

    root: Path
    languages: tuple[str, ...] = ()
    via: Via | None = None
    revision: str | None = None
    mirror: str | None = None


@dataclass(frozen=True)
class Written:
    """A file that was fetched."""

    path: str
    bytes: int
    origin: str


@dataclass(frozen=True)
class Kept:
    """A file that was there already."""

    path: str


Event = Bytes | Written | Kept


def plan(task: Task, request: Request) -> list[Item]:
    """The files to fetch of one task; none where it has none of the languages.

    Raises:
        DataError: the task cannot be fetched that way; the message says how else.
    """
    direct, hub = direct_items(task.name), hub_items(task.name)
    via = request.via or ("hub" if request.revision or not direct else "official")
    if not direct and not hub:
        raise DataError(by_hand(task))
    items = direct if via == "official" else hub
    if not items:
        other = "the official files (leave out --via and --revision)" if direct else "the hub (--via hub)"
        raise DataError(f"{task.name} cannot be fetched from {via}: use {other}")
    return [item for item in items if not request.languages or item.language in (*request.languages, ALL)]


def fetch(task: Task, request: Request) -> Iterator[Event]:
    """Fetch what is not there yet of one task.

    Raises:
        DataError: a file cannot be had or is not what it should be; files written before stay, this one does not.
    """
    items = plan(task, request)
    request.root.mkdir(parents=True, exist_ok=True)
    lock = load_lock(request.root)
    todo: list[Item] = []
    for item in items:
        if (request.root / item.path).exists() or (request.root / f"{item.path}.gz").exists():
            _check_kept(item, request.root, lock)
            yield Kept(item.path)
        else:
            todo.append(item)
    for url, members in _by_address(todo).items():
        yield from _official(url, members, request, lock)
    for item in todo:
        if isinstance(item.origin, Parquet):
            yield _converted(item, item.origin, request, lock)


def _check_kept(item: Item, root: Path, lock: Lock) -> None:
    """A file that was fetched before must still be what it was."""
    path = root / item.path
    if item.path in lock.files and path.exists() and sha256(path) != lock.files[item.path].sha256:
        raise DataError("is not what was fetched (its checksum differs); delete it to fetch it again", path)


def _by_address(items: Sequence[Item]) -> dict[str, list[Item]]:
    """Address of a file or archive -> the items in it, so that an archive is downloaded once."""
    found: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        if isinstance(item.origin, Direct):
            found[urldefrag(item.origin.url).url].append(item)
    return dict(found)


def _official(url: str, items: list[Item], request: Request, lock: Lock) -> Iterator[Event]:
    assert isinstance(items[0].origin, Direct)
    known = items[0].origin.sha256
    members = {
        urldefrag(item.origin.url).fragment: request.root / item.path
        for item in items
        if isinstance(item.origin, Direct)
    }
    if "" in members:
        yield from download(url, members[""], request.mirror, known)
    else:
        with beside(request.root / Path(url).name) as archive:
            yield from download(url, archive, request.mirror, known)
            unpack(archive, url, members)
    for item in items:
        assert isinstance(item.origin, Direct)
        yield _note(item, item.origin.url, request.root, lock)


def _converted(item: Item, origin: Parquet, request: Request, lock: Lock) -> Written:
    locked = lock.revisions.get(origin.repository)
    revision, files = snapshot(origin, request.revision or locked)
    if locked and revision != locked:
        raise DataError(
            f"the lock has {origin.repository} at {locked}, {request.revision} is {revision}; "
            "fetch into another data folder, or delete the lock and the files",
            lock.path,
        )
    source = f"hub:{origin.repository}@{revision}:{origin.config}/{origin.split}"
    rows, names = read_parquet(files, FORMS[origin.form].columns)
    try:
        text = written(origin.form, rows, names, item.language)
    except DataError as error:
        raise DataError(error.problem, source) from None
    write_text(request.root / item.path, text)
    lock.revisions[origin.repository] = revision
    return _note(item, source, request.root, lock)


def _note(item: Item, origin: str, root: Path, lock: Lock) -> Written:
    """Put a written file into the lock."""
    path = root / item.path
    size = path.stat().st_size
    lock.files[item.path] = Locked(item.task, item.split, item.language, origin, size, sha256(path))
    lock.save()
    return Written(item.path, size, origin)
