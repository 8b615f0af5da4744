"""`xstilts scores`, `report` and `score`: measured scores, official means, and scores of any prediction file."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Option

from xstilts.cli import options as opt
from xstilts.cli.output import lines, show, table
from xstilts.core.errors import ConfigError, UnknownName
from xstilts.core.languages import meant
from xstilts.graph.store import Store
from xstilts.session.about import mixtures, official_means
from xstilts.session.grid import grid_of
from xstilts.session.loading import load, load_study
from xstilts.session.results import Also, collect, score_rows
from xstilts.session.results import report as write_report
from xstilts.stats.benchmarks import Averages, Mean, Standing, TaskMean
from xstilts.tasks.benchmarks import benchmark as benchmark_named

SHOWN = ("backbone", "recipe", "task", "language", "metric", "value", "n", "seed", "role")
"""Columns of the table; JSON has all."""


def scores(
    file: opt.File,
    data: opt.Data = None,
    store: opt.Store = Path("runs"),
    task: Annotated[str | None, Option(help="Only scores of this task.")] = None,
    language: Annotated[str | None, Option(help="Only scores in this language.")] = None,
    benchmark: Annotated[
        str | None, Option(help="Print the official means of xtreme or xtreme-r and their coverage instead.")
    ] = None,
    as_json: opt.Json = False,
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
    sys.stderr.writelines(f"note: {line}\n" for line in mixtures(grid, place))
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
    file: opt.File,
    data: opt.Data = None,
    store: opt.Store = Path("runs"),
    to: Annotated[Path | None, Option(help="Folder for the report. Default: reports/NAME in the store.")] = None,
    texts: Annotated[
        bool, Option("--texts", help="Show texts of examples that went wrong; the data's licences must allow it.")
    ] = False,
    diagnostics: Annotated[
        bool, Option("--diagnostics", help="Break scores down by length, label and type of entity.")
    ] = False,
) -> None:
    """Write the report from the results so far: HTML page, Markdown, LaTeX, CSV, figures.

    Examples:
      xstilts report first.yaml --to report
      xstilts report first.yaml --diagnostics
    """
    experiment, spec = load_study(file)
    asked: dict[Also, bool] = {"texts": texts, "diagnostics": diagnostics}
    also = [name for name, given in asked.items() if given]
    command = opt.command("report", file, data) + "".join(f" --{name}" for name in also)
    lines([str(write_report(experiment, store, to, data, command, spec, also))])


def score(
    task: Annotated[str, Argument(help="Name of a task, e.g. xquad, xnli, panx, udpos, mlqa, tatoeba, bucc2018.")],
    language: Annotated[str, Option(help="Language code, e.g. de.")],
    gold: Annotated[Path, Option(help="File with the gold answers.")],
    predictions: Annotated[Path, Option(help="File with predictions: JSON lines, or an XTREME submission.")],
    experiment: opt.Experiment = None,
    as_json: opt.Json = False,
) -> None:
    """Score predictions of any model with the official metric of a task.

    Gold is the official file of the data set, or a label file of XTREME.
    Predictions are JSON lines with id and prediction, or in the form of an
    XTREME submission. Files may be compressed (gzip, bzip2, xz, zstd, zip) or
    pipes; - is standard input.

    Examples:
      xstilts score xnli --language sw --gold test.tsv --predictions out.jsonl
      xstilts score xquad --language de --gold xquad.de.json --predictions p.json
    """
    found = score_rows(task, language, gold, predictions, load(experiment) if experiment else None)
    if as_json:
        show([row.row() for row in found], as_json)
    else:
        lines(f"{row.metric:<18}{row.value:8.2f}   {row.signature}" for row in found)


def show_averages(found: Averages, as_json: bool) -> None:
    """Print one row per mean of each run, then what does not count."""
    if as_json:
        runs = [_standing(standing) for standing in found.standings]
        show({"benchmark": found.benchmark.title, "runs": runs, "not_counted": list(found.aside)}, as_json)
        return
    table([row for standing in found.standings for row in _rows(standing)])
    lines([] if found.standings else [f"no score counts for {found.benchmark.title}"])
    lines(f"not counted: {reason}" for reason in found.aside)


def _rows(standing: Standing) -> Iterator[dict[str, Any]]:
    groups = [group for group in standing.groups if group.measured]
    means: list[TaskMean | Mean] = [*standing.overall.measured, *groups, standing.overall]
    for one in means:
        values = one.values if isinstance(one, TaskMean) and len(one.values) > 1 else {}
        yield {
            "backbone": standing.run.backbone,
            "recipe": standing.run.recipe,
            "mean": one.task if isinstance(one, TaskMean) else one.label,
            "value": f"{one.value:.2f}",
            "of": ", ".join(f"{metric} {value:.2f}" for metric, value in values.items()) or "-",
            "seeds": len(one.seeds),
            "coverage": one.coverage,
        }


def _standing(standing: Standing) -> dict[str, Any]:
    overall, *groups = (
        {"name": one.label, "value": one.value, "complete": one.complete, "coverage": one.coverage, "seeds": one.seeds}
        for one in (standing.overall, *standing.groups)
    )
    tasks = [{**asdict(task), "value": task.value, "complete": task.complete} for task in standing.tasks]
    return {**standing.run._asdict(), "overall": overall, "groups": groups, "tasks": tasks}
