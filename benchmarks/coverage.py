"""How often intervals hold the truth, how often a table marks a difference where there is none, and what it finds.

    python -m benchmarks.coverage --rounds 2000 --write docs/benchmarks.md

A score is recipe + a run's deviation, which all of its languages share + a deviation by language + examples. An example
is easy for a model (right in four of five runs) or hard (right in one of five); every recipe makes some of them easy
that are hard for others. Each recipe x target has runs of its own; all recipes of a target are compared with the same
baseline, on the same examples, which all seeds share.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from xstilts.stats.estimates import Estimate, estimate, family, holm, language_family, strict_p
from xstilts.stats.interaction import slope_weights
from xstilts.stats.series import Replication, Series, combine, weighted
from xstilts.stats.slopes import slopes
from xstilts.studies.verdicts import correlated

LANGUAGES = tuple(f"l{number}" for number in range(40))
HARD, EASY = 0.2, 0.8
"""Chance of a right answer."""
PLAIN = Replication()


@dataclass(frozen=True)
class Grid:
    """What is simulated; standard deviations and effects in points.

    Attributes:
        recipes, targets: gains are over a baseline of each target.
        languages: that each cell is the mean of; in a table `by_language`, of one target, each is a column.
        seed_sd: of a run. By language it deviates by half of that, besides.
        turned: share of the examples whose ease each recipe draws again.
        effect: of the first recipe on the first target, in all languages; all others are 0.
        uneven: standard deviation of the logarithm by which recipes' standard deviations differ.
        linked: share of a run's variance that the targets of one recipe have in common.
        fewer: seeds that the first target lacks.
        worlds: as many constructed worlds as seeds, with examples and a difficulty (sd 5 points) of their own.
    """

    recipes: int = 1
    targets: int = 1
    languages: int = 1
    seeds: int = 3
    seed_sd: float = 4.0
    examples: int = 200
    turned: float = 0.25
    effect: float = 0.0
    uneven: float = 0.0
    linked: float = 0.0
    fewer: int = 0
    worlds: bool = False
    by_language: bool = False


def simulated(grid: Grid, rng: np.random.Generator) -> list[list[list[Series]]]:
    """The gains, by target, recipe and language; the mean over languages where they are no columns."""
    runs, made = grid.recipes + 1, []
    spreads = grid.seed_sd * np.exp(rng.normal(0, grid.uneven, runs)) if grid.seed_sd else np.zeros(1)
    common = rng.normal(0, 1, (runs, grid.seeds))
    for target in range(grid.targets):
        alone = rng.normal(0, 1, (runs, grid.seeds))
        shifts = spreads[:, None] * (np.sqrt(grid.linked) * common + np.sqrt(1 - grid.linked) * alone)
        by_language = spreads[:, None, None] / 2 * rng.normal(0, 1, (runs, grid.seeds, grid.languages))
        levels = shifts[:, :, None] + by_language  # [run, seed, language]
        levels += rng.normal(0, 5 * grid.worlds, (grid.seeds, 1))
        levels[1] += grid.effect * (target == 0)
        sets = (runs, grid.seeds if grid.worlds else 1, grid.languages, grid.examples)
        drawn = rng.random(sets, dtype=np.float32) < 2 / 3
        easy = np.where(rng.random(sets, dtype=np.float32) < grid.turned, drawn, drawn[:1])
        chance = np.where(easy, np.float32(EASY), np.float32(HARD)) + levels[..., None].astype(np.float32) / 100
        right = (rng.random(chance.shape, dtype=np.float32) < chance).astype(np.float32)
        gains = 100 * (right[1:] - right[0])  # [recipe, seed, language, example]
        seeds = grid.seeds - grid.fewer * (target == 0)
        made.append([_row(one[:seeds], f"target {target}", grid) for one in gains])
    return made


def _row(gains: np.ndarray, name: str, grid: Grid) -> list[Series]:
    """A series by language, or their mean, of `gains` [seed, language, example]."""
    n, points = grid.examples, gains.mean(axis=2, dtype=np.float64)
    moved = ((gains - points[..., None]) / np.sqrt(n * (n - 1))).astype(np.float64)
    if grid.by_language:
        return [_series(points[:, at], moved[:, at], f"{name} {at}", grid, at) for at in range(grid.languages)]
    return [_series(points.mean(axis=1), moved.reshape(len(moved), -1) / grid.languages, name, grid)]


def _series(points: np.ndarray, moved: np.ndarray, name: str, grid: Grid, at: int = 0) -> Series:
    noise = tuple({f"{name} {seed * grid.worlds}": one} for seed, one in enumerate(moved))
    seeds = tuple(range(1, len(points) + 1))
    return Series(seeds, (LANGUAGES[at],), points, noise, grid.examples, tuple(f"model {seed}" for seed in seeds))


def table(grid: Grid, rng: np.random.Generator) -> list[Estimate]:
    """The gains that one table shows: by recipe and language, or by target and recipe and their means over targets."""
    made = simulated(grid, rng)
    if grid.by_language:
        return [one for row in language_family(made[0], PLAIN) for one in row]
    cells = [(row[0], str(target)) for target, rows in enumerate(made) for row in rows]
    if grid.targets > 1:
        cells += [(combine([row[0] for row in rows], PLAIN), "") for rows in zip(*made)]
    return family([one for one, _ in cells], [group for _, group in cells], PLAIN)


class Rates(NamedTuple):
    """Shares: of rounds with a false mark; of the effect's cells that are marked; of cells and of means over targets
    whose interval holds the truth."""

    false: float
    found: float
    covered: float
    means: float


def rates(grid: Grid, rounds: int, seed: int = 0) -> Rates:
    """By simulation."""
    rng, false, found, covered, means = np.random.default_rng(seed), 0, 0.0, 0.0, 0.0
    columns = grid.languages if grid.by_language else 1
    over = grid.recipes * (grid.targets > 1)
    for _ in range(rounds):
        cells = table(grid, rng)
        truth = np.zeros(len(cells))
        truth[:columns] = grid.effect
        truth[len(cells) - over : len(cells) - over + 1] = grid.effect / grid.targets
        false += any(one.clear and one.value * true <= 0 for one, true in zip(cells, truth))
        found += float(np.mean([one.clear for one in cells[:columns]])) if grid.effect else 0.0
        inside = [holds(one, true) for one, true in zip(cells, truth)]
        covered += float(np.mean(inside[: len(cells) - over]))
        means += float(np.mean(inside[len(cells) - over :])) if over else np.nan
    return Rates(false / rounds, found / rounds, covered / rounds, means / rounds)


def holds(one: Estimate, truth: float) -> bool:
    """Whether the interval holds the truth."""
    return one.low is not None and one.high is not None and one.low <= truth <= one.high


Made = Callable[[Grid, np.random.Generator], Sequence[Estimate]]


def contrasts(grid: Grid, rng: np.random.Generator) -> list[Estimate]:
    """The numbers of a study of four recipes: differences, an interaction, a trend, with Holm's correction."""
    one, two, three, four = (row[0] for row in simulated(grid, rng)[0])
    sums = [(1, -1, 0, 0), (0, 0, 1, -1), (1, -1, -1, 1), slope_weights([7, 7.5, 8, 8.5]), (0.25,) * 4]
    found = [weighted([one, two, three, four], sum_) for sum_ in sums]
    adjusted = holm([strict_p(each, PLAIN) for each in found])
    return [replace(estimate(each, PLAIN), p_table=p) for each, p in zip(found, adjusted)]


