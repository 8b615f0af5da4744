"""`xstilts scores`, `report`, `score` and `submission`: scores, official means, and predictions for a leaderboard."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from typer import Argument, Option

from xstilts.cli import options as opt
from xstilts.cli.output import aligned, lines, show
from xstilts.core.errors import ConfigError, UnknownName, XstiltsError
from xstilts.core.languages import meant
from xstilts.data.examples import ParallelExample
from xstilts.evaluation.score import score_files
from xstilts.evaluation.submission import SubmissionFile, write_submission
from xstilts.expand import Cell
from xstilts.graph.environment import remarks
from xstilts.graph.store import Store
from xstilts.session.about import official_means, unofficial
from xstilts.session.grid import Grid, grid_of
from xstilts.session.loading import load, load_study
from xstilts.session.results import Also, collect
from xstilts.session.results import report as write_report
from xstilts.stats.benchmarks import Averages, Mean, Standing, TaskMean
from xstilts.tasks import TASKS
from xstilts.tasks.benchmarks import BENCHMARKS
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
    sys.stderr.writelines(f"note: {line}\n" for line in remarks(place.records(grid.stages)))
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
        bool,
        Option("--texts", help="Show the texts of wrongly answered examples (only if the data's licences allow it)."),
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
    asked = load(experiment).task(task) if experiment else task
    found = score_files(asked, language, gold, predictions)
    texts = (f"{row.metric:<18}{row.value:8.2f}   {row.signature}" for row in found)
    show([row.row() for row in found], as_json, texts)


def show_averages(found: Averages, as_json: bool) -> None:
    """Print one row per mean of each run, then what does not count."""
    runs = [_standing(standing) for standing in found.standings]
    texts = aligned([row for standing in found.standings for row in _rows(standing)])
    texts += [] if runs else [f"no score counts for {found.benchmark.title}"]
    texts += [f"not counted: {reason}" for reason in found.aside]
    show({"benchmark": found.benchmark.title, "runs": runs, "not_counted": list(found.aside)}, as_json, texts)


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


XTREME = BENCHMARKS["xtreme"]


def submission(  # noqa: PLR0913, PLR0917
    file: opt.File,
    recipe: Annotated[str, Option(help="Recipe as the tables name it, e.g. '\\[mnli]'.")],
    to: Annotated[Path, Option(help="Folder to write; must be new or empty.")],
    data: opt.Data = None,
    store: opt.Store = Path("runs"),
    backbone: Annotated[str | None, Option(help="Required if there are several.")] = None,
    seed: Annotated[int | None, Option(help="Required if there are several.")] = None,
    partial: Annotated[bool, Option("--partial", help="Leave out missing files instead of failing.")] = False,
    as_json: opt.Json = False,
) -> None:
    """Write the predictions of one recipe as a folder for XTREME's leaderboard.

    Reads every file back to check it. Missing files are an error.

    Example:
      xstilts submission table1 --recipe '\\[mnli]' --to submission
    """
    place = Store(store, must_exist=True)
    grid = grid_of(load(file), place, data)
    chosen = grid.select({"recipe": recipe, "backbone": backbone, "seed": seed}, "choose one with --{}")
    cells, refused = {cell.task: cell for cell in chosen}, unofficial(grid.experiment, XTREME)
    parts, rows = [], []
    for task, official in XTREME.languages.items():
        cell = cells.get(task)
        part = _Part(why=refused[task]) if cell and task in refused else _part(task, cell, grid, place)
        there = [source.language for source in part.sources]
        missing = [code for code in official if code not in there]
        said = f"{', '.join(missing) if there else 'all'}: {part.why}" if missing else "-"
        rows.append({"task": task, "files": f"{len(there)}/{len(official)}", "missing": said, "note": part.note})
        parts.append(part)
    complete = sum(row["missing"] == "-" for row in rows)
    refuse = complete < len(rows) and not partial
    written = [] if refuse else write_submission([source for part in parts for source in part.sources], to)
    found = {"benchmark": XTREME.title, "complete": complete == len(rows), "files": [str(path) for path in written]}
    show({**found, "tasks": rows}, as_json, aligned(rows))
    if refuse:
        problem = f"not a complete {XTREME.title} submission: {complete}/{len(rows)} tasks have all their files"
        raise XstiltsError(f"{problem}; run the missing stages, or write only the finished files with --partial")
    if not as_json:
        lines([f"{len(written)} files in {to}, each read back and compared with its predictions"])


class _Part(NamedTuple):
    """The files of one task, why others are missing, and a remark on those that are there."""

    sources: tuple[SubmissionFile, ...] = ()
    why: str = ""
    note: str = ""


def _part(task: str, cell: Cell | None, grid: Grid, store: Store) -> _Part:
    if cell is None:
        return _Part(why="no target of this run")
    predictions, records = cell.stage.inputs["predictions"], cell.stage.inputs["data"]
    if (split := records.config["split"]) != XTREME.split(task):
        return _Part(why=f"measured on {split}, {XTREME.title} asks for {XTREME.split(task)}")
    answers, golds = store.finished(predictions), store.finished(records)
    if answers is None or golds is None:
        return _Part(why="not finished: `xstilts run` computes it")
    sources = []
    for code in XTREME.languages[task]:
        if code in records.config["languages"]:
            gold, answer = golds / code / "records.jsonl", answers / "predictions" / f"{code}.jsonl"
            sources.append(SubmissionFile(task, code, gold, answer, _english(task, code, grid)))
    codes = [source.language for source in sources]
    return _Part(tuple(sources), "not measured", _treebanks(codes, grid) if task == "udpos" else "")


def _english(task: str, language: str, grid: Grid) -> tuple[str, ...]:
    """The English sentences of a retrieval task."""
    if TASKS.get(task).type != "retrieval":
        return ()
    examples = TASKS.get(task).load(grid.data, "test", language)
    return tuple(example.target for example in examples if isinstance(example, ParallelExample))


def _treebanks(codes: list[str], grid: Grid) -> str:
    """A note on released treebanks, which split some words that XTREME's files do not split."""
    paths = {code: TASKS.get("udpos").paths(grid.data, "test", code) for code in codes}
    found = [code for code in codes if any(".conllu" in path.suffixes for path in paths[code])]
    return (
        f"from released treebanks, which split some words differently from XTREME: {', '.join(found)}" if found else ""
    )
