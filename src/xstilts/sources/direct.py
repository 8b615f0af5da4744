"""Official files by HTTPS, or from a mirror: written beside their place, checked, then renamed."""

from __future__ import annotations

import base64
import hashlib
import os
import tarfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote, urlsplit, urlunsplit

from xstilts import __version__
from xstilts.core import packed
from xstilts.core.errors import DataError

TIMEOUT = 60
CHUNK = 1 << 18
MOST_BYTES, MOST_ENTRIES = 2**34, 100_000
"""Of a download, and of an archive unpacked: several times what any data set has, and less than fills most disks."""
DAMAGE = (*packed.DAMAGE, LookupError, zipfile.LargeZipFile, tarfile.TarError)
"""What the standard library raises for archives that are damaged, encrypted or made to confuse it."""


@dataclass(frozen=True)
class Bytes:
    """How far a download is; `total` is 0 when the server does not say."""

    url: str
    done: int
    total: int


def mirrored(url: str, mirror: str | None) -> str:
    """The address on the mirror: its URL or folder, then host and path of the official address.

    Raises:
        DataError: the mirror is neither.
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
        DataError: the address does not answer, fewer bytes came than announced, or another checksum than `sha256`.
    """
    source = mirrored(url, mirror)
    with beside(path) as part:
        digest, done = hashlib.sha256(), 0
        try:
            with urllib.request.urlopen(_request(source), timeout=TIMEOUT) as answer, part.open("wb") as stream:
                total = int(answer.headers.get("Content-Length") or 0)
                while chunk := answer.read(CHUNK):
                    stream.write(chunk)
                    digest.update(chunk)
                    done += len(chunk)
                    if done > MOST_BYTES:
                        raise ValueError(f"more than {MOST_BYTES:,} bytes")
                    yield Bytes(url, done, total)
        except (urllib.error.URLError, HTTPException, OSError, ValueError) as error:
            reason = getattr(error, "reason", None) or error
            raise DataError(f"could not be downloaded ({reason}); nothing was written", source) from None
        if total and done != total:
            raise DataError(f"{done:,} of {total:,} bytes came; nothing was written, fetch again", source)
        if sha256 and digest.hexdigest() != sha256:
            raise DataError(f"SHA-256 is {digest.hexdigest()}, expected {sha256}; nothing was written", source)
        part.replace(path)


def _request(source: str) -> urllib.request.Request:
    """With a name and a password in the address sent as such, and not on to where the answer may redirect."""
    place = urlsplit(source)
    bare = urlunsplit(place._replace(netloc=place.netloc.rpartition("@")[2]))
    request = urllib.request.Request(bare, headers={"User-Agent": f"xstilts/{__version__}"})
    if place.username is not None:
        pair = f"{unquote(place.username)}:{unquote(place.password or '')}".encode()
        request.add_unredirected_header("Authorization", f"Basic {base64.b64encode(pair).decode()}")
    return request


def unpack(archive: Path, url: str, members: Mapping[str, Path]) -> None:
    """Write members of a zip or tar archive to their paths, each whole or not at all.

    The names written to are the caller's, so that no entry's own can lead out of the folder.

    Raises:
        DataError: not an archive, a damaged one, one without a member, or one that unpacks to more than any data set
            has; `url` names it in the message.
    """
    left = MOST_BYTES
    try:
        with zipfile.ZipFile(archive) if zipfile.is_zipfile(archive) else tarfile.open(archive) as holder:
            entries = _entries(holder)
            for member, path in members.items():
                with beside(path) as part:
                    with _member(holder, entries, member, url) as source, part.open("wb") as target:
                        while chunk := source.read(min(CHUNK, left + 1)):
                            left -= len(chunk)
                            if left < 0:
                                raise EOFError(f"it unpacks to more than {MOST_BYTES:,} bytes")
                            target.write(chunk)
                    part.replace(path)
    except DataError:
        raise
    except DAMAGE as error:
        raise DataError(f"a damaged archive ({error})", url) from None


@contextmanager
def beside(path: Path) -> Generator[Path, None, None]:
    """A name beside `path` to write to; what is left there in the end is removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
    finally:
        part.unlink(missing_ok=True)


def _entries(holder: zipfile.ZipFile | tarfile.TarFile) -> list[Any]:
    """What the archive holds; of a tar nothing beyond the limits is unpacked to find out."""
    found: list[Any] = []
    size = 0
    for entry in holder.infolist() if isinstance(holder, zipfile.ZipFile) else holder:
        found.append(entry)
        size += getattr(entry, "size", 0)  # of a tar's alone
        if len(found) > MOST_ENTRIES or size > MOST_BYTES:
            raise EOFError(f"it holds more than {MOST_ENTRIES:,} files or {MOST_BYTES:,} bytes")
    return found


def _member(holder: zipfile.ZipFile | tarfile.TarFile, entries: list[Any], member: str, url: str) -> IO[bytes]:
    """One file of the archive."""
    names = [entry.name if isinstance(entry, tarfile.TarInfo) else entry.filename for entry in entries]
    matching = [entry for name, entry in zip(names, entries) if name.removeprefix("./") == member]
    if not matching:
        there = ", ".join(name[:80] for name in names[:5]) or "nothing"
        raise DataError(f"the archive has no file {member}; it begins with {there}", url)
    if len(matching) > 1:
        raise DataError(f"the archive has {len(matching)} files {member}, and which one is meant is not known", url)
    if isinstance(holder, zipfile.ZipFile):
        return holder.open(matching[0])
    stream = holder.extractfile(matching[0]) if matching[0].isreg() else None
    if stream is None:
        raise DataError(f"{member} of the archive is no file but a link, a folder or a device", url)
    return stream
