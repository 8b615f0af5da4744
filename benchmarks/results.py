"""From timed runs to figures: medians with their ranges, ratios round by round, tables, and one honest paragraph."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from benchmarks.contenders import (
    BLOCK_MASK,
    PACKED,
    PACKED_BUCKETS,
    PACKED_FP32,
    PADDED,
    PADDED_BUCKETS,
    TRAINER,
    TRAINER_BEST,
    TRAINER_BF16,
    VARLEN,
    VARLEN_BUCKETS,
    Contender,
    in_fp32,
)
from benchmarks.runs import Run

Table = tuple[list[str], list[list[str]]]


class Timed(NamedTuple):
    """One run of one contender in one round."""

    contender: Contender
    round: int
    run: Run


class Range(NamedTuple):
    """Median, least and most over the rounds."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Range:
        return cls(median(values), min(values), max(values))


# (measured, baseline): each ratio is the first's real tokens per second over the second's.
RATIOS: tuple[tuple[Contender, Contender], ...] = (
    (PACKED_FP32, TRAINER),
    (PACKED, TRAINER),
    (PACKED, TRAINER_BF16),
    (PACKED, TRAINER_BEST),
    (PACKED_BUCKETS, TRAINER_BEST),
    (VARLEN, TRAINER_BEST),
    (VARLEN_BUCKETS, TRAINER_BEST),
    (PACKED, PADDED),
    (PACKED_BUCKETS, PADDED_BUCKETS),
    (PACKED_BUCKETS, PACKED),
    (VARLEN, PACKED),
    (BLOCK_MASK, PACKED),
    (TRAINER_BEST, TRAINER),
)


def ratio(timed: Sequence[Timed], measured: Contender, baseline: Contender, of: str = "tokens_per_second") -> Range:
    """Ratio of real tokens per second (or examples), each round's runs against each other."""
    speed = {(t.contender, t.round): getattr(t.run, of) for t in timed}
    rounds = sorted({t.round for t in timed})
    return Range.of([speed[measured, r] / speed[baseline, r] for r in rounds])


def ratios(timed: Sequence[Timed]) -> list[tuple[Contender, Contender, Range]]:
    """All ratios of which both sides ran."""
    ran = {t.contender for t in timed}
    pairs = dict.fromkeys([*RATIOS, *((in_fp32(a), in_fp32(b)) for a, b in RATIOS)])
    return [(a, b, ratio(timed, a, b)) for a, b in pairs if a != b and {a, b} <= ran]


def speed_table(timed: Sequence[Timed]) -> Table:
    """A row per contender."""
    rows = []
    for contender in dict.fromkeys(t.contender for t in timed):
        runs = [t.run for t in timed if t.contender == contender]
        speed = Range.of([run.tokens_per_second for run in runs])
        rows.append(
            [
                contender.name,
                f"{speed.median:,.0f}",
                f"{speed.least:,.0f} - {speed.most:,.0f}",
                f"{median(run.examples_per_second for run in runs):,.1f}",
                f"{1e3 * median(run.seconds / run.steps for run in runs):,.1f}",
                f"{sum(run.tokens for run in runs) / sum(run.positions for run in runs):.2f}",
            ]
        )
    return ["contender", "real tokens/s", "min - max", "examples/s", "ms/step", "share of real tokens"], rows


def ratio_table(timed: Sequence[Timed]) -> Table:
    """A row per ratio, its baseline named."""
    rows = [
        [a.name, b.name, f"x{found.median:.2f}", f"{found.least:.2f} - {found.most:.2f}", _examples(timed, a, b)]
        for a, b, found in ratios(timed)
    ]
    return ["measured", "against (baseline)", "real tokens/s", "min - max", "examples/s"], rows


def _examples(timed: Sequence[Timed], measured: Contender, baseline: Contender) -> str:
    return f"x{ratio(timed, measured, baseline, 'examples_per_second').median:.2f}"


def verdict(timed: Sequence[Timed], attention_dropout: float) -> str:
    """What the ratios say, each with its baseline: our fastest contender against the Trainer at its worst and best.

    The varlen back end has no attention dropout; where the model asks for some, it is named apart.
    """
    speed = {c: median(t.run.tokens_per_second for t in timed if t.contender == c) for c, *_ in timed}
    apart = attention_dropout > 0 and VARLEN in speed
    ours = max(
        (c for c in speed if c.library == "xstilts" and not (apart and c.backend == "varlen")), key=lambda c: speed[c]
    )
    best = max((c for c in speed if c.library == "Trainer"), key=lambda c: speed[c])

    grouped = TRAINER_BEST if TRAINER_BEST in speed else in_fp32(TRAINER_BEST)

    def told(measured: Contender, baseline: Contender) -> str:
        found = ratio(timed, measured, baseline)
        return f"x{found.median:.2f} ({found.least:.2f} - {found.most:.2f})"

    sentence = (
        f"Against the Trainer's defaults (fp32, padded to the longest of each batch) the fastest way of xstilts here, "
        f"'{ours.name}', trains {told(ours, TRAINER)} the real tokens per second; that says as much of the defaults as "
        f"of xstilts, for '{grouped.name}' reaches {told(grouped, TRAINER)} of the same "
        f"baseline; against the Trainer at its fastest here, '{best.name}', xstilts reaches {told(ours, best)}."
    )
    if not apart:
        return sentence
    return (
        f"{sentence} The varlen back end, which leaves out the attention dropout of {attention_dropout:g} that all "
        f"others apply, reaches {told(VARLEN, best)} against '{best.name}'."
    )


def plain(table: Table) -> str:
    """Columns aligned for a terminal: the first to the left, numbers to the right."""
    header, rows = table
    texts = [sum(not _is_figure(row[i]) for row in rows) > 0 for i in range(len(header))]
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    lines = [
        "  ".join(cell.ljust(w) if text else cell.rjust(w) for cell, w, text in zip(row, widths, texts)).rstrip()
        for row in [header, ["-" * w for w in widths], *rows]
    ]
    return "\n".join(lines)


def markdown(table: Table) -> str:
    header, rows = table
    aligned = ["--:" if all(_is_figure(row[i]) for row in rows) else "---" for i in range(len(header))]
    return "\n".join("| " + " | ".join(row) + " |" for row in [header, aligned, *rows])


def _is_figure(cell: str) -> bool:
    return all(c in "0123456789.,-x " for c in cell)


def as_json(timed: Sequence[Timed]) -> dict[str, Any]:
    """Every run and every ratio."""
    return {
        "runs": [{"contender": t.contender.name, "round": t.round, **t.run.row()} for t in timed],
        "ratios": [
            {"measured": a.name, "baseline": b.name, "of": "real tokens per second", **found._asdict()}
            for a, b, found in ratios(timed)
        ],
    }


def write_section(path: Path, name: str, body: str, writer: str = "throughput") -> None:
    """Put `body` between the marks of section `name` in a Markdown file, adding what is missing of file and marks."""
    begin, end = f"<!-- {name}: written by benchmarks.{writer} -->", f"<!-- end of {name} -->"
    page = path.read_text(encoding="utf-8") if path.exists() else ""
    if begin not in page or end not in page:
        page = f"{page.rstrip()}\n\n{begin}\n{end}\n".lstrip()
    head, rest = page.split(begin, 1)
    tail = rest.split(end, 1)[1]
    path.write_text(f"{head}{begin}\n\n{body.strip()}\n\n{end}{tail}", encoding="utf-8")
