"""Stopping in order: SIGINT and SIGTERM become a request that a block answers when it is ready."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

GRACE_SECONDS = 20.0
"""How long a process that was asked to stop may take to save its work before it is killed."""


def say_saving(number: int) -> None:
    """Say on standard error, from within a signal's handler, why the process does not end at once."""
    again = "; press Ctrl-C again to stop at once" if number == signal.SIGINT else ""
    begin = "\n" if os.isatty(2) else ""  # behind ^C
    os.write(2, f"{begin}stopping: saving a checkpoint of what is being trained{again}\n".encode())


@contextmanager
def _handled(numbers: Iterable[int], handler: Callable[[int, FrameType | None], Any]) -> Iterator[None]:
    """A block with another handler of some signals. Outside the main thread it does nothing: Python allows no more."""
    main = threading.current_thread() is threading.main_thread()
    before = {int(number): signal.getsignal(number) for number in numbers if main}
    try:
        for number in before:
            signal.signal(number, handler)
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


@contextmanager
def told_when_stopped() -> Iterator[None]:
    """A block in which the first SIGINT or SIGTERM says that it was heard, and raises KeyboardInterrupt(number).

    The handlers are restored by then. Those that a caller has set are left alone, as is any thread but the main one.
    """
    plain: dict[int, Any] = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    ours = [number for number, handler in plain.items() if signal.getsignal(number) == handler]

    def stop(number: int, _: FrameType | None) -> NoReturn:
        for each in ours:
            signal.signal(each, plain[each])
        say_saving(number)
        raise KeyboardInterrupt(number)

    with _handled(ours, stop):
        yield


@contextmanager
def stop_requests(act: Callable[[], None] = lambda: None) -> Iterator[list[int]]:
    """Yields the signals received so far; the first says a line and calls `act`, and the block decides when to leave.

    A second SIGINT does what it did before the block. A signal that is ignored stays ignored. Outside the main thread
    nothing is caught.
    """
    received: list[int] = []
    numbers = [n for n in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(n) not in (signal.SIG_IGN, None)]
    interrupt = signal.getsignal(signal.SIGINT)

    def note(number: int, _: FrameType | None) -> None:
        if number == signal.SIGINT:
            signal.signal(number, interrupt)
        received.append(number)
        if len(received) == 1:
            say_saving(number)
            act()

    with _handled(numbers, note):
        yield received


def request_stop() -> bool:
    """Ask the main thread, from another one, to stop; False where it is in no block of `stop_requests`."""
    if not callable(signal.getsignal(signal.SIGTERM)):
        return False
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)  # wakes it from whatever it waits for
    return True
