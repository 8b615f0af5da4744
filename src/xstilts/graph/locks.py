"""Locks between processes: files that the kernel unlocks when their holder dies, and that say who that is."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from datetime import UTC, datetime
from pathlib import Path


def try_lock(path: Path) -> int | None:
    """An open handle with an exclusive lock, or None while another process has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        handle = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return None
        if _is_at(path, handle):
            os.ftruncate(handle, 0)
            os.write(handle, json.dumps(_ourselves()).encode())
            return handle
        os.close(handle)  # the holder before us removed it between our open and our lock


def release(path: Path, handle: int) -> None:
    """Unlock and remove the file."""
    path.unlink(missing_ok=True)  # while we hold it: whoever opened the same file sees that its name is gone
    os.close(handle)


def holder(path: Path) -> str:
    """Who holds the lock and since when, for people: `process 1234 on HOST since 05:12`."""
    try:
        row = json.loads(path.read_bytes())
        since = datetime.fromisoformat(row["since"]).astimezone()
        today = since.date() == datetime.now().astimezone().date()
        return f"process {row['pid']} on {row['host']} since {since:{'%H:%M' if today else '%Y-%m-%d %H:%M'}}"
    except (OSError, ValueError, LookupError, TypeError):  # it was just made or removed, or an older xstilts made it
        return "another process"


def _ourselves() -> dict[str, str | int]:
    return {"host": socket.gethostname(), "pid": os.getpid(), "since": datetime.now(UTC).isoformat(timespec="seconds")}


def _is_at(path: Path, handle: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except FileNotFoundError:
        return False
