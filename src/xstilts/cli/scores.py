"""`xstilts scores`, `report` and `score`: what was measured, official means, and scores of anybody's predictions."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from xstilts.cli.options import DataOption, ExperimentOption, FileArgument, JsonOption, StoreOption, command
from xstilts.cli.output import emit, show, table
from xstilts.core.errors import ConfigError, UnknownName
from xstilts.core.languages import meant
from xstilts.graph.store import Store
from xstilts.session.benchmarks import official_means
from xstilts.session.grid import grid_of
from xstilts.session.loading import load
from xstilts.session.results import collect, mixtures, score_rows, write_report
from xstilts.stats.benchmarks import Averages, Mean, Standing, TaskMean
from xstilts.tasks.benchmarks import benchmark as benchmark_named

SHOWN = ("backbone", "recipe", "task", "language", "metric", "value", "n", "seed", "role")
"""Columns for people; JSON has all."""


def scores(
    file: FileArgument,
    data: DataOption = None,
    store: StoreOption = Path("runs"),
    task: Annotated[str | None, typer.Option(help="Only scores of this task.")] = None,
    language: Annotated[str | None, typer.Option(help="Only scores in this language.")] = None,
    benchmark: Annotated[
        str | None, typer.Option(help="Print the official means of xtreme or xtreme-r instead, and what they cover.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Print every score of an experiment, with the signature of its protocol.

    Examples:
      xstilts scores first.yaml --task xnli --language sw
      xstilts scores table1 --benchmark xtreme
    """
    only = {"task": task, "language": (meant(language) or language) if language else None}
    wanted = {name: value for name, value in only.items() if value is not None}
    asked = benchmark_named(benchmark) if benchmark else None
    if asked and wanted:
        raise ConfigError(f"--benchmark counts all tasks and languages: leave out --{next(iter(wanted))}")
    experiment, place = load(file), Store(store, must_exist=True)
    grid = grid_of(experiment, place, data)
    found = collect(grid.cells, place)
    for line in mixtures(grid, place):
        sys.stderr.write(f"note: {line}\n")
    if asked:
        show_averages(official_means(experiment, found, asked), as_json)
        return
    for name, value in wanted.items():
        if value not in found.distinct(name):
            raise UnknownName(name, value, found.distinct(name))
    rows = [score.row() for score in found.where(**wanted).scores if as_json or score.main]
    if not as_json:
        rows = [{name: f"{row[name]:.2f}" if name == "value" else row[name] for name in SHOWN} for row in rows]
    show(rows, as_json)


def report(
    file: FileArgument,
    data: DataOption = None,
    store: StoreOption = Path("runs"),
    to: Annotated[
        Path | None, typer.Option(help="Folder for the report. Default: reports/NAME in the store.", show_default=False)
    ] = None,
) -> None:
    """Write the report from the results so far: HTML page, Markdown, CSV, plots.

    Example:
      xstilts report first.yaml --to report
    """
    page = write_report(load(file), Store(store, must_exist=True), data, command("report", file, data), to)
    sys.stdout.write(f"{page}\n")


def score(
    task: Annotated[
        str, typer.Argument(help="Name of a task, e.g. xquad, xnli, panx, udpos, mlqa, tatoeba, bucc2018.")
    ],
    language: Annotated[str, typer.Option(help="Language code, e.g. de.")],
    gold: Annotated[Path, typer.Option(help="File with the gold answers.")],
    predictions: Annotated[
        Path, typer.Option(help="File with predictions, as for an XTREME submission or from `predict`.")
    ],
    experiment: ExperimentOption = None,
    as_json: JsonOption = False,
) -> None:
    """Score predictions of any model with the official metric of a task.

    Gold is the official file of the data set, or a file with one label per
    line. Files may be compressed (gzip, bzip2, xz, zstd, zip) or pipes; - is
    standard input.

    Examples:
      xstilts score xnli --language sw --gold test.tsv --predictions out.jsonl
      xstilts score xquad --language de --gold xquad.de.json --predictions p.json
    """
    found = score_rows(task, language, gold, predictions, load(experiment) if experiment else None)
    if as_json:
        emit([row.row() for row in found])
        return
    for row in found:
        sys.stdout.write(f"{row.metric:<18}{row.value:8.2f}   {row.signature}\n")


def show_averages(found: Averages, as_json: bool) -> None:
    """One row per mean of each run, then what was not counted."""
    if as_json:
        rows = [_standing(standing) for standing in found.standings]
        emit({"benchmark": found.benchmark.title, "runs": rows, "not_counted": list(found.aside)})
        return
    table([row for standing in found.standings for row in _rows(standing)])
    if not found.standings:
        sys.stdout.write(f"no score counts for {found.benchmark.title}\n")
    for reason in found.aside:
        sys.stdout.write(f"not counted: {reason}\n")


def _rows(standing: Standing) -> Iterator[dict[str, Any]]:
    groups = [group for group in standing.groups if group.measured]
    means: list[TaskMean | Mean] = [*standing.overall.measured, *groups, standing.overall]
    for one in means:
        name = one.task if isinstance(one, TaskMean) else one.label
        values = one.values if isinstance(one, TaskMean) and len(one.values) > 1 else {}
        yield {
            "backbone": standing.run.backbone,
            "recipe": standing.run.recipe,
            "mean": name,
            "value": f"{one.value:.2f}",
            "of": ", ".join(f"{metric} {value:.2f}" for metric, value in values.items()) or "-",
            "seeds": len(one.seeds),
            "coverage": one.coverage,
        }


def _standing(standing: Standing) -> dict[str, Any]:
    return {
        "backbone": standing.run.backbone,
        "recipe": standing.run.recipe,
        "overall": _mean(standing.overall),
        "groups": [_mean(group) for group in standing.groups],
        "tasks": [
            {
                "task": task.task,
                "value": task.value,
                "values": dict(task.values),
                "complete": task.complete,
                "languages": list(task.languages),
                "missing": list(task.missing),
                "seeds": list(task.seeds),
            }
            for task in standing.tasks
        ],
    }


def _mean(mean: Mean) -> dict[str, Any]:
    return {
        "name": mean.label,
        "value": mean.value,
        "complete": mean.complete,
        "coverage": mean.coverage,
        "seeds": list(mean.seeds),
    }
