"""`xstilts scores`, `report` and `score`: measured scores, rankings, official means, and scores of prediction files."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Option

from xstilts.cli import options as opt
from xstilts.cli.output import lines, show, table, terminal_width
from xstilts.core.errors import ConfigError, UnknownName
from xstilts.core.languages import meant
from xstilts.graph.store import Store
from xstilts.reports import plain_comparison
from xstilts.reports.pdf import converter, write_pdfs
from xstilts.session.about import mixtures, official_means
from xstilts.session.grid import grid_of
from xstilts.session.leaderboard import Ranked, leaderboard
from xstilts.session.loading import load, load_study
from xstilts.session.results import Also, collect, compare, score_rows
from xstilts.session.results import report as write_report
from xstilts.stats.benchmarks import Averages, Mean, Standing, TaskMean
from xstilts.tasks.benchmarks import benchmark as benchmark_named

SHOWN = ("backbone", "recipe", "task", "language", "metric", "value", "n", "seed", "role")
"""Columns of the table; JSON has all."""


def scores(
    file: Annotated[
        Path | None, Argument(help="Experiment file (YAML), or a name. Default: rank all experiments of the store.")
    ] = None,
    data: opt.Data = None,
    store: opt.Store = Path("runs"),
    task: Annotated[str | None, Option(help="Only scores of this task.")] = None,
    language: Annotated[str | None, Option(help="Only scores in this language.")] = None,
    benchmark: Annotated[
        str | None, Option(help="Print the official means of xtreme or xtreme-r and their coverage instead.")
    ] = None,
    as_json: opt.Json = False,
) -> None:
    """Print every score of an experiment, or rank all experiments of a store.

    With FILE, each score has the signature of its protocol. Without FILE, ranks
    the recipes of all experiments in the store by target: mean zero-shot score
    with its interval over seeds. Only rows with the same letter were measured
    in the same way (languages, number of examples, split, metric, script).

    Examples:
      xstilts scores first.yaml --task xnli --language sw
      xstilts scores table1 --benchmark xtreme
      xstilts scores --store runs
    """
    only = {"task": task, "language": (meant(language) or language) if language else None}
    wanted = {name: value for name, value in only.items() if value is not None}
    asked = benchmark_named(benchmark) if benchmark else None
    if asked and wanted:
        raise ConfigError(f"--benchmark counts all tasks and languages: leave out --{next(iter(wanted))}")
    if file is None:
        if asked or language:
            raise ConfigError(f"--{'benchmark' if asked else 'language'} needs a FILE: without one, all are ranked")
        show_leaderboard(Store(store, must_exist=True), task, as_json)
        return
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
    files: Annotated[
        list[Path],
        Argument(help="Experiment file (YAML), or the name of one that comes with xstilts; several are compared."),
    ],
    data: opt.Data = None,
    store: opt.Store = Path("runs"),
    to: Annotated[Path | None, Option(help="Folder for the report. Default: reports/NAME in the store.")] = None,
    texts: Annotated[
        bool, Option("--texts", help="Show texts of examples that went wrong; the data's licences must allow it.")
    ] = False,
    diagnostics: Annotated[
        bool, Option("--diagnostics", help="Break scores down by length, label and type of entity.")
    ] = False,
    pdf: Annotated[
        bool, Option("--pdf", help="Write the figures as PDF too (extra `pdf`: CairoSVG); they are SVG otherwise.")
    ] = False,
) -> None:
    """Write the report from the results so far, or compare experiments.

    Writes an HTML page, Markdown, LaTeX, CSV, Parquet and figures as SVG.
    Several files are compared with the first: gains over each experiment's own
    baseline, and differences where target, languages, split, metric and
    examples are the same.

    Examples:
      xstilts report first.yaml --to report
      xstilts report first.yaml --diagnostics
      xstilts report first.yaml second.yaml
    """
    asked: dict[Also, bool] = {"texts": texts, "diagnostics": diagnostics}
    also = [name for name, given in asked.items() if given]
    if also and len(files) > 1:
        raise ConfigError(f"--{also[0]} shows examples of one experiment: name one FILE")
    draw, loaded = converter() if pdf else None, [load_study(str(file)) for file in files]
    command = opt.command("report", files, data) + "".join(f" --{name}" for name in also)
    if len(files) > 1:
        page, found = compare([one.experiment for one in loaded], store, to, data, command)
        sys.stdout.write(f"{plain_comparison(found, terminal_width())}\n")
    else:
        page = write_report(loaded[0].experiment, store, to, data, command, loaded[0].study, also)
    lines([str(page), *([str(one) for one in write_pdfs(page.parent, draw)] if draw else [])])


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


def show_leaderboard(place: Store, task: str | None, as_json: bool) -> None:
    """Print a table for each target, with a letter for each protocol and what it is."""
    found, notes = leaderboard(place)
    targets = list(dict.fromkeys(row.target for row in found))
    if task is not None and task not in targets:
        raise UnknownName("task", task, targets)
    rows = []
    for target in [task] if task else targets:
        part = [row for row in found if row.target == target]
        protocols = list(dict.fromkeys(row.protocol for row in part))
        letters = {one: _letter(number) for number, one in enumerate(protocols)}
        if as_json:
            rows += [{**row._asdict(), "protocol": letters[row.protocol], **asdict(row.protocol)} for row in part]
            continue
        lines([*([""] if target != targets[0] and not task else []), target])
        table([_ranked(row, letters[row.protocol]) for row in part])
        first, *others = protocols
        lines(
            [
                f"a: {first.words}",
                *(f"{letters[one]}, not comparable with a: {'; '.join(one.differs(first))}" for one in others),
            ]
        )
    if as_json:
        show(rows, as_json)
    sys.stderr.writelines(f"note: {note}\n" for note in notes)


def _letter(number: int) -> str:
    """a, b ... z, a2, b2 ..."""
    return chr(ord("a") + number % 26) + (str(number // 26 + 1) if number >= 26 else "")


def _ranked(row: Ranked, letter: str) -> dict[str, Any]:
    ends = (
        f"{max(0.0, row.low):.1f} to {min(100.0, row.high):.1f}"
        if row.low is not None and row.high is not None
        else "-"
    )
    counts = {"languages": row.languages, "seeds": row.seeds}
    names = {"experiment": row.experiment, "backbone": row.backbone, "recipe": row.recipe}
    return {"protocol": letter, "score": f"{row.score:.1f}", "interval": ends, **counts, **names}


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
