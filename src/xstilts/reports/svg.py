"""Plots as SVG text: heat maps and layer curves. Drawn by hand so that equal scores give equal bytes and colours follow
the reader's light or dark setting."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from xstilts.reports.cells import CLEAR, Table, points, signed
from xstilts.reports.layers import Panel

STEPS = 5
NICE = (1, 2, 3, 5, 8, 10, 15, 20, 25, 30, 40, 50, 75, 100)
LOOKS = 6


def limit(values: Sequence[float]) -> int:
    """The end of a scale centred at 0: the next round number above the largest absolute value."""
    largest = max((abs(value) for value in values), default=0.0)
    return next((number for number in NICE if number >= largest), 100)


def shade(value: float, end: float) -> str:
    """The colour class of a difference: `n5` ... `n1`, `z`, `p1` ... `p5`."""
    step = min(STEPS, round(abs(value) / end * STEPS))
    return "z" if step == 0 else f"{'p' if value > 0 else 'n'}{step}"


def words(x: float, y: float, text: str, classes: str = "", anchor: str = "middle") -> str:
    """A line of text at a place."""
    marked = f' class="{classes}"' if classes else ""
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}"{marked}>{escape(text)}</text>'


def fitted(text: str, width: float, each: float = 6.6) -> str:
    """The text, cut to a width where a letter takes `each`."""
    room = max(1, int(width / each))
    return text if len(text) <= room else text[: room - 1] + "…"


def begin(width: float, height: float, title: str, description: str) -> str:
    """The opening tag with what a screen reader says."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
        f'height="{height:g}" role="img" class="plot"><title>{escape(title)}</title><desc>{escape(description)}</desc>'
    )


