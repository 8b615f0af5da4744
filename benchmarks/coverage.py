"""How often a table marks a difference where there is none, how often it finds one, and how often intervals cover.

    python -m benchmarks.coverage --rounds 2000 --write docs/benchmarks.md

A score is recipe + a run's deviation, which all of its languages share + a deviation by language + examples, each of
which a run gets right with a chance of its own. Each recipe x target has runs of its own; all recipes of a target are
compared with the same baseline, on the same examples, which all seeds share.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from xstilts.stats.estimates import Estimate, estimate, family, language_family
from xstilts.stats.series import Replication, Series, weighted

LANGUAGES = tuple(f"l{number}" for number in range(40))


@dataclass(frozen=True)
class Grid:
    """What is simulated; standard deviations and effects in points.

    Attributes:
        recipes, targets: gains are over a baseline of each target.
        languages: that each cell is the mean of; in a table `by_language`, of one target, each is a column.
        seed_sd: of a run. By language it deviates by half of that, besides.
        effect: of the first recipe on the first target, in all languages; all others are 0.
        uneven: standard deviation of the logarithm by which recipes' standard deviations differ.
        linked: share of a run's variance that the targets of one recipe have in common.
        worlds: as many constructed worlds as seeds, with examples and a difficulty (sd 5 points) of their own.
    """

    recipes: int = 1
    targets: int = 1
    languages: int = 1
    seeds: int = 3
    seed_sd: float = 4.0
    examples: int = 500
    effect: float = 0.0
    uneven: float = 0.0
    linked: float = 0.0
    worlds: bool = False
    by_language: bool = False


def simulated(grid: Grid, rng: np.random.Generator) -> list[list[list[Series]]]:
    """The gains, by target, recipe and language."""
    spreads = grid.seed_sd * np.exp(rng.normal(0, grid.uneven, grid.recipes + 1)) if grid.seed_sd else np.zeros(1)
    common = rng.normal(0, 1, (grid.recipes + 1, grid.seeds))
    made = []
    for target in range(grid.targets):
        alone = rng.normal(0, 1, (grid.recipes + 1, grid.seeds))
        runs = spreads[:, None] * (np.sqrt(grid.linked) * common + np.sqrt(1 - grid.linked) * alone)
        by_language = spreads[:, None, None] / 2 * rng.normal(0, 1, (grid.recipes + 1, grid.seeds, grid.languages))
        levels = 60 + runs[:, :, None] + by_language  # [run, seed, language]
        levels += rng.normal(0, 5 * grid.worlds, (grid.seeds, 1))
        levels[1] += grid.effect * (target == 0)
        easy = rng.normal(0, 15, (grid.seeds if grid.worlds else 1, grid.languages, grid.examples))
        chance = (np.clip(levels, 5, 95)[..., None] + easy[None]) / 100
        right = (rng.random(chance.shape, dtype=np.float32) < chance).astype(np.float32)
        gains = 100 * (right[1:] - right[0])  # [recipe, seed, language, example]
        made.append(
            [[_series(gains[r, :, code], code, grid) for code in range(grid.languages)] for r in range(len(gains))]
        )
    return made


def _series(gains: np.ndarray, code: int, grid: Grid) -> Series:
    points, n = gains.mean(axis=1, dtype=np.float64), grid.examples
    moved = (gains - points[:, None]) / np.sqrt(n * (n - 1))
    noise = tuple({f"{code} {seed * grid.worlds}": moved[seed].astype(np.float64)} for seed in range(grid.seeds))
    seeds = tuple(range(1, grid.seeds + 1))
    return Series(seeds, (LANGUAGES[code],), points, noise, n, tuple(f"model {seed}" for seed in seeds))


def table(grid: Grid, rng: np.random.Generator) -> list[Estimate]:
    """The gains that one table shows: by recipe and language, or by recipe and target."""
    made = simulated(grid, rng)
    if grid.by_language:
        return [one for row in language_family(made[0], Replication()) for one in row]
    each = [1 / grid.languages] * grid.languages
    cells = [(weighted(row, each), str(target)) for target, rows in enumerate(made) for row in rows]
    return family([one for one, _ in cells], [group for _, group in cells], Replication())


class Rates(NamedTuple):
    """Shares of the rounds: with a false mark, with the effect marked (in a language), with the interval around it."""

    false: float
    found: float
    covered: float


def rates(grid: Grid, rounds: int, seed: int = 0) -> Rates:
    """By simulation."""
    rng, false, found, covered = np.random.default_rng(seed), 0, 0.0, 0
    for _ in range(rounds):
        cells = table(grid, rng)
        real = cells[: grid.languages if grid.by_language else 1] if grid.effect else []
        false += any(one.clear for one in cells[len(real) :]) or any(one.clear and one.value < 0 for one in real)
        found += float(np.mean([one.clear for one in real])) if real else 0.0
        one = cells[0]
        covered += one.low is not None and one.high is not None and one.low <= grid.effect <= one.high
    return Rates(false / rounds, found / rounds, covered / rounds)


def clustered(seed_sd: float, world_sd: float, rounds: int) -> float:
    """How often the interval covers where 15 seeds share 3 worlds."""
    seeds, rng, inside = tuple(range(1, 16)), np.random.default_rng(0), 0
    worlds = {seed: seed % 3 for seed in seeds}
    for _ in range(rounds):
        shift = rng.normal(0, world_sd, 3)
        points = np.array([shift[worlds[seed]] for seed in seeds]) + rng.normal(0, seed_sd, 15)
        one = Series(seeds, ("aa",), points, None, 100, tuple(map(str, seeds)))
        found = estimate(one, Replication(worlds=worlds))
        inside += found.low is not None and found.high is not None and found.low <= 0 <= found.high
    return inside / rounds


ONE, ROW = Grid(), Grid(languages=40, by_language=True)
SHAPES = (ONE, Grid(recipes=10), Grid(targets=10), Grid(recipes=10, targets=10), replace(ROW, languages=10), ROW)
MEANS = (Grid(languages=10, examples=200), Grid(3, 3, 10, examples=200), Grid(10, 10, examples=1000))


def grids() -> Iterator[Grid]:
    """Without any effect, then what the assumptions leave out."""
    for shape in SHAPES:
        yield from (replace(shape, seeds=seeds, seed_sd=sd) for seeds in (3, 5) for sd in (0.0, 1.0, 4.0, 8.0))
    yield from (Grid(10, languages=40, by_language=True, examples=50), Grid(3, 3, 10, examples=50))
    for shape in (replace(ROW, languages=10), Grid(recipes=10)):
        yield from (replace(shape, examples=n, seed_sd=1.0) for n in (50, 2000))
        yield replace(shape, worlds=True)
        yield replace(shape, uneven=0.7)
    yield from (Grid(recipes=10, targets=10, uneven=0.7), Grid(recipes=10, targets=10, linked=0.8))
    yield from (Grid(targets=10, linked=0.8), Grid(recipes=3, targets=3, uneven=0.7))


def shape(grid: Grid) -> str:
    """`10 recipes x 40 languages`."""
    columns = (grid.languages, "language") if grid.by_language else (grid.targets, "target")
    words = [f"{n} {word}{'s' * (n > 1)}" for n, word in ((grid.recipes, "recipe"), columns)]
    words[-1] += "" if grid.by_language or grid.languages == 1 else f" (mean of {grid.languages} languages)"
    extra = [f"{grid.examples} examples"] if grid.examples not in (100, 500) else []
    extra += [word for word, on in (("worlds", grid.worlds), ("uneven", grid.uneven), ("linked", grid.linked)) if on]
    return " x ".join(words) + "".join(f", {one}" for one in extra)


def report(rounds: int) -> str:
    """The tables in Markdown."""
    lines = [
        f"{rounds:,} rounds each; `python -m benchmarks.coverage --rounds {rounds}`. 95 % of simulated shares lie "
        f"within {100 * 1.96 * np.sqrt(0.05 * 0.95 / rounds):.1f} points of a true 5 %.",
        "",
        "| table without any effect | seeds | seed sd | rounds with a mark | covered |",
        "| --- | --: | --: | --: | --: |",
    ]
    for grid in grids():
        found = rates(grid, rounds)
        lines.append(f"| {shape(grid)} | {grid.seeds} | {grid.seed_sd:g} | {found.false:.1%} | {found.covered:.1%} |")
    lines += ["", "| an effect in the first row | seeds | seed sd | 2 points found | 5 points | 10 points |"]
    lines += ["| --- | --: | --: | --: | --: | --: |"]
    for one in (*MEANS, replace(ROW, languages=10), ROW):
        for seeds in (3, 5, 10):
            for sd in (1.0, 4.0):
                grid = replace(one, seeds=seeds, seed_sd=sd)
                found = [rates(replace(grid, effect=size), max(50, rounds // 10)).found for size in (2.0, 5.0, 10.0)]
                shown = " | ".join(f"{share:.0%}" for share in found)
                lines.append(f"| {shape(grid)} | {seeds} | {sd:g} | {shown} |")
    lines += ["", "| 15 seeds on 3 worlds: sd of worlds | of seeds | covered |", "| --: | --: | --: |"]
    lines += [f"| {world:g} | 1 | {clustered(1.0, world, rounds):.1%} |" for world in (0.0, 0.5, 1.0, 2.0)]
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
