"""Figures as SVG, by hand: effects with their intervals, a heat map, curves over layers.

Colours are variables of the page, for light and dark; files have literal ones, as most viewers ignore style sheets.
"""

import itertools
import math
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from html import escape
from importlib.resources import files
from statistics import linear_regression

from xstilts.reports.cells import MINUS, Table, few, interval, signed
from xstilts.stats.estimates import Estimate

STEPS, LINE = 5, 16.0
INK, DIM = 'fill="var(--ink)"', 'fill="var(--dim)" font-size="11"'
BOLD = f'{INK} font-weight="700"'


@cache
def asset(name: str) -> str:
    """The text of a template file."""
    return (files("xstilts.reports") / "templates" / name).read_text(encoding="utf-8")


def literal(svg: str) -> str:
    """The figure as a file of its own, in the page's colours on a light ground."""
    colours = dict(re.findall(r"--(\w+): light-dark\((#\w+)", asset("page.css")))
    return re.sub(r"var\(--(\w+)\)", lambda found: colours[found[1]], svg) + "\n"


def file_name(*parts: str) -> str:
    """A file name that every system accepts."""
    return "-".join(re.sub(r"[^\w.-]+", "-", part).strip("-") for part in parts if part) + ".svg"


def ticks(low: float, high: float) -> list[float]:
    """Three to six round numbers around a range and zero."""
    low, high = min(low, 0.0), max(high, 0.0)
    power = 10.0 ** math.floor(math.log10((high - low) or 1.0) - 0.7)
    step = next(part * power for part in (1, 2, 5, 10) if (high - low) <= 5 * part * power)
    first = math.floor(low / step)
    return [step * number for number in range(first, max(math.ceil(high / step), first + 1) + 1)]


def shade(value: float, end: float) -> str:
    """Colour of a difference: `z` near zero, else `p1` to `p5` or `n1` to `n5`."""
    step = min(STEPS, round(abs(value) / end * STEPS))
    return "z" if step == 0 else f"{'p' if value > 0 else 'n'}{step}"


def shades(table: Table, beside: Sequence[Table] = ()) -> list[list[str]]:
    """The colour of each gain of a recipe, on one scale with the tables beside it; empty for all other cells."""
    gains = (row for one in (table, *beside) for row in one.rows if row.kind == "recipe")
    end = max([2.0, *(abs(c.value or 0) for row in gains for c in row.cells if c.gain)])
    return [
        [shade(c.value, end) if row.kind == "recipe" and c.gain and c.value is not None else "" for c in row.cells]
        for row in table.rows
    ]


def fitted(text: str, width: float, each: float = 7.2) -> str:
    """The text, cut to a width where a letter takes `each`."""
    room = max(1, int(width / each))
    return text if len(text) <= room else text[: room - 1] + "…"


def _svg(width: float, height: float, title: str, parts: Iterable[str], told: str = "") -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
        f'height="{height:g}" role="img" aria-label="{escape(title + told)}" font-family="sans-serif" font-size="13">'
        f'<rect width="100%" height="100%" fill="var(--paper)"/>{"".join(parts)}</svg>'
    )


def _text(x: float, y: float, text: str, anchor: str = "middle", look: str = INK) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {look}>{escape(text)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, look: str = 'stroke="var(--rule)"') -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" {look}/>'


def _key(x: float, y: float, name: str, number: int) -> str:
    """An entry of a legend."""
    look = f'fill="var(--c{number % 6})"'
    return f'<circle cx="{x + 5:.1f}" cy="{y - 4:.1f}" r="5" {look}/>{_text(x + 15, y, name, "start", look)}'


