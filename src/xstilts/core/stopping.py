"""Stopping in order: SIGINT and SIGTERM become a request that a block answers when it is ready."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

GRACE_SECONDS = 20.0
"""How long a process that was asked to stop may take to save its work before it is killed."""


@contextmanager
def stop_requests(act: Callable[[], None] = lambda: None) -> Iterator[list[int]]:
    """Yields the signals received so far; the first calls `act`, and the block decides when to leave.

    A second SIGINT does what it did before the block. A signal that is ignored stays ignored. Outside the main thread
    nothing is caught, since Python allows handlers there alone.
    """
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield received
        return
    numbers = [n for n in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(n) not in (signal.SIG_IGN, None)]

    def note(number: int, _: FrameType | None) -> None:
        if number == signal.SIGINT:
            signal.signal(number, before[number])
        received.append(number)
        if len(received) == 1:
            act()

    before = {int(number): signal.signal(number, note) for number in numbers}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def request_stop() -> bool:
    """Ask the main thread, from another one, to stop; False where it is in no block of `stop_requests`."""
    if not callable(signal.getsignal(signal.SIGTERM)):
        return False
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)  # wakes it from whatever it waits for
    return True
