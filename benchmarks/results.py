"""From timed runs to figures: medians with ranges, ratios round by round beside goals, loss curves compared."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from statistics import mean, median, stdev
from typing import Any, NamedTuple

from benchmarks.contenders import (
    PACKED,
    PACKED_BUCKETS,
    PADDED,
    TRAINER,
    TRAINER_BEST,
    TRAINER_BF16,
    VARLEN,
    VARLEN_BUCKETS,
    WHOLE_BUCKETS,
    Contender,
    in_fp32,
)
from benchmarks.runs import Run
from benchmarks.tables import Range, Table, goal

SPEED, MEMORY = "tokens_per_second", "model_bytes"


class Timed(NamedTuple):
    """One run of one contender in one round."""

    contender: Contender
    round: int
    run: Run


class Ratio(NamedTuple):
    """What is compared, and what it should be at least (0: nothing is asked for); `memory` at most."""

    measured: Contender
    baseline: Contender
    speed: float = 0.0
    memory: float = 0.0


RATIOS = (
    Ratio(PACKED_BUCKETS, TRAINER_BEST, 1.4, 0.6),
    Ratio(PACKED, TRAINER_BEST, 1.1),
    Ratio(PACKED_BUCKETS, TRAINER, 3.0),
    Ratio(PACKED, TRAINER_BF16),
    Ratio(TRAINER_BEST, TRAINER),
    Ratio(VARLEN, TRAINER_BEST, 1.1),
    Ratio(VARLEN_BUCKETS, TRAINER_BEST, 1.4),
    Ratio(PACKED, PADDED),
    Ratio(PACKED_BUCKETS, WHOLE_BUCKETS),
    Ratio(PACKED_BUCKETS, PACKED),
)
CURVES = ((PACKED, TRAINER_BF16), (PACKED_BUCKETS, TRAINER_BEST))
"""Whose losses are compared: those that draw batches in the same way."""
PARTS = 5
"""Equal stretches of a run whose mean losses are shown."""


def ratio(timed: Sequence[Timed], measured: Contender, baseline: Contender, of: str = SPEED) -> Range:
    """Ratio of one figure, each round's runs against each other."""
    value = {(t.contender, t.round): getattr(t.run, of) for t in timed}
    rounds = sorted({t.round for t in timed})
    return Range.of([value[measured, r] / value[baseline, r] for r in rounds])


def _ran(timed: Sequence[Timed], asked: Sequence[Any]) -> list[Any]:
    """Those of the comparisons of which both sides ran, in fp32 where they ran so."""
    ran = {t.contender for t in timed}
    found = [
        *asked,
        *(type(one)(*map(_fp32, one)) if hasattr(one, "_fields") else tuple(map(_fp32, one)) for one in asked),
    ]
    return [one for one in dict.fromkeys(found) if one[0] != one[1] and {one[0], one[1]} <= ran]


def _fp32(value: Any) -> Any:
    return in_fp32(value) if isinstance(value, Contender) else value


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
                f"{median(run.peak_bytes for run in runs) / 2**30:.2f}",
                f"{median(run.model_bytes for run in runs) / 2**30:.2f}",
            ]
        )
    heading = ["contender", "real tokens/s", "min - max", "examples/s", "ms/step", "share of real tokens"]
    return [*heading, "peak GiB", "beyond start-up"], rows


def ratio_table(timed: Sequence[Timed]) -> Table:
    """A row per ratio, its baseline named, with its goals."""
    rows = []
    for asked in _ran(timed, RATIOS):
        speed = ratio(timed, asked.measured, asked.baseline)
        memory = ratio(timed, asked.measured, asked.baseline, MEMORY) if _has_memory(timed) else None
        rows.append(
            [
                asked.measured.name,
                asked.baseline.name,
                f"x{speed.told()}",
                goal(speed.median, asked.speed) if asked.speed else "",
                f"x{memory.told()}" if memory else "",
                goal(memory.median, asked.memory, most=True) if memory and asked.memory else "",
            ]
        )
    return ["measured", "against (baseline)", "real tokens/s", "goal", "memory beyond start-up", "goal"], rows


def _has_memory(timed: Sequence[Timed]) -> bool:
    return all(t.run.model_bytes > 0 for t in timed)


def curve_table(timed: Sequence[Timed]) -> Table:
    """Mean loss in equal stretches of the run, over all rounds."""
    rows, parts = [], min(PARTS, *(len(t.run.losses) for t in timed))
    for contender in dict.fromkeys(side for pair in _ran(timed, CURVES) for side in pair[::-1]):
        curves = [t.run.losses for t in timed if t.contender == contender]
        cuts = [round(i * len(curves[0]) / parts) for i in range(parts + 1)]
        means = [mean(loss for curve in curves for loss in curve[begin:end]) for begin, end in pairwise(cuts)]
        rows.append([contender.name, *(f"{part:.3f}" for part in means)])
    return ["mean loss", *(f"part {i + 1} of {parts}" for i in range(parts))], rows


def agreement(timed: Sequence[Timed]) -> str:
    """Whether losses agree: the difference of the mean loss of runs, in standard errors of that difference."""
    told = []
    for ours, theirs in _ran(timed, CURVES):
        means = [[mean(t.run.losses) for t in timed if t.contender == side] for side in (ours, theirs)]
        if min(map(len, means)) < 2:
            continue
        error = (sum(stdev(side) ** 2 / len(side) for side in means)) ** 0.5
        difference = mean(means[0]) - mean(means[1])
        verdict = "within" if abs(difference) <= 2 * error else "beyond"
        told.append(
            f"'{ours.name}' minus '{theirs.name}': {difference:+.4f} +- {error:.4f} ({verdict} two standard errors; "
            f"means {mean(means[0]):.4f} and {mean(means[1]):.4f})"
        )
    return f"Mean loss of a run: {'; '.join(told)}." if told else "One round alone says nothing of the noise of losses."


def as_json(timed: Sequence[Timed]) -> dict[str, Any]:
    """Every run with its loss curve, and every ratio."""
    return {
        "runs": [{"contender": t.contender.name, "round": t.round, **t.run.__dict__} for t in timed],
        "ratios": [
            {"measured": one.measured.name, "baseline": one.baseline.name, "of": of, **found._asdict()}
            for one in _ran(timed, RATIOS)
            for of in (SPEED, MEMORY)
            if of == SPEED or _has_memory(timed)
            for found in [ratio(timed, one.measured, one.baseline, of)]
        ],
    }
