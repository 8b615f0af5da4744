"""Digests of raw files and local weights, kept between calls: a file that did not change is not read again.

Size, times of change (content and inode, in nanoseconds) and inode number tell that it did not. The digest of a file
that changed in the last two seconds is not kept, since it might change again within the resolution of its times.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from xstilts.core.files import read_json, sha256, write_json
from xstilts.core.keys import content_key

DIGESTS = "checksums.json"
"""Where a store keeps them."""
FRESH_SECONDS = 2.0
"""Coarsest resolution of a file system's times."""
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
    with suppress(OSError, ValueError):  # DataError is a ValueError
        found = read_json(file)
        if isinstance(found, dict) and found.get("sum") == content_key(found.get("files")):
            return dict(found["files"])
    return {}


def _stamp(state: os.stat_result) -> str:
    return f"{state.st_size} {state.st_mtime_ns} {state.st_ctime_ns} {state.st_dev}:{state.st_ino}"
