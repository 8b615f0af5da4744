"""A table as data: the same cells become HTML, Markdown and terminal lines, so that all three show the same numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from xstilts.stats.bootstrap import Estimate

Kind = Literal["absolute", "gain", "gap"]
RowKind = Literal["baseline", "recipe", "control", "chance", "plain"]
MINUS = "\u2212"
CLEAR = "\u2022"


@dataclass(frozen=True)
class Cell:
    """One value as text.

    Attributes:
        text: the number, e.g. `+5.1`.
        detail: its interval, or another number below it.
        note: a sentence for a tool-tip.
        caveat: why the cell is empty or not what its row promises; printed below the table.
        value: the number itself, for colours; None in a gap.
        clear: whether the difference is beyond doubt by the rule of the report.
        strong: the best clear gain of its column.
    """

    text: str
    detail: str = ""
    note: str = ""
    caveat: str = ""
    kind: Kind = "absolute"
    value: float | None = None
    clear: bool = False
    strong: bool = False


@dataclass(frozen=True)
class Column:
    """`detail` is printed small below the label; `words`: what stands below is text."""

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
    """`head[0]` is the heading of the row labels."""

    name: str
    caption: str
    head: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()


def points(value: float) -> str:
    """A score with one decimal: `63.2`, `−0.4`, never `−0.0`."""
    text = f"{value:.1f}"
    return text.replace("-", MINUS) if float(text) != 0 else "0.0"


def signed(value: float) -> str:
    """A difference with its sign: `+5.1`, `−2.0`, `0.0`."""
    text = points(value)
    return f"+{text}" if float(f"{value:.1f}") > 0 else text


def interval(low: float | None, high: float | None, sign: bool) -> str:
    """`[+2.0, +8.1]`, or nothing where there is no interval."""
    if low is None or high is None:
        return ""
    show = signed if sign else points
    return f"[{show(low)}, {show(high)}]"


def share(p: float) -> str:
    """A p value: three decimals, or `< .001`."""
    return "< .001" if p < 0.001 else f"= {p:.3f}".replace("0.", ".", 1)


def describe(found: Estimate, sign: bool, level: float) -> str:
    """An estimate in one sentence, for tool-tips and screen readers."""
    show = signed if sign else points
    parts = [show(found.value)]
    if found.low is not None:
        parts.append(f"{level:.0%} interval {interval(found.low, found.high, sign)} over {found.levels}")
    if found.t_low is not None:
        over = "worlds" if found.per_world else "seeds"
        parts.append(f"t interval over {over} {interval(found.t_low, found.t_high, sign)}")
    if sign and found.p is not None:
        parts.append(f"bootstrap p {share(found.p)}")
    if len(found.seeds) > 1 and found.t_low is None:
        parts.append("the same models at every seed")
    elif len(found.seeds) > 1:
        parts.append("by seed " + ", ".join(show(value) for value in found.per_seed))
    else:
        parts.append("one seed")
    return "; ".join(parts)


GAP = "\u2013"


def gap(reason: str) -> Cell:
    """A cell without a value, and why."""
    return Cell(GAP, note=reason, caveat=reason, kind="gap")
