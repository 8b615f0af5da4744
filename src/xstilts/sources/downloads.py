"""Downloads: official files or their mirror, and Parquet files of dataset repositories on the hub.

Files are written beside their place, checked, then renamed. Of the hub, one commit is read and no loader script is ever
run. Two layouts are known: repositories made of Parquet (`de/test-00000-of-00001.parquet`, or `data/...`), and its
own conversion on the branch `refs/convert/parquet` (`de/test/0000.parquet`) of repositories that hold a script.
"""

import base64
import hashlib
import json
import os
import re
import tarfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote, urlsplit, urlunsplit

from xstilts import __version__
from xstilts.core import decoding
from xstilts.core.errors import DataError
from xstilts.sources.manifest import Parquet

TIMEOUT, CHUNK = 60, 1 << 18
MOST_BYTES = 2**34
"""Limit for a download and for an extracted file: several times the size of any data set."""
DAMAGE = (*decoding.DAMAGE, LookupError, zipfile.LargeZipFile, tarfile.TarError)
"""Errors of the standard library for archives that are damaged or encrypted."""


@dataclass(frozen=True)
class Bytes:
    """Progress of a download; `total` is 0 when the server does not say."""

    url: str
    done: int
    total: int


def mirrored(url: str, mirror: str | None) -> str:
    """The address on the mirror: its URL or folder, then host and path of the official address.

    Raises `DataError` if the mirror is neither a URL nor a folder.
    """
    if mirror is None:
        return url
    if "://" not in mirror and not Path(mirror).is_dir():
        named = mirror.rpartition("@")[2]  # without a password
        raise DataError(f"mirror '{named}' is neither a folder nor an address that begins with https://")
    place = urlsplit(url)
    base = mirror if "://" in mirror else Path(mirror).resolve().as_uri()
    return f"{base.rstrip('/')}/{place.netloc}{place.path}"


def download(url: str, path: Path, mirror: str | None, sha256: str = "") -> Generator[Bytes, None, None]:
    """Download to `path`, atomically.

    Raises `DataError` if the address does not answer, the download is incomplete, or its checksum is not `sha256`.
    """
    source = mirrored(url, mirror)
    with beside(path) as part:
        digest, done = hashlib.sha256(), 0
        try:
            with urllib.request.urlopen(_request(source), timeout=TIMEOUT) as answer, part.open("wb") as stream:
                total = int(answer.headers.get("Content-Length") or 0)
                for chunk in _chunks(answer):
                    stream.write(chunk)
                    digest.update(chunk)
                    done += len(chunk)
                    yield Bytes(url, done, total)
        except (urllib.error.URLError, HTTPException, OSError, ValueError) as error:
            reason = getattr(error, "reason", None) or error
            raise DataError(f"could not be downloaded ({reason}); nothing was written", source) from None
        if total and done != total:
            raise DataError(f"received {done:,} of {total:,} bytes; nothing was written, fetch again", source)
        if sha256 and digest.hexdigest() != sha256:
            raise DataError(f"SHA-256 is {digest.hexdigest()}, expected {sha256}; nothing was written", source)
        part.replace(path)


def _request(source: str) -> urllib.request.Request:
    """A name and password in the address become a header, which a redirect does not pass on."""
    place = urlsplit(source)
    bare = urlunsplit(place._replace(netloc=place.netloc.rpartition("@")[2]))
    request = urllib.request.Request(bare, headers={"User-Agent": f"xstilts/{__version__}"})
    if place.username is not None:
        pair = f"{unquote(place.username)}:{unquote(place.password or '')}".encode()
        request.add_unredirected_header("Authorization", f"Basic {base64.b64encode(pair).decode()}")
    return request


def _chunks(source: IO[bytes]) -> Iterator[bytes]:
    done = 0
    while chunk := source.read(CHUNK):
        done += len(chunk)
        if done > MOST_BYTES:
            raise ValueError(f"more than {MOST_BYTES:,} bytes")
        yield chunk