def forest(title: str, rows: Sequence[tuple[str, Estimate]], corrected: bool = True) -> str:
    """Effects in points: name and numbers, below them a dot and a line for the interval.

    An interval that would dwarf the others ends at the edge. Narrow enough for a phone.

    Args:
        corrected: fill the dots of differences that are clear in their table, else those whose interval excludes zero.
    """
    wide, every = 470.0, _shown([one for _, one in rows])
    scale = ticks(min(map(min, every)), max(map(max, every)))
    texts = [f"{signed(one.value)} {interval(one)}" for _, one in rows]
    labels = [textwrap.wrap(label, int((wide - 7.2 * len(text)) / 7)) or [""] for (label, _), text in zip(rows, texts)]
    tops = list(itertools.accumulate((26.0 + LINE * len(lines) for lines in labels), initial=34.0))
    bottom = tops.pop()

    def x(value: float) -> float:
        return 22 + (wide - 44) * (value - scale[0]) / (scale[-1] - scale[0])

    parts = [_text(8, 20, fitted(title, wide), "start", BOLD)]
    for tick in scale:
        stroke = f'stroke="var(--{"rule" if tick else "dim"})"'
        ends = [top + LINE * len(lines) + 5 for top, lines in zip(tops, labels)]
        parts += [_line(x(tick), y, x(tick), y + 17, stroke) for y in ends]
        parts.append(_text(x(tick), bottom + 16, f"{tick:+g}".replace("-", MINUS) if tick else "0", look=DIM))
    filled = "clear after correction" if corrected else "interval excludes zero"
    parts.append(_text(wide / 2, bottom + 32, f"points, with 95% intervals; filled: {filled}", look=DIM))
    for top, lines, text, (_, one), (value, low, high) in zip(tops, labels, texts, rows, every):
        parts += [_text(8, top + LINE * at, line, "start") for at, line in enumerate(lines, start=1)]
        y = top + LINE * len(lines)
        parts.append(_text(wide - 8, y, text, "end"))
        parts.append(_line(x(low), y + 13, x(high), y + 13, 'stroke="var(--c0)" stroke-width="3"'))
        full = one.clear if corrected else not one.few and (one.low or 0) * (one.high or 0) > 0
        look = f'fill="var(--{"c0" if full else "paper"})" stroke="var(--c0)" stroke-width="2"'
        parts.append(f'<circle cx="{x(value):.1f}" cy="{y + 13:g}" r="5" {look}/>')
    told = ""
    for label, one in rows:
        decided = ("clear gain" if one.value > 0 else "clear loss") if one.clear else "undecided"
        words = [few(one)] if one.few else [decided] * corrected
        told += f"; {label}: {', '.join([f'{signed(one.value)} {interval(one)}', *words])}"
    return _svg(wide, bottom + 42, title, parts, told)


def _shown(found: Sequence[Estimate]) -> list[tuple[float, float, float]]:
    """Value and interval of each; the ends of one that would dwarf the others are cut."""
    far = 3 * max(abs(one.value) for one in found)
    ends = ((one.value if end is None else max(-far, min(far, end)) for end in (one.low, one.high)) for one in found)
    return [(one.value, low, high) for one, (low, high) in zip(found, ends)]


def by_size(title: str, lines: Mapping[str, Sequence[tuple[float, Estimate]]]) -> str:
    """Gains with their intervals against the logarithm of the size, a line for each series; `lines`: size, gain."""
    left, top, wide, tall = 56.0, 44.0, 390.0, 200.0
    every = {name: _shown([one for _, one in found]) for name, found in lines.items()}
    numbers = [number for found in every.values() for one in found for number in one]
    scale, sizes = ticks(min(numbers), max(numbers)), sorted({size for found in lines.values() for size, _ in found})

    def x(size: float) -> float:
        return left + 16 + (wide - 32) * math.log(size / sizes[0]) / math.log(sizes[-1] / sizes[0])

    def y(value: float) -> float:
        return top + tall * (scale[-1] - value) / (scale[-1] - scale[0])

    parts, last = [_text(8, 20, title, "start", BOLD)], -math.inf
    for tick in scale:
        stroke = f'stroke="var(--{"rule" if tick else "dim"})"'
        parts.append(_line(left, y(tick), left + wide, y(tick), stroke))
        parts.append(_text(left - 8, y(tick) + 4, f"{tick:+g}".replace("-", MINUS) if tick else "0", "end", DIM))
    for size in sizes:
        if x(size) > last + 44:  # else it would run into the one before
            last = x(size)
            parts.append(_text(last, top + tall + 18, in_words(size), look=DIM))
    for number, (name, found) in enumerate(lines.items()):
        look, apart = f'stroke="var(--c{number % 6})" stroke-width="2"', 5 * (number - (len(lines) - 1) / 2)
        at = [(x(size) + apart, *map(y, ends)) for (size, _), ends in zip(found, every[name])]
        path = "L".join(f"{across:.1f} {value:.1f}" for across, value, *_ in at)
        parts.append(f'<path d="M{path}" fill="none" {look} opacity="0.5"/>')
        parts += [_line(across, low, across, high, look) for across, _, low, high in at]
        parts += [f'<circle cx="{a:.1f}" cy="{v:.1f}" r="4" fill="var(--paper)" {look}/>' for a, v, *_ in at]
        parts.append(_key(8, top + tall + 54 + LINE * number, name, number))
    note = "gain in points, with 95% intervals, against parameters (logarithmic)"
    parts.append(_text(235, top + tall + 34, note, look=DIM))
    return _svg(470, top + tall + 52 + LINE * len(lines), title, parts)


