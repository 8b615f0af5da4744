"""Errors for users. Each is one line: what was asked, what was found, what to do."""

import difflib
import re
from collections.abc import Iterable
from pathlib import Path

_SECRET = re.compile(r"(?<=://)[^/\s]+(?=@)|\bhf_[A-Za-z0-9]{20,}")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def shown(text: str) -> str:
    """Text that is safe to show: one line, without escape sequences, passwords or tokens."""
    line = " ".join(part for part in re.split(r"[\r\n]+", text) if part) if "\n" in text or "\r" in text else text
    return _CONTROL.sub(lambda found: repr(found[0])[1:-1], _SECRET.sub("***", line))


def count(number: int, noun: str) -> str:
    """`1 seed`, `3 seeds`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


class XstiltsError(ValueError):
    """A mistake that the user can correct. The command line prints it in one line and exits with code 2.

    The problem says what was asked, what was found and what to do; `line` counts from 1.
    """

    def __init__(self, problem: str, path: Path | str | None = None, line: int | None = None) -> None:
        place = "" if path is None else f"{path}: " if line is None else f"{path}:{line}: "
        super().__init__(f"{place}{problem}")
        self.problem, self.path, self.line = problem, path, line

    def __str__(self) -> str:
        return shown(super().__str__())


class UnknownName(XstiltsError):
    """An unknown name. The message has a `hint`, else the nearest names, else the command that `lists` all."""

    def __init__(
        self, kind: str, asked: str, known: Iterable[str], lists: str = "xstilts list", more: str = "", hint: str = ""
    ) -> None:
        names = sorted(known)
        small = {name.lower(): name for name in reversed(names)}
        if near := difflib.get_close_matches(asked.lower(), small, n=3, cutoff=0.5):
            hint = hint or f"did you mean {' or '.join(small[name] for name in near)}?"
        elif len(names) <= 12:
            hint = hint or f"known: {', '.join(names) or 'none'}"
        named = asked if len(asked) <= 100 else f"{asked[:100]}..."
        super().__init__(f"unknown {kind} '{named}': {hint or f'{len(names)} are known; `{lists}` shows them'}{more}")
        self.asked = asked


class DataError(XstiltsError):
    """A data file that is missing, damaged, or not in its official format."""


class ConfigError(XstiltsError):
    """An experiment file with a wrong key or value."""


class BackboneError(XstiltsError):
    """A model that cannot be loaded, or whose packed states differ from separate ones."""


class StoreError(XstiltsError):
    """A store of another version, or one in use by another run."""


class StageError(XstiltsError):
    """A stage that failed while running."""


class OutOfMemory(StageError):
    """A device is out of memory; `tokens`: number to compute at a time instead, 0 if fewer would not help."""

    def __init__(self, problem: str, tokens: int = 0) -> None:
        super().__init__(problem)
        self.tokens = tokens


class FailedRun(StageError):
    """A training run that diverged or collapsed (its `kind`); another seed may do better.

    `problem` says how it ended, `remedy` what a user can do.
    """

    def __init__(self, problem: str, kind: str, remedy: str = "") -> None:
        super().__init__(f"{problem}{remedy}")
        self.problem, self.kind = problem, kind
