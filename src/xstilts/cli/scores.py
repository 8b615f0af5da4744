"""`xstilts scores`, `report`, `score` and `submission`: scores, rankings, official means, predictions to submit."""

import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from string import ascii_lowercase
from typing import Annotated, Any, NamedTuple

from typer import Argument, Option

from xstilts.cli import options as opt
from xstilts.cli.output import aligned, lines, show, terminal_width
from xstilts.core.errors import ConfigError, UnknownName, XstiltsError, count
from xstilts.core.languages import meant
from xstilts.data.examples import ParallelExample
from xstilts.evaluation.score import score_files
from xstilts.evaluation.submission import SubmissionFile, write_submission
from xstilts.expand import GridCell
from xstilts.graph.environment import remarks
from xstilts.graph.store import Store
from xstilts.reports import plain_comparison
from xstilts.reports.write import converter, write_pdfs
from xstilts.session import results
from xstilts.session.about import official_means, unofficial
from xstilts.session.grid import Grid, grid_of
from xstilts.session.loading import load, load_study
from xstilts.session.reads import changed_files
from xstilts.session.results import Ranked, leaderboard
from xstilts.sources.manifest import official_rows
from xstilts.stats.benchmarks import Averages, Mean, Standing, TaskMean
from xstilts.tasks import TASKS, benchmarks

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
    with its interval over seeds. Only rows with the same letter are comparable:
    same languages, number of examples, split, metric and script.

    Examples:
      xstilts scores first.yaml --task xnli --language sw
      xstilts scores table1 --benchmark xtreme
      xstilts scores --store runs
    """
    only = {"task": task, "language": (meant(language) or language) if language else None}
    wanted = {name: value for name, value in only.items() if value is not None}
    asked = benchmarks.benchmark(benchmark) if benchmark else None
    if asked and wanted:
        raise ConfigError(f"--benchmark counts all tasks and languages: leave out --{next(iter(wanted))}")
    if file is None:
        if given := [name for name, one in (("benchmark", asked), ("language", language), ("data", data)) if one]:
            raise ConfigError(f"--{given[0]} needs a FILE: without one, all are ranked")
        show_leaderboard(Store(store, must_exist=True), task, as_json)
        return
    experiment, place = load(file), Store(store, must_exist=True)
    grid = grid_of(experiment, place, data)
    found = results.collect(grid.cells, place)
    notes = [*changed_files(grid.stages, place), *remarks(place.records(grid.stages))]
    sys.stderr.writelines(f"note: {line}\n" for line in notes)
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
        Argument(help="Experiment file (YAML), or the name of a built-in one; several are compared."),
    ],
    data: opt.Data = None,
    store: opt.Store = Path("runs"),
    to: Annotated[Path | None, Option(help="Folder for the report. Default: reports/NAME in the store.")] = None,
    texts: Annotated[
        bool,
        Option("--texts", help="Show the texts of examples with wrong answers (only if the data's licences allow it)."),
    ] = False,
    diagnostics: Annotated[
        bool, Option("--diagnostics", help="Break scores down by length, label and entity type.")
    ] = False,
    pdf: Annotated[bool, Option("--pdf", help="Also write the figures as PDF (extra `pdf`: CairoSVG).")] = False,
) -> None:
    """Write the report from the results so far, or compare experiments.

    Writes an HTML page, Markdown, LaTeX, CSV, Parquet and figures as SVG.
    Several files are compared with the first: gains over each experiment's own
    baseline, and differences between scores whose target, languages, split,
    metric and examples match.

    Examples:
      xstilts report first.yaml --to report
      xstilts report first.yaml --diagnostics
      xstilts report first.yaml second.yaml
    """
    asked: dict[results.Also, bool] = {"texts": texts, "diagnostics": diagnostics}
    also = [name for name, given in asked.items() if given]
    if also and len(files) > 1:
        raise ConfigError(f"--{also[0]} shows examples of one experiment: name one FILE")
    draw, loaded = converter() if pdf else None, [load_study(str(file)) for file in files]
    command = opt.command("report", files, data, store=store) + "".join(f" --{name}" for name in also)
    if len(files) > 1:
        page, found = results.compare([one.experiment for one in loaded], store, to, data, command)
        sys.stdout.write(f"{plain_comparison(found, terminal_width())}\n")
    else:
        page = results.report(loaded[0].experiment, store, to, data, command, loaded[0].study, also)
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
    Predictions are JSON lines with id and prediction, or a file of an XTREME
    submission. Ids must match gold; if gold has no ids, they are row numbers.
    Files may be compressed (gzip, bzip2, xz, zstd, zip) or pipes; - is
    standard input.

    Examples:
      xstilts score xnli --language sw --gold test.tsv --predictions out.jsonl
      xstilts score xquad --language de --gold xquad.de.json --predictions p.json
    """
    asked = load(experiment).task(task) if experiment else task
    found = score_files(asked, language, gold, predictions)
    counts = {split: official_rows(task, split).get(found[0].language) for split in ("validation", "test")}
    known = [f"{number} ({split})" for split, number in counts.items() if number]
    if not experiment and known and found[0].n not in counts.values():
        there = f"the official files of {task} have {' or '.join(known)} in {found[0].language}"
        sys.stderr.write(f"note: {gold.name} has {count(found[0].n, 'example')}; {there}\n")
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
            **standing.run._asdict(),
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