def in_words(size: float) -> str:
    """A number of parameters: `250 k`, `3.35 M`, `1.2 B`."""
    unit, word = next(((u, w) for u, w in ((1e9, " B"), (1e6, " M"), (1e3, " k")) if size >= 0.9995 * u), (1, ""))
    return f"{size / unit:.3g}{word}"


def heat_map(table: Table, title: str) -> str:
    """Rows coloured by their gain, centred at zero; own values without colour."""
    columns, tall, top = table.head[1:], 34, 58
    wide = max(54, min(92, 640 // len(columns)))
    left = min(240.0, 30 + 7.4 * max(len(row.label) for row in table.rows))

    parts = [_text(8, 20, title, "start", BOLD)]
    for number, column in enumerate(columns):
        parts.append(_text(left + wide * (number + 0.5), 48, fitted(column.label, wide), look=BOLD))
    for line, (row, colours) in enumerate(zip(table.rows, shades(table))):
        y = top + tall * line
        parts.append(_text(left - 10, y + 22, fitted(row.label, left - 12), "end"))
        for number, (cell, colour) in enumerate(zip(row.cells, colours)):
            x, ink = left + wide * number, "paper" if colour in ("p5", "n5") else "ink" if colour else "dim"
            weight = ' font-weight="700"' if cell.clear or row.kind == "baseline" else ""
            fill = f'fill="var(--{colour or "paper"})" stroke="var(--rule)"'
            parts.append(f'<rect x="{x + 1:g}" y="{y + 1}" width="{wide - 2}" height="{tall - 2}" rx="3" {fill}/>')
            parts.append(_text(x + wide / 2, y + 22, cell.marked, look=f'fill="var(--{ink})"{weight}'))
    note = "differences from the baseline in points; dot: clear after correction"
    parts.append(_text(left, top + tall * len(table.rows) + 20, note, "start", DIM))
    return _svg(left + max(wide * len(columns), 400) + 8, top + tall * len(table.rows) + 32, title, parts)


def curves(table: Table) -> str:
    """Values against the layers of a sweep, one line per run with its name at the end; controls dashed."""
    layers, left, top, tall = [int(row.label) for row in table.rows], 44.0, 36.0, 220.0
    wide = max(260.0, 40.0 * (len(layers) - 1))
    scale = ticks(0, max(cell.value or 0.0 for row in table.rows for cell in row.cells))

    def x(layer: int) -> float:
        return left + wide * (layer - layers[0]) / max(1, layers[-1] - layers[0])

    def y(value: float) -> float:
        return top + tall * (1 - value / scale[-1])

    parts = [_text(8, 20, table.name, "start", BOLD)]
    for tick in scale:
        parts += [_line(left, y(tick), left + wide, y(tick)), _text(left - 8, y(tick) + 4, f"{tick:g}", "end", DIM)]
    parts += [_text(x(layer), top + tall + 18, str(layer), look=DIM) for layer in layers]
    parts.append(_text(left + wide / 2, top + tall + 36, "layer (0 is the embedding output)", look=DIM))
    ends, last = [], -math.inf
    for number, column in enumerate(table.head[1:]):
        colour, dash = ("dim", ' stroke-dasharray="5 4"') if column.detail else (f"c{number % 6}", "")
        values = [(n, row.cells[number].value) for n, row in zip(layers, table.rows)]
        known = [(x(layer), y(value)) for layer, value in values if value is not None]
        path = "L".join(f"{across:.1f} {down:.1f}" for across, down in known)
        parts.append(f'<path d="M{path}" fill="none" stroke="var(--{colour})" stroke-width="2"{dash}/>')
        ends.append((known[-1][1], known[-1][0], column.label, colour))
    for down, across, label, colour in sorted(ends):
        last = max(down + 4, last + 16)
        parts.append(_text(across + 8, last, label, "start", f'fill="var(--{colour})"'))
    longest = max(len(column.label) for column in table.head)
    return _svg(left + wide + 24 + 7.4 * longest, max(top + tall + 44, last + 12), table.name, parts)


def scatter(title: str, panels: Mapping[str, Sequence[tuple[str, Sequence[float], Sequence[float]]]]) -> str:
    """Gains against distances with least-squares lines; `panels`: target -> name, x and y of each recipe."""
    wide, tall, across = 250.0, 200.0, min(3, len(panels))
    far = max(max(x) for series in panels.values() for _, x, _ in series)
    names = list(dict.fromkeys(name for series in panels.values() for name, *_ in series))
    bottom = 52 + tall * math.ceil(len(panels) / across)

    def x(value: float, left: float) -> float:
        return left + 42 + (wide - 60) * value / far

    parts = [_text(8, 20, title, "start", BOLD)]
    end = 8.0
    for number, name in enumerate(names):
        text = fitted(name, 290)
        parts.append(_key(end, 42, text, number))
        end += 7.2 * len(text) + 28
    for number, (target, series) in enumerate(panels.items()):
        left, top = wide * (number % across), 56 + tall * (number // across)
        fits = [linear_regression(xs, ys) for _, xs, ys in series]
        ends = [[start + slope * one for one in (min(xs), max(xs))] for (slope, start), (_, xs, _) in zip(fits, series)]
        every = [number for (*_, ys), pair in zip(series, ends) for number in (*ys, *pair)]
        scale = ticks(min(every), max(every))

        def y(value: float, top: float = top, scale: list[float] = scale) -> float:
            return top + 24 + (tall - 70) * (scale[-1] - value) / (scale[-1] - scale[0])

        parts.append(_text(left + 42, top + 12, fitted(target, wide - 60), "start", BOLD))
        for tick in scale:
            stroke = f'stroke="var(--{"rule" if tick else "dim"})"'
            parts.append(_line(x(0, left), y(tick), x(far, left), y(tick), stroke))
            parts.append(_text(left + 36, y(tick) + 4, f"{tick:+g}".replace("-", MINUS) if tick else "0", "end", DIM))
        parts += [_text(x(at, left), top + tall - 30, f"{at:g}", look=DIM) for at in (0.0, far)]
        for (name, xs, ys), pair in zip(series, ends):
            colour = f'stroke="var(--c{names.index(name) % 6})"'
            dots = "".join(f"M{x(one, left):.0f} {y(two):.0f}h0" for one, two in zip(xs, ys))
            parts.append(
                f'<path d="{dots}" {colour} stroke-width="5" stroke-linecap="round" fill="none" opacity="0.55"/>'
            )
            parts.append(
                _line(x(min(xs), left), y(pair[0]), x(max(xs), left), y(pair[1]), f'{colour} stroke-width="2"')
            )
    note = "gain in points against distance; a dot is a language, lines are least squares"
    parts.append(_text(8, bottom + 14, note, "start", DIM))
    return _svg(max(wide * across, end, 440.0), bottom + 24, title, parts)
