"""Fetching data sets: official files as they are, or the hub's Parquet written back to the official form.

Files are written where the task's own reader looks, so one reader per task is enough. Writes are atomic; an existing
file is never overwritten. The lock, `xstilts-data.lock.json` in the data folder, holds origin and checksum of each
file, and the commit of each dataset repository, which later fetches use.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urldefrag

from pydantic import TypeAdapter, ValidationError

from xstilts.core.decoding import find
from xstilts.core.errors import DataError
from xstilts.core.files import read_text, sha256, write_json, write_text
from xstilts.sources.downloads import Bytes, beside, download, read_parquet, snapshot, unpack
from xstilts.sources.forms import FORMS, written
from xstilts.sources.manifest import ALL, DataFile, Direct, Parquet, by_hand, direct_files, hub_files
from xstilts.tasks import Task

LOCK = "xstilts-data.lock.json"


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
    """The fetched files: dataset repository -> commit, and path below the data folder -> file."""

    format: Literal[1]
    revisions: dict[str, str]
    files: dict[str, Locked]


def load_lock(root: Path) -> Lock:
    """The lock of the data folder, empty where there is none. Raises `DataError` when it is damaged."""
    if not (root / LOCK).exists():
        return Lock(1, {}, {})
    try:
        return TypeAdapter(Lock).validate_json(read_text(root / LOCK), strict=True)
    except ValidationError:
        raise DataError("damaged, or not a lock of format 1: delete it to fetch again", root / LOCK) from None


@dataclass(frozen=True)
class Request:
    """Files to fetch, with their address.

    Attributes:
        languages: only these (files for all languages always); empty: all.
        via: official files or the hub's Parquet; `None`: official ones where there are any.
        revision: commit, branch or tag on the hub; `None`: the lock's, else the newest.
        mirror: URL or folder that stands for `https://`: below it are hosts and their paths.
    """

    root: Path
    languages: tuple[str, ...] = ()
    via: Literal["official", "hub"] | None = None
    revision: str | None = None
    mirror: str | None = None


@dataclass(frozen=True)
class Fetched:
    """A file that was fetched, or `kept` because it existed."""

    path: str
    bytes: int = 0
    origin: str = ""
    kept: bool = False


def plan(task: Task, request: Request) -> list[DataFile]:
    """The files to fetch of one task, in some languages. Raises `DataError` if it cannot be fetched that way."""
    direct, hub = direct_files(task.name), hub_files(task.name)
    if not direct and not hub:
        raise DataError(by_hand(task))
    via = request.via or ("hub" if request.revision or not direct else "official")
    files = direct if via == "official" else hub
    if not files:
        other = "the official files (leave out --via and --revision)" if direct else "the hub (--via hub)"
        raise DataError(f"{task.name} cannot be fetched from {via}: use {other}")
    return [file for file in files if not request.languages or file.language in (*request.languages, ALL)]


def fetch(task: Task, request: Request) -> Iterator[Bytes | Fetched]:
    """Fetch the missing files of one task.

    Raises `DataError` for a file that is not available or not as expected; files written before it stay.
    """
    root, files = request.root, plan(task, request)
    root.mkdir(parents=True, exist_ok=True)
    lock = load_lock(root)
    archives: dict[str, list[tuple[DataFile, Direct]]] = {}  # each is downloaded once
    for file in files:
        path = root / file.path
        if path.exists() or find(path) is not None:
            if file.path in lock.files and path.exists() and sha256(path) != lock.files[file.path].sha256:
                raise DataError("differs from what was fetched (checksum); delete it to fetch it again", path)
            yield Fetched(file.path, kept=True)
        elif isinstance(file.origin, Direct):
            archives.setdefault(urldefrag(file.origin.url).url, []).append((file, file.origin))
        else:
            yield _locked(file, _converted(file, file.origin, request, lock), root, lock)
    for url, wanted in archives.items():
        checksum = wanted[0][1].sha256
        members = {urldefrag(origin.url).fragment: root / file.path for file, origin in wanted}
        if "" in members:
            yield from download(url, members[""], request.mirror, checksum)
        else:
            with beside(root / Path(url).name) as archive:
                yield from download(url, archive, request.mirror, checksum)
                unpack(archive, url, members)
        for file, origin in wanted:
            yield _locked(file, origin.url, root, lock)


def _converted(file: DataFile, origin: Parquet, request: Request, lock: Lock) -> str:
    """Write a file from Parquet, and return its origin."""
    locked = lock.revisions.get(origin.repository)
    revision, files = snapshot(origin, request.revision or locked)
    if locked and revision != locked:
        problem = f"the lock has {origin.repository} at {locked}, {request.revision} is {revision}"
        remedy = "fetch into another data folder, or delete the lock and the files"
        raise DataError(f"{problem}; {remedy}", request.root / LOCK)
    source = f"hub:{origin.repository}@{revision}:{origin.config}/{origin.split}"
    rows, names = read_parquet(files, FORMS[origin.form].columns.split())
    try:
        text = written(origin.form, rows, names, file.language)
    except DataError as error:
        raise DataError(error.problem, source) from None
    write_text(request.root / file.path, text)
    lock.revisions[origin.repository] = revision
    return source


def _locked(file: DataFile, origin: str, root: Path, lock: Lock) -> Fetched:
    """Enter a written file into the lock."""
    path = root / file.path
    size = path.stat().st_size
    lock.files[file.path] = Locked(file.task, file.split, file.language, origin, size, sha256(path))
    lock.revisions, lock.files = dict(sorted(lock.revisions.items())), dict(sorted(lock.files.items()))
    write_json(root / LOCK, asdict(lock))
    return Fetched(file.path, size, origin)