XTREME = benchmarks.BENCHMARKS["xtreme"]


def submission(
    file: opt.File,
    recipe: Annotated[str, Option(help="Recipe by its name in the tables, e.g. '\\[mnli]'.")],
    to: Annotated[Path, Option(help="Output folder; must be new or empty.")],
    data: opt.Data = None,
    store: opt.Store = Path("runs"),
    backbone: Annotated[str | None, Option(help="Backbone; required if there are several.")] = None,
    seed: Annotated[int | None, Option(help="Seed; required if there are several.")] = None,
    partial: Annotated[bool, Option("--partial", help="Skip missing files instead of failing.")] = False,
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
    """The files of one task, why others are missing, and a remark."""

    sources: tuple[SubmissionFile, ...] = ()
    why: str = ""
    note: str = ""


def _part(task: str, cell: GridCell | None, grid: Grid, store: Store) -> _Part:
    if cell is None:
        return _Part(why="no target of this run")
    predictions, records = cell.stage.inputs["predictions"], cell.stage.inputs["data"]
    if (split := records.config["split"]) != XTREME.split(task):
        return _Part(why=f"measured on {split}, {XTREME.title} asks for {XTREME.split(task)}")
    answers, golds = store.finished(predictions), store.finished(records)
    if answers is None or golds is None:
        return _Part(why="not finished: `xstilts run` computes it")
    sources, split_up, known = [], [], TASKS.get(task)
    for code in XTREME.languages[task]:
        if code in records.config["languages"]:
            gold, answer = golds / code / "records.jsonl", answers / "predictions" / f"{code}.jsonl"
            examples = known.load(grid.data, "test", code) if known.type == "retrieval" else ()
            english = tuple(example.target for example in examples if isinstance(example, ParallelExample))
            sources.append(SubmissionFile(task, code, gold, answer, english))
            if task == "udpos" and any(".conllu" in path.suffixes for path in known.paths(grid.data, "test", code)):
                split_up.append(code)
    note = f"from released treebanks, which split some words differently from XTREME: {', '.join(split_up)}"
    return _Part(tuple(sources), "not measured", note if split_up else "")


def show_leaderboard(place: Store, task: str | None, as_json: bool) -> None:
    """Rank all experiments: a table for each target, and what each protocol's letter stands for."""
    found, notes = leaderboard(place)
    targets = list(dict.fromkeys(row.target for row in found))
    if task is not None and task not in targets:
        raise UnknownName("task", task, targets)
    rows, texts = list[dict[str, Any]](), list[str]()
    for target in [task] if task else targets:
        part = [row for row in found if row.target == target]
        first, *others = protocols = list(dict.fromkeys(row.protocol for row in part))
        letters = {one: ascii_lowercase[n % 26] + str(n // 26 + 1) * (n >= 26) for n, one in enumerate(protocols)}
        rows += [{**row._asdict(), "protocol": letters[row.protocol], **asdict(row.protocol)} for row in part]
        texts += [*([""] if texts else []), target, *aligned([_ranked(row, letters[row.protocol]) for row in part])]
        texts.append(f"a: {first.words}")
        texts += [f"{letters[one]}, not comparable with a: {'; '.join(one.differs(first))}" for one in others]
    show(rows, as_json, texts)
    sys.stderr.writelines(f"note: {note}\n" for note in notes)


def _ranked(row: Ranked, letter: str) -> dict[str, Any]:
    known = row.low is not None and row.high is not None
    ends = f"{max(0.0, row.low or 0.0):.1f} to {min(100.0, row.high or 0.0):.1f}" if known else "-"
    shown = {name: getattr(row, name) for name in ("languages", "seeds", "experiment", "backbone", "recipe")}
    shown["backbone"] += " (control)" * row.control
    return {"protocol": letter, "score": f"{row.score:.1f}", "interval": ends, **shown}