def unpack(archive: Path, url: str, members: Mapping[str, Path]) -> None:
    """Write members of a zip or tar archive, called `url` in messages, to the paths given, each atomically.

    Raises `DataError` for no archive, a damaged one, or one without a member.
    """
    try:
        holder: Any
        with zipfile.ZipFile(archive) if zipfile.is_zipfile(archive) else tarfile.open(archive) as holder:
            zipped = isinstance(holder, zipfile.ZipFile)
            names = {name.removeprefix("./"): name for name in (holder.namelist() if zipped else holder.getnames())}
            for member, path in members.items():
                if member not in names:
                    there = ", ".join(name[:80] for name in [*names][:5]) or "nothing"
                    raise DataError(f"the archive has no file {member}; it begins with {there}", url)
                source = holder.open(names[member]) if zipped else holder.extractfile(names[member])
                if source is None:
                    raise DataError(f"{member} of the archive is not a file", url)
                with beside(path) as part:
                    with source, part.open("wb") as target:
                        target.writelines(_chunks(source))
                    part.replace(path)
    except DataError:
        raise
    except DAMAGE as error:
        raise DataError(f"a damaged archive ({error})", url) from None


@contextmanager
def beside(path: Path) -> Generator[Path, None, None]:
    """A name beside `path` to write to, which is removed in the end unless it was renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
    finally:
        part.unlink(missing_ok=True)


CONVERTED = "refs/convert/parquet"
ONLY_CONFIGS = ("default", "plain_text", "squad_v2")
"""Names of a repository's only configuration, whose files may be in `data/`."""


def snapshot(origin: Parquet, revision: str | None) -> tuple[str, list[Path]]:
    """The commit, and the Parquet files of one split in their order.

    `revision`: commit, branch or tag; `None` is `main` or, where that holds no Parquet, the hub's conversion. Raises
    `DataError` if repository, revision or split are not available, or a part of the split is missing.
    """
    from huggingface_hub import snapshot_download

    config, split, problem = origin.config, origin.split, ""
    patterns = [f"{config}/{split}-*.parquet", f"{config}/{split}/*.parquet"]
    patterns += [f"data/{split}-*.parquet"] * (config in ONLY_CONFIGS)
    for asked in [revision] if revision else ["main", CONVERTED]:
        try:
            path = snapshot_download(origin.repository, repo_type="dataset", revision=asked, allow_patterns=patterns)
        except (OSError, ValueError) as error:  # of HTTP too
            problem = f"{asked} is not available ({' '.join(str(error).split())[:200]})"
            continue
        files = next(filter(None, (sorted(Path(path).glob(pattern)) for pattern in patterns)), [])
        if files:
            total = re.search(r"-of-(\d{5})", files[0].name)
            if len(files) == (int(total[1]) if total else len(files)):
                return Path(path).name, files
            problem = f"parts of {config} ({split}) are missing: {', '.join(file.name for file in files[:4])}"
            break
        problem = f"no Parquet of {config} ({split}) at {asked}"
    raise DataError(problem, f"hub:{origin.repository}")


def read_parquet(files: Sequence[Path], columns: Sequence[str]) -> tuple[list[dict[str, Any]], dict[str, list[str]]]:
    """Rows of some columns, and the class names of those that hold class numbers.

    Raises `DataError` if it is not Parquet, or a column is missing.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows: list[dict[str, Any]] = []
    names: dict[str, list[str]] = {}
    for file in files:
        try:
            schema = pq.read_schema(file)
            if missing := [column for column in columns if column not in schema.names]:
                raise DataError(f"no column {', '.join(missing)}; columns are {', '.join(schema.names)}", file)
            rows += pq.read_table(file, columns=list(columns)).to_pylist()
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"not Parquet ({' '.join(str(error).split())[:120]})", file) from None
        names |= class_names(schema.metadata or {})
    return rows, names


def class_names(metadata: Mapping[bytes, bytes]) -> dict[str, list[str]]:
    """Column -> names of its class numbers, as the `datasets` library writes them into a Parquet file."""
    found = {}
    try:
        for column, feature in json.loads(metadata[b"huggingface"])["info"]["features"].items():
            inner = feature.get("feature", feature) if isinstance(feature, dict) else feature
            inner = inner[0] if isinstance(inner, list) and inner else inner
            if isinstance(inner, dict) and isinstance(inner.get("names"), list):
                found[column] = [str(name) for name in inner["names"]]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return {}
    return found
