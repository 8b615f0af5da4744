"""Downloads of official files, or from a mirror: written beside their place, checked, then renamed."""

from __future__ import annotations

import base64
import hashlib
import os
import tarfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote, urlsplit, urlunsplit

from xstilts import __version__
from xstilts.core import packed
from xstilts.core.errors import DataError

TIMEOUT, CHUNK = 60, 1 << 18
MOST_BYTES = 2**34
"""Of a download, and of an unpacked file: several times the size of any data set."""
DAMAGE = (*packed.DAMAGE, LookupError, zipfile.LargeZipFile, tarfile.TarError)
"""Errors of the standard library for archives that are damaged or encrypted."""


@dataclass(frozen=True)
class Bytes:
    """Progress of a download; `total` is 0 when the server does not say."""

    url: str
    done: int
    total: int


def mirrored(url: str, mirror: str | None) -> str:
    """The address on the mirror: its URL or folder, then host and path of the official address.

    Raises:
        DataError: the mirror is neither a URL nor a folder.
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
    """Download to `path`, whole or not at all.

    Raises:
        DataError: the address does not answer, the download is incomplete, or its checksum is not `sha256`.
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
    """Write members of a zip or tar archive to the paths given, each whole or not at all.

    Raises:
        DataError: not an archive, a damaged one, or one without a member; `url` names it in the message.
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