def correlations(grid: Grid, rng: np.random.Generator) -> list[Estimate]:
    """The correlation over recipes between two unrelated targets."""
    sides = [np.stack([row[0].points for row in rows]) for rows in simulated(replace(grid, targets=2), rng)]
    seeds = tuple(range(grid.seeds))
    found = Series(seeds, (), correlated(*sides), None, 1, tuple(map(str, seeds)))
    return [estimate(found, PLAIN)]


def tilted(grid: Grid, rng: np.random.Generator) -> list[Estimate]:
    """The slopes of gains against a feature of the languages, which has nothing to do with them.

    Gains differ among languages, at every seed alike, by 3 points; slopes differ among seeds by 1 point in 0.1.
    """
    x, rows = np.linspace(0.2, 0.6, grid.languages), []
    for row in simulated(grid, rng)[0]:
        tilt = rng.normal(0, 10, grid.seeds)
        own = [replace(one, points=one.points + rng.normal(0, 3) + tilt * at) for one, at in zip(row, x)]
        rows.append((list(x), own))
    return [one for one in slopes(rows) if one is not None]


def worlds(grid: Grid, rng: np.random.Generator) -> list[Estimate]:
    """Five seeds on each of `grid.seeds` worlds, which differ by 1 point; of `grid.seed_sd` about that."""
    seeds = tuple(range(5 * grid.seeds))
    at = {seed: seed % grid.seeds for seed in seeds}
    points = rng.normal(0, 1, grid.seeds)[[*at.values()]] + rng.normal(0, grid.seed_sd, len(seeds))
    return [estimate(Series(seeds, (), points, None, 100, tuple(map(str, seeds))), Replication(worlds=at))]


ONE, ROW = Grid(), Grid(languages=10, by_language=True)
MEANS = (Grid(languages=10), Grid(3, 3, 10), Grid(5, 5, examples=1000))
OTHERS: tuple[tuple[str, Made, Grid], ...] = (
    ("contrasts of a study (two differences, interaction, trend, mean)", contrasts, Grid(4)),
    ("correlation over 6 recipes", correlations, Grid(6)),
    ("slopes of 3 recipes over 20 languages", tilted, Grid(3, languages=20, by_language=True, examples=100)),
    ("5 seeds on each of 3 or 5 worlds", worlds, Grid(seed_sd=1.0)),
)


