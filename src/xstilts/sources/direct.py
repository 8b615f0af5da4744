"""Official files by HTTPS, or from a mirror: written beside their place, checked, then renamed."""

from __future__ import annotations

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
from typing import IO
from urllib.parse import urlsplit

from xstilts import __version__
from xstilts.core.errors import DataError

TIMEOUT = 60
CHUNK = 1 << 18


@dataclass(frozen=True)
class Bytes:
    """How far a download is; `total` is 0 when the server does not say."""

    url: str
    done: int
    total: int


def mirrored(url: str, mirror: str | None) -> str:
    """The address on the mirror: its URL or folder, then host and path of the official address."""
    if mirror is None:
        return url
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
        request = urllib.request.Request(source, headers={"User-Agent": f"xstilts/{__version__}"})
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as answer, part.open("wb") as stream:
                total = int(answer.headers.get("Content-Length") or 0)
                while chunk := answer.read(CHUNK):
                    stream.write(chunk)
                    digest.update(chunk)
                    done += len(chunk)
                    yield Bytes(url, done, total)
        except (urllib.error.URLError, HTTPException, OSError) as error:
            reason = getattr(error, "reason", None) or error
            raise DataError(f"could not be downloaded ({reason}); nothing was written", source) from None
        if total and done != total:
            raise DataError(f"{done:,} of {total:,} bytes came; nothing was written, fetch again", source)
        if sha256 and digest.hexdigest() != sha256:
            raise DataError(f"SHA-256 is {digest.hexdigest()}, expected {sha256}; nothing was written", source)
        part.replace(path)


def unpack(archive: Path, url: str, members: Mapping[str, Path]) -> None:
    """Write members of a zip or tar archive to their paths, each whole or not at all.

    Raises:
        DataError: not an archive, a damaged one, or one without a member; `url` names it in the message.
    """
    try:
        with _opened(archive) as holder:
            for member, path in members.items():
                with beside(path) as part:
                    with _member(holder, member, url) as source, part.open("wb") as target:
                        while chunk := source.read(CHUNK):
                            target.write(chunk)
                    part.replace(path)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, OSError) as error:
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


def _opened(archive: Path) -> zipfile.ZipFile | tarfile.TarFile:
    return zipfile.ZipFile(archive) if zipfile.is_zipfile(archive) else tarfile.open(archive)


def _member(holder: zipfile.ZipFile | tarfile.TarFile, member: str, url: str) -> IO[bytes]:
    names = holder.namelist() if isinstance(holder, zipfile.ZipFile) else holder.getnames()
    name = next((name for name in names if name.removeprefix("./") == member), "")
    found: IO[bytes] | None = None
    if name:
        found = holder.open(name) if isinstance(holder, zipfile.ZipFile) else holder.extractfile(name)
    if found is None:
        raise DataError(f"the archive has no file {member}; it begins with {', '.join(names[:5]) or 'nothing'}", url)
    return found
