"""Locks between processes: files that the kernel unlocks when their holder dies, and that name the holder.

On NFS, a holder that loses its connection loses its lock when the server's lease ends, and does not notice. So a lock
only prevents double work; `graph.attempts` keeps results whole.
"""

import errno
import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from xstilts.core.errors import StoreError

RUNNING = ".running.lock"
"""Lock file in the root of a store, shared by the runs that use it (see `running`)."""
TRIES = 1000
"""How many times in a row a lock file may disappear."""


def try_lock(path: Path) -> int | None:
    """An open handle with an exclusive lock; None if another process holds it. Raises `OSError`."""
    for _ in range(TRIES):
        try:
            return _try_lock(path)
        except OSError as error:  # its holder, here or on another machine, removed it just now
            if not isinstance(error, FileNotFoundError) and error.errno != errno.ESTALE:
                raise
            vanished = error
    raise vanished


def _try_lock(path: Path) -> int | None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not os.path.samestat(path.stat(), os.fstat(handle)):
            raise FileNotFoundError(f"{path} was replaced between open and lock")
    except OSError as error:
        os.close(handle)
        if isinstance(error, BlockingIOError):
            return None
        raise
    since = datetime.now(UTC).isoformat(timespec="seconds")
    with suppress(OSError):  # only for people; fails on a full disk
        os.ftruncate(handle, 0)
        os.write(handle, json.dumps({"host": socket.gethostname(), "pid": os.getpid(), "since": since}).encode())
    return handle


def release(path: Path, handle: int) -> None:
    """Unlock and remove the file."""
    with suppress(OSError):
        os.pread(handle, 1, 0)  # fails if the lock was lost; the file is then another process's
        path.unlink()  # while we hold it: whoever opened the same file sees that its name is gone
    with suppress(OSError):
        os.close(handle)


@contextmanager
def running(path: Path) -> Iterator[None]:
    """Hold a shared lock, so that `check_reach` in another process can see whether locks reach it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH)
        yield
    finally:
        os.close(handle)


def check_reach(path: Path) -> None:
    """Raises `StoreError` if this process does not see the lock of another one, which is inside `running(path)`."""
    host = socket.gethostname()
    try:
        free = _is_free(path, os.O_RDWR, fcntl.LOCK_EX)
    except OSError as error:
        raise StoreError(
            f"{host} cannot open {path} ({error.strerror}): --store must name a folder that all machines share"
        ) from None
    if free:
        raise StoreError(
            f"{host} does not see the locks of other machines in {path.parent}: mount it with locks (NFSv4, or "
            "Lustre with -o flock), or use a local --store on one machine"
        )


def is_held(path: Path) -> bool:
    """Whether a process holds the lock now."""
    try:
        return not _is_free(path, os.O_RDONLY, fcntl.LOCK_SH)
    except FileNotFoundError:
        return False


def is_used(path: Path) -> bool:
    """Whether a process is inside `running(path)` now; False if this one cannot open the file."""
    try:
        return not _is_free(path, os.O_RDWR, fcntl.LOCK_EX)
    except OSError:
        return False


def _is_free(path: Path, mode: int, lock: int) -> bool:
    handle = os.open(path, mode | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, lock | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(handle)
    return True


def holder(path: Path) -> str:
    """The holder of the lock, for people: `process 1234 on HOST since 05:12`."""
    try:
        row = json.loads(path.read_bytes())
        return f"process {row['pid']} on {row['host']} since {local_time(row['since'])}"
    except (OSError, ValueError, LookupError, TypeError):  # just made or removed, or made by an older xstilts
        return "another process"


def local_time(time: str) -> str:
    """An ISO 8601 time as `12:03`, with the date unless it is today's."""
    then, now = datetime.fromisoformat(time).astimezone(), datetime.now().astimezone()
    return f"{then:{'%H:%M' if then.date() == now.date() else '%Y-%m-%d %H:%M'}}"
