"""Numbers as text, and tables as data: every renderer shows the same cells."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from xstilts.core.errors import count as count
from xstilts.stats.estimates import Estimate

RowKind = Literal["baseline", "source", "recipe", "control", "chance", "plain"]
MINUS, CLEAR, GAP = "\u2212", "\u2022", "\u2013"


@dataclass(frozen=True)
class Cell:
    """One value as text.

    Attributes:
        detail: its interval.
        caveat: why the cell is empty or incomplete; printed below the table.
        value: the number itself, for colours; None in a gap.
        gain, clear: whether it is a difference from the baseline, and a clear one (`stats.estimates`).
    """

    text: str
    detail: str = ""
    caveat: str = ""
    value: float | None = None
    gain: bool = False
    clear: bool = False

    @property
    def marked(self) -> str:
        """The text, with a dot behind a clear difference."""
        return self.text + CLEAR if self.clear else self.text


@dataclass(frozen=True)
class Column:
    """`detail` is printed small below the label; `words`: the column holds text."""

    label: str
    detail: str = ""
    words: bool = False


@dataclass(frozen=True)
class Row:
    """`badges` are flags to be read with the row."""

    label: str
    cells: tuple[Cell, ...]
    kind: RowKind = "plain"
    detail: str = ""
    badges: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """`head[0]` is the heading of the row labels; `title` stands above a table that is one of several."""

    name: str
    caption: str
    head: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    title: str = ""


def points(value: float) -> str:
    """A score with one decimal: `63.2`, `−0.4`, never `−0.0`."""
    text = f"{value:.1f}"
    return text.replace("-", MINUS) if float(text) else "0.0"


def signed(value: float) -> str:
    """A difference with its sign: `+5.1`, `−2.0`, `0.0`."""
    text = points(value)
    return text if text == "0.0" or text.startswith(MINUS) else f"+{text}"


def interval(found: Estimate, sign: bool = True) -> str:
    """`[+2.0, +8.1]`, or nothing where there is no interval; a score's ends at 0 and 100."""
    if found.low is None or found.high is None:
        return ""
    if sign:
        return f"[{signed(found.low)}, {signed(found.high)}]"
    return f"[{points(max(0.0, found.low))}, {points(min(100.0, found.high))}]"


def share(p: float | None) -> str:
    """A p value or another probability: three decimals, never 0 or 1."""
    if p is None:
        return GAP
    return "< .001" if p < 0.001 else "> .999" if 0.999 < p < 1 else f"{p:.3f}".replace("0.", ".", 1)


def few(found: Estimate) -> str:
    """Why a difference has too few replicates to be called clear."""
    if found.same_models:
        return "the same models at every seed, so no spread over seeds"
    return f"too few {'worlds' if found.per_world else 'seeds'} to say"


def difference(one: Estimate, caveat: str = "") -> Cell:
    """A difference with its interval."""
    return Cell(signed(one.value), interval(one), caveat, one.value, True, one.clear)


def signs(found: Iterable[Estimate]) -> tuple[int, int, int]:
    """The numbers of clear gains, clear losses and undecided differences."""
    each = [one.clear * (1 if one.value > 0 else -1) for one in found]
    return each.count(1), each.count(-1), each.count(0)
