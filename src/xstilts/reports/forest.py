"""A forest plot: one line for each effect, its value with both intervals, and zero."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from xstilts.reports.cells import signed
from xstilts.reports.svg import begin, fitted, limit, words
from xstilts.stats.bootstrap import Estimate

TALL, TOP, LEFT, WIDE, RIGHT = 26, 30, 470.0, 340.0, 70.0


def forest(title: str, rows: Sequence[tuple[str, Estimate]]) -> str:
    """Effects in points as SVG: a dot at the value, thick the bootstrap interval, thin Student's; filled where clear.

    A Student interval that would dwarf the others ends in an arrow at the edge of the plot.
    """
    shown = [abs(end) for _, one in rows for end in (one.value, one.low, one.high) if end is not None]
    longest = [abs(end) for _, one in rows for end in (one.t_low, one.t_high) if end is not None]
    end = limit([*shown, *(min(value, 2 * max(shown)) for value in longest)])
    bottom = TOP + TALL * len(rows)
    parts = [begin(LEFT + WIDE + RIGHT, bottom + 44, title, "The same numbers stand in the words beside it.")]
    parts.append(words(8, 18, title, "head", "start"))
    for tick in (-end, -end / 2, 0, end / 2, end):
        x = _x(tick, end)
        parts.append(
            f'<line class="{"zero" if tick == 0 else "grid"}" x1="{x:g}" y1="{TOP}" x2="{x:g}" y2="{bottom}"/>'
        )
        parts.append(words(x, bottom + 16, signed(tick) if tick else "0", "small"))
    parts.append(words(LEFT + WIDE / 2, bottom + 34, "points; thick: bootstrap, thin: Student's t, 95 %", "small"))
    for number, (label, one) in enumerate(rows):
        y = TOP + TALL * (number + 0.5)
        parts.append(words(LEFT - 12, y + 4, fitted(label, LEFT - 20, 6.4), "label", "end"))
        tip = f"<title>{escape(label)}: {signed(one.value)}</title>"
        parts.append(f'<g class="effect{" clear" if one.clear else ""}">{tip}{"".join(_marks(one, y, end))}</g>')
        parts.append(words(LEFT + WIDE + 12, y + 4, signed(one.value), "", "start"))
    return "".join(parts) + "</svg>"


def _x(value: float, end: float) -> float:
    return LEFT + WIDE * (max(-end, min(end, value)) + end) / (2 * end)


def _marks(one: Estimate, y: float, end: float) -> Iterator[str]:
    for low, high, name in ((one.t_low, one.t_high, "thin"), (one.low, one.high, "thick")):
        if low is not None and high is not None:
            yield f'<line class="{name}" x1="{_x(low, end):.1f}" y1="{y:g}" x2="{_x(high, end):.1f}" y2="{y:g}"/>'
            for edge, sign in ((low, -1), (high, 1)):
                if sign * edge > end:
                    x = _x(edge, end)
                    yield f'<polygon points="{x + 5 * sign:.1f},{y:g} {x:.1f},{y - 4:g} {x:.1f},{y + 4:g}"/>'
    yield f'<circle cx="{_x(one.value, end):.1f}" cy="{y:g}" r="4.5"/>'