def grids() -> Iterator[Grid]:
    """Without any effect: seeds and their spread, sizes of tables, then what the assumptions leave out."""
    yield from (replace(ONE, seeds=seeds, seed_sd=sd) for seeds in (3, 5) for sd in (0.0, 1.0, 4.0, 8.0))
    for shape in (Grid(10), Grid(targets=5), Grid(3, 3, 5, examples=50), ROW):
        yield from (replace(shape, seeds=seeds, seed_sd=sd) for seeds in (3, 5) for sd in (1.0, 4.0))
    yield from (Grid(10, 10, examples=50), Grid(languages=40, by_language=True, examples=50))
    yield from (Grid(3, languages=20, by_language=True, examples=50, seeds=5), Grid(seeds=10, recipes=3, targets=3))
    for shape in (Grid(3, 3), replace(ROW, recipes=2)):
        yield from (replace(shape, examples=1000), replace(shape, turned=1.0), replace(shape, worlds=True))
        yield replace(shape, uneven=0.7)
    yield from (Grid(3, 3, linked=0.8), Grid(targets=5, linked=0.8), Grid(3, 3, seeds=5, fewer=2))


def shape(grid: Grid) -> str:
    """`10 recipes x 40 languages`."""
    columns = (grid.languages, "language") if grid.by_language else (grid.targets, "target")
    words = [f"{n} {word}{'s' * (n > 1)}" for n, word in ((grid.recipes, "recipe"), columns)]
    words[-1] += "" if grid.by_language or grid.languages == 1 else f" (mean of {grid.languages} languages)"
    extra = [f"{grid.examples} examples"] if grid.examples != ONE.examples else []
    extra += ["all examples turned"] if grid.turned == 1 else []
    extra += [f"{grid.fewer} seeds fewer on one"] if grid.fewer else []
    extra += [word for word, on in (("worlds", grid.worlds), ("uneven", grid.uneven), ("linked", grid.linked)) if on]
    return " x ".join(words) + "".join(f", {one}" for one in extra)


def report(rounds: int) -> str:
    """The tables in Markdown."""
    lines = [
        f"{rounds:,} grids for each line; {max(50, rounds // 20):,} for each share in the last table. "
        f"By chance alone, 95 % of the shares of a true 5 % lie between "
        f"{5 - 196 * np.sqrt(0.05 * 0.95 / rounds):.1f} and {5 + 196 * np.sqrt(0.05 * 0.95 / rounds):.1f} %.",
        "",
        "| table without any effect | seeds | seed sd | tables with a mark | gains covered | means covered |",
        "| --- | --: | --: | --: | --: | --: |",
    ]
    for grid in grids():
        found = rates(grid, rounds)
        means = "" if np.isnan(found.means) else f"{found.means:.1%}"
        lines.append(
            f"| {shape(grid)} | {grid.seeds} | {grid.seed_sd:g} | {found.false:.1%} | {found.covered:.1%} | {means} |"
        )
    lines += ["", "| other numbers, without any effect | seeds | tables with a mark | covered |"]
    lines += ["| --- | --: | --: | --: |"]
    for name, made, grid in OTHERS:
        for seeds in (3, 5):
            rng = np.random.default_rng(0)
            every = [made(replace(grid, seeds=seeds), rng) for _ in range(rounds)]
            inside = np.mean([holds(one, 0.0) for some in every for one in some])
            marked = np.mean([any(one.clear for one in some) for some in every])
            shown = f"{marked:.1%}" if any(one.p_table is not None for one in every[0]) else ""
            lines.append(f"| {name} | {seeds} | {shown} | {inside:.1%} |")
    lines += ["", "| an effect in the first row | seeds | seed sd | 2 points found | 5 points | 10 points |"]
    lines += ["| --- | --: | --: | --: | --: | --: |"]
    for one in (*MEANS, ROW):
        for seeds in (3, 5, 10):
            for sd in (1.0, 4.0):
                grid = replace(one, seeds=seeds, seed_sd=sd)
                found = [rates(replace(grid, effect=size), max(50, rounds // 20)).found for size in (2.0, 5.0, 10.0)]
                lines.append(f"| {shape(grid)} | {seeds} | {sd:g} | {' | '.join(f'{share:.0%}' for share in found)} |")
    return "\n".join(lines)


def main() -> None:
    """Print the tables, or write them into a page between their markers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2000)
    parser.add_argument("--write", type=Path, help="page with the markers `coverage`")
    asked = parser.parse_args()
    text = report(asked.rounds)
    if asked.write is None:
        print(text)
        return
    start, end = "<!-- coverage: written by benchmarks.coverage -->", "<!-- end of coverage -->"
    page = asked.write.read_text(encoding="utf-8")
    new = re.sub(
        f"{re.escape(start)}.*{re.escape(end)}", lambda _: f"{start}\n\n{text}\n\n{end}", page, flags=re.DOTALL
    )
    asked.write.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    main()
