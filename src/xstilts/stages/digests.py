"""Digests of raw files and local weights, kept from one call to the next: a file that did not change is not read again.

What tells that it did not: size, the times of its last changes (content and inode, in nanoseconds) and inode number. A
file that changed within the last two seconds is not kept, since it might change again without a new time.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from xstilts.core.files import sha256, write_text

DIGESTS = "checksums.json"
"""Where a store keeps them."""
FRESH_SECONDS = 2.0
"""As coarse as the time of a file system may be."""
_KNOWN: dict[str, tuple[str, str]] = {}
"""Path -> (what tells of a change, digest), of this process."""


def digest(path: Path) -> str:
    """20 hex digits of the SHA-256 of the file's content."""
    name, clock, before = str(path.absolute()), time.time(), path.stat()
    known = _KNOWN.get(name)
    if known is not None and known[0] == _stamp(before):
        return known[1]
    found = sha256(path)[:20]
    if clock - max(before.st_mtime, before.st_ctime) > FRESH_SECONDS and _stamp(path.stat()) == _stamp(before):
        _KNOWN[name] = _stamp(before), found
    return found


@contextmanager
def remembered(file: Path) -> Iterator[None]:
    """Digests taken in this block are those of `file` where it has them, and are written to it at the end.

    A damaged file is ignored and replaced. Of two processes that write at once, one's new digests are lost: they are
    taken again. Nothing is written where the folder of `file` does not exist.
    """
    there = _load(file)
    _KNOWN.update(there)
    try:
        yield
    finally:
        known = dict(_KNOWN)
        if any(there.get(name) != row for name, row in known.items()) and file.parent.is_dir():
            rows = [json.dumps([name, *row]) for name, row in sorted((_load(file) | known).items())]
            with suppress(OSError):  # a store that cannot be written to
                write_text(file, "".join(f"{line}\n" for line in [_sum(rows), *rows]))


def _load(file: Path) -> dict[str, tuple[str, str]]:
    try:
        total, *rows = file.read_text(encoding="utf-8").splitlines()
        if total != _sum(rows):
            return {}
        return {name: (stamp, value) for name, stamp, value in map(json.loads, rows)}
    except (OSError, ValueError, TypeError):
        return {}


def _sum(rows: list[str]) -> str:
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()


def _stamp(state: os.stat_result) -> str:
    return f"{state.st_size} {state.st_mtime_ns} {state.st_ctime_ns} {state.st_dev}:{state.st_ino}"
