"""Orderly shutdown: SIGINT and SIGTERM become a request, which a block of code answers when it is ready."""

import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

GRACE_SECONDS = 20.0
"""Time for a process to save its work after a stop request; then it is killed."""


def _say_saving(number: int) -> None:
    """Say on standard error, from within a signal handler, why the process does not end at once."""
    again = "; press Ctrl-C again to stop at once" if number == signal.SIGINT else ""
    begin = "\n" if os.isatty(2) else ""  # after ^C
    os.write(2, f"{begin}stopping: saving a checkpoint of the running training{again}\n".encode())


@contextmanager
def handled(numbers: Iterable[int], handler: Callable[[int, FrameType | None], Any] | None = None) -> Iterator[None]:
    """A block with this handler for some signals; handlers are restored after it, even if the block sets others.

    Does nothing outside the main thread, where Python sets no handlers.
    """
    main = threading.current_thread() is threading.main_thread()
    before = {int(number): signal.getsignal(number) for number in numbers if main}
    try:
        for number in before if handler else ():
            signal.signal(number, handler)
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


@contextmanager
def told_when_stopped(again: Any = None) -> Iterator[None]:
    """A block in which the first SIGINT or SIGTERM prints a line and raises KeyboardInterrupt(number).

    Handlers that a caller has set are left alone, and so is any thread but the main one. `again` handles further
    signals; by default they end the process as outside the block.
    """
    plain: dict[int, Any] = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    ours = [number for number, handler in plain.items() if signal.getsignal(number) == handler]

    def stop(number: int, _: FrameType | None) -> NoReturn:
        for each in ours:
            signal.signal(each, plain[each] if again is None else again)
        _say_saving(number)
        raise KeyboardInterrupt(number)

    with handled(ours, stop):
        yield


@contextmanager
def stop_requests(act: Callable[[], None] = lambda: None) -> Iterator[list[int]]:
    """Yields the signals received so far, for the block to leave when it is ready. The first one calls `act`.

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
            _say_saving(number)
            act()

    with handled(numbers, note):
        yield received


def request_stop() -> bool:
    """Ask the main thread, from another one, to stop; False if it is not inside `stop_requests`."""
    if not callable(signal.getsignal(signal.SIGTERM)):
        return False
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)  # interrupts any wait
    return True
