"""Locks between processes: files that the kernel unlocks when their holder dies, and that say who that is.

On NFS a holder that is cut off loses its lock when the server's lease ends, and does not notice. So a lock saves work
that would be done twice; what keeps results whole is `graph.attempts`.
"""

from __future__ import annotations

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
"""In the root of a store: held by its runs, as of `running`."""
TRIES = 1000
"""As often as a lock's file may vanish in turn."""


def try_lock(path: Path) -> int | None:
    """An open handle with an exclusive lock, or None while another process has it.

    Raises:
        OSError: no file can be made there, or none can be locked.
    """
    for _ in range(TRIES):
        try:
            return _try_lock(path)
        except OSError as error:  # removed by its holder while we look at it: here, or on another machine
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
            raise FileNotFoundError(f"{path} was removed between our open and our lock, and made anew")
    except OSError as error:
        os.close(handle)
        if isinstance(error, BlockingIOError):
            return None
        raise
    with suppress(OSError):  # for people; a full disk forbids it
        os.ftruncate(handle, 0)
        os.write(handle, json.dumps(_ourselves()).encode())
    return handle


def release(path: Path, handle: int) -> None:
    """Unlock and remove the file."""
    with suppress(OSError):
        os.pread(handle, 1, 0)  # an error says that the lock was lost, and the file is another's
        path.unlink()  # while we hold it: whoever opened the same file sees that its name is gone
    with suppress(OSError):
        os.close(handle)


@contextmanager
def running(path: Path) -> Iterator[None]:
    """Hold a lock that any number may hold and none may have alone, for `check_reach` to try elsewhere."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH)
        yield
    finally:
        os.close(handle)


def check_reach(path: Path) -> None:
    """Make sure that a lock reaches this process from another one, which is inside `running` of the same path.

    Raises:
        StoreError: the file is not there, or nobody seems to hold it.
    """
    host = socket.gethostname()
    try:
        handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise StoreError(
            f"{host} cannot open {path} ({error.strerror}): --store must name a folder that all machines share"
        ) from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    finally:
        os.close(handle)
    raise StoreError(
        f"{host} does not see the locks of other machines in {path.parent}: have it mounted with them (NFSv4, or "
        "Lustre with -o flock), or give --store a folder of one machine and run there"
    )


def is_held(path: Path) -> bool:
    """Whether a process has the lock now; who takes it at this very moment looks again."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


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
