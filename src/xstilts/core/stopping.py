"""Stopping in order: SIGINT and SIGTERM become a request that a block answers when it is ready."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

GRACE_SECONDS = 20.0
"""How long a process that was asked to stop may take to save its work before it is killed."""


def say_saving(number: int) -> None:
    """Say on standard error, from within a signal's handler, why the process does not end at once."""
    again = "; press Ctrl-C again to stop at once" if number == signal.SIGINT else ""
    begin = "\n" if os.isatty(2) else ""  # behind ^C
    os.write(2, f"{begin}stopping: saving a checkpoint of what is being trained{again}\n".encode())


@contextmanager
def told_when_stopped() -> Iterator[None]:
    """A block in which the first SIGINT or SIGTERM says that it was heard, and raises KeyboardInterrupt(number).

    The handlers are restored by then. Those that a caller has set are left alone, as is any thread but the main one.
    """
    plain = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    before = {number: handler for number, handler in plain.items() if signal.getsignal(number) == handler}
    if threading.current_thread() is not threading.main_thread():
        before = {}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def stop(number: int, _: FrameType | None) -> NoReturn:
        restore()
        say_saving(number)
        raise KeyboardInterrupt(number)

    for number in before:
        signal.signal(number, stop)
    try:
        yield
    finally:
        restore()


@contextmanager
def stop_requests(act: Callable[[], None] = lambda: None) -> Iterator[list[int]]:
    """Yields the signals received so far; the first says a line and calls `act`, and the block decides when to leave.

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
            say_saving(number)
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
