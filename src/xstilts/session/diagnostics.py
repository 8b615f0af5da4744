"""Scores within buckets of examples, from finished stages: per-example results, predictions, and the data files."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xstilts.core.errors import DataError
from xstilts.core.files import read_jsonl
from xstilts.data.examples import properties
from xstilts.evaluation.evaluate import golds_of
from xstilts.graph.stage import Stage
from xstilts.graph.store import Store
from xstilts.metrics.tagging import RULES, units
from xstilts.reports.diagnostics import BucketScores, Parts
from xstilts.session.grid import Grid
from xstilts.session.reads import changed_files
from xstilts.stages.reading import root_of, split_of, task_of
from xstilts.stats.table import Examples, Measured, Run, ScoreTable

MOST = 20
"""Labels that are shown: those most frequent where lengths are cut."""
Properties = Mapping[str, Mapping[str, int | str]]
"""Example id -> property -> value."""


class Items(NamedTuple):
    """The items of one score: examples, or the spans or words of tagged sentences. Arrays are [items].

    Attributes:
        place: the example that it belongs to, by its position in `examples`.
        numerator, denominator: what it adds to those of the score.
        gold: whether it is in the gold: these are counted.
        values: property -> its value for each item.
    """

    row: Measured
    examples: Examples
    place: NDArray[np.int64]
    numerator: NDArray[Any]
    denominator: NDArray[Any]
    gold: NDArray[np.bool_]
    values: Mapping[str, NDArray[Any]]

    def within(self, inside: NDArray[np.bool_]) -> Measured:
        """The score of some items. The other examples stay with zeros, which pairs them between languages and runs."""
        ids, place = self.examples.ids, self.place[inside]
        sums = [np.bincount(place, of[inside], len(ids)) for of in (self.numerator, self.denominator)]
        above, below = np.asarray(sums, dtype=np.float64)
        found = Examples(ids, above, below, self.examples.group)
        return Measured(replace(self.row.score, value=found.value, n=int(self.gold[inside].sum())), found)


def parts_of(grid: Grid, store: Store, table: ScoreTable) -> Parts:
    """The buckets of every target. They raise `DataError` where the data files are gone or have other examples."""
    stages, known = {cell.stage.key: cell.stage for cell in grid.cells}, dict[tuple[str, ...], Properties]()

    def read(data: Stage, language: str) -> Properties:
        world, split = data.inputs.get("world"), split_of(data.config)
        key = (data.config["task"], split, language, world.key if world else "")
        if key not in known:  # by other tokenizers too
            for problem in changed_files([data], store):
                raise DataError(f"--diagnostics needs the examples that were measured: {problem}")
            root = root_of(data.settings, {"world": store.directory(world)} if world else None)
            known[key] = {one.id: properties(one) for one in task_of(data).load(root, split, language)}
        return known[key]

    def parts(target: str, runs: Collection[Run]) -> Iterator[BucketScores]:
        rows = [row for row in table.targets().rows if row.score.task == target and row.run in runs]
        kept = [(row, row.examples, stages[row.score.stage]) for row in rows if row.examples is not None]
        yield from _parts([_examples(*at[:2], read(at[2].inputs["data"], at[0].score.language)) for at in kept], grid)
        yield from _parts([one for at in kept if (one := _units(*at, store)) is not None], grid)

    return parts


def _parts(found: Sequence[Items], grid: Grid) -> Iterator[BucketScores]:
    source = grid.experiment.source
    inside = [one for one in found if one.row.score.language == source]
    cut = source if inside else "all languages"
    for name in found[0].values if found else ():
        if any(name not in one.values for one in found) or not any(one.gold.any() for one in inside or found):
            continue
        labels, members = _buckets(np.concatenate([one.values[name][one.gold] for one in inside or found]))
        at = [members(one.values[name]) for one in found]
        for number, label in enumerate(labels):
            rows = (one.within(those[:, number]) for one, those in zip(found, at))
            yield BucketScores(name, label, cut, ScoreTable(tuple(rows)))


def _buckets(values: NDArray[Any]) -> tuple[list[str], Callable[[NDArray[Any]], NDArray[np.bool_]]]:
    """Names of buckets, and a function values -> [values, buckets]: the frequent labels, or quarters of equal size."""
    if values.dtype.kind == "U":
        labels = [label for label, _ in Counter(values.tolist()).most_common(MOST)]
        labels = sorted(labels, key=int) if all(map(str.isdecimal, labels)) else labels
        return labels, lambda those: those[:, None] == np.array(labels)
    cuts = np.unique(np.quantile(values, (0.25, 0.5, 0.75), method="inverted_cdf"))
    ends = [int(cut) for cut in cuts if cut < values.max()]
    middle = [str(high) if high == low + 1 else f"{low + 1}\u2013{high}" for low, high in pairwise(ends)]
    names = [f"\u2264 {ends[0]}", *middle, f"> {ends[-1]}"] if ends else ["all"]
    return names, lambda those: np.searchsorted(ends, those)[:, None] == np.arange(len(names))


def _examples(row: Measured, examples: Examples, known: Properties) -> Items:
    ids = examples.ids.tolist()
    if absent := [name for name in ids if name not in known]:
        raise DataError(
            f"{row.score.task} ({row.score.language}): example '{absent[0]}' was measured but is not in the data "
            "files: name the measured data folder with --data"
        )
    shared = [name for name in known[ids[0]] if all(name in known[one] for one in ids)] if ids else []
    values = {name: np.array([known[one][name] for one in ids]) for name in shared}
    place = np.arange(len(ids))
    return Items(row, examples, place, examples.numerator, examples.denominator, place >= 0, values)


def _units(row: Measured, examples: Examples, stage: Stage, store: Store) -> Items | None:
    """The spans or words of a tagging task. None for other tasks, and if the predictions are not in this store."""
    folders = {role: store.directory(stage.inputs[role]) for role in ("data", "predictions")}
    language, metric = row.score.language, stage.config["metric"]
    path = folders["predictions"] / "predictions" / f"{language}.jsonl"
    if not (metric in RULES or metric == "token_accuracy") or not path.exists():
        return None
    said = {one["id"]: one["prediction"] for _, one in read_jsonl(path) if one.get("variant", "") == row.score.variant}
    golds = {one["id"]: one["gold"] for one in golds_of(folders["data"], language)}
    ids = examples.ids.tolist()
    found = units([golds[one] for one in ids], [said[one] for one in ids], metric)
    spans = metric in RULES and any("-" in tag for tags in golds.values() for tag in tags)
    values = {"entity type": found.type, "entity length": found.words} if spans else {"tag": found.type}
    return Items(row, examples, found.sentence, found.numerator, found.denominator, found.gold, values)