def heat_map(table: Table) -> str:
    """Rows of recipes coloured by their gain, centred at 0; own values (baseline, controls) without colour."""
    count = len(table.head) - 1
    wide = max(50, min(92, 640 // max(1, count)))
    left = min(240.0, 30 + 7.4 * max((len(row.label) for row in table.rows), default=0))
    gains = [c.value for row in table.rows for c in row.cells if c.kind == "gain" and c.value is not None]
    end, top, tall = limit(gains), 44, 36
    height = top + tall * len(table.rows) + 46
    parts = [
        begin(
            left + max(wide * count, 440) + 8,
            height,
            table.caption,
            "Numbers in the cells are in the tables of the page, too.",
        )
    ]
    for number, column in enumerate(table.head[1:]):
        x = left + wide * (number + 0.5)
        parts.append(words(x, 18, fitted(column.label, wide, 7.2), "head"))
        parts.append(words(x, 34, fitted(column.detail, wide), "small"))
    for line, row in enumerate(table.rows):
        y = top + tall * line
        parts.append(words(left - 10, y + 23, fitted(row.label, left - 12, 7.2), f"label {row.kind}", "end"))
        for number, cell in enumerate(row.cells):
            colour = shade(cell.value, end) if cell.kind == "gain" and cell.value is not None else row.kind
            x, tip = left + wide * number, f"{row.label}, {table.head[number + 1].label}: {cell.note or cell.text}"
            bold = " clear" if cell.clear and cell.kind == "gain" else ""
            parts.append(
                f'<g class="cell {colour}{bold}"><title>{escape(tip)}</title>'
                f'<rect x="{x + 1:g}" y="{y + 1}" width="{wide - 2}" height="{tall - 2}" rx="4"/>'
                f"{words(x + wide / 2, y + 23, cell.text + (CLEAR if bold else ''))}</g>"
            )
    parts.append(_legend(left, height - 34, end))
    return "".join(parts) + "</svg>"


def _legend(x: float, y: float, end: int) -> str:
    classes = [*(f"n{step}" for step in range(STEPS, 0, -1)), "z", *(f"p{step}" for step in range(1, STEPS + 1))]
    boxes = "".join(
        f'<g class="cell {name}"><rect x="{x + 20 * i:g}" y="{y:g}" width="20" height="12"/></g>'
        for i, name in enumerate(classes)
    )
    marks = [(0.0, signed(-end)), (110.0, "0"), (220.0, signed(end))]
    numbers = "".join(words(x + at, y + 27, text, "small") for at, text in marks)
    return boxes + numbers + words(x + 236, y + 11, "points over the baseline; • clear", "small", "start")


def layer_plot(panel: Panel) -> str:
    """Value against layer, one line per run; controls dashed; whiskers are the range over seeds."""
    layers = panel.layers
    labels = max((len(curve.label) for curve in panel.curves), default=0)
    left, top, wide, tall = 48.0, 40.0, max(260.0, 44.0 * (len(layers) - 1)), 230.0
    high = max(top_ for curve in panel.curves for *_, top_ in curve.values)
    end = limit([high]) if high > 1 else 1

    def place(layer: int, value: float) -> tuple[float, float]:
        return left + wide * (layer - layers[0]) / max(1, layers[-1] - layers[0]), top + tall * (1 - value / end)

    right = 40 + 7.2 * labels
    title = f"{panel.target}: {panel.metric.replace('_', ' ')} by layer, {panel.kind} states"
    parts = [begin(left + wide + right, top + tall + 44, title, "The same numbers are in the table below.")]
    parts.append(words(left, 20, title, "head", "start"))
    for tick in range(STEPS + 1):
        x, y = place(layers[0], end * tick / STEPS)
        parts.append(f'<line class="grid" x1="{x:g}" y1="{y:g}" x2="{x + wide:g}" y2="{y:g}"/>')
        parts.append(words(x - 8, y + 4, points(end * tick / STEPS), "small", "end"))
    parts.extend(words(place(layer, 0)[0], top + tall + 18, str(layer), "small") for layer in layers)
    parts.append(words(left + wide / 2, top + tall + 36, "layer (0 is the embedding output)", "small"))
    for number, curve in enumerate(panel.curves):
        colour = f"c{number % LOOKS}" + (" control" if curve.is_control else "")
        path = "M" + "L".join("{:.1f} {:.1f}".format(*place(layer, value)) for layer, value, *_ in curve.values)
        parts.append(f'<g class="curve {colour}"><path d="{path}"/>')
        for layer, value, low, top_ in curve.values:
            x, y = place(layer, value)
            tip = f"{curve.label}, layer {layer}: {points(value)} (seeds {points(low)} to {points(top_)})"
            parts.append(f'<line x1="{x:.1f}" y1="{place(0, low)[1]:.1f}" x2="{x:.1f}" y2="{place(0, top_)[1]:.1f}"/>')
            parts.append(f"<g><title>{escape(tip)}</title>{_marker(number, x, y)}</g>")
        parts.append("</g>")
    parts.append(_names(panel, left + wide + 14, [place(c.values[-1][0], c.values[-1][1])[1] for c in panel.curves]))
    return "".join(parts) + "</svg>"


def _names(panel: Panel, x: float, heights: Sequence[float]) -> str:
    """Labels at the line ends, pushed apart so that none covers another."""
    order = sorted(range(len(heights)), key=lambda number: (heights[number], number))
    parts, last = [], -math.inf
    for number in order:
        y = last = max(heights[number], last + 17)
        control = " control" if panel.curves[number].is_control else ""
        parts.append(f'<g class="curve c{number % LOOKS}{control}">{_marker(number, x, y)}</g>')
        parts.append(words(x + 11, y + 4, panel.curves[number].label, f"label{control}", "start"))
    return "".join(parts)


def _marker(number: int, x: float, y: float) -> str:
    """Six shapes, so that lines can be told apart without colour; the seventh line has other shapes than the first."""
    kind = (number + number // LOOKS) % LOOKS
    if kind == 0:
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4"/>'
    corners = {
        1: ((-4, -4), (4, -4), (4, 4), (-4, 4)),
        2: ((0, -5), (5, 4), (-5, 4)),
        3: ((0, -5.5), (5.5, 0), (0, 5.5), (-5.5, 0)),
        4: ((0, 5), (5, -4), (-5, -4)),
        5: ((-5, -1.6), (5, -1.6), (5, 1.6), (-5, 1.6)),
    }[kind]
    return f'<polygon points="{" ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in corners)}"/>'
