"""Results of an experiment: scores, gains, the report. Read from finished stages, without data or models."""

import shlex
import warnings
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

from xstilts.core.errors import XstiltsError
from xstilts.core.keys import content_key
from xstilts.evaluation.score import score_files
from xstilts.expand import GridCell
from xstilts.experiment import Experiment
from xstilts.graph.record import Record
from xstilts.graph.stage import from_rows
from xstilts.graph.store import Store
from xstilts.reports import Analysis, analyse, plain_report, write_contents
from xstilts.reports.comparison import Comparison, Side, comparison_contents
from xstilts.reports.comparison import compare as compare_sides
from xstilts.reports.contents import contents
from xstilts.reports.diagnostics import diagnose
from xstilts.reports.study import Study, study_of
from xstilts.reports.tables import gain_rows
from xstilts.session import frame
from xstilts.session.about import describe, texts_of
from xstilts.session.diagnostics import parts_of
from xstilts.session.grid import Data, Grid, grid_of, grids, keep_table, report_folder
from xstilts.session.loading import opened
from xstilts.stats.estimates import estimate
from xstilts.stats.protocol import Protocol
from xstilts.stats.reading import read_folder
from xstilts.stats.replicates import replicates
from xstilts.stats.series import Replication
from xstilts.stats.table import COLUMNS, Measured, ScoreTable
from xstilts.studies.spec import StudySpec

Also = Literal["texts", "diagnostics"]


def scores(
    experiment: Experiment | Path | str, store: Path | str = "runs", data: Data = None, every: bool = False
) -> Any:
    """Scores of all finished runs: a pandas DataFrame if pandas is installed, else an Arrow table.

    One row per score, with the columns of `xstilts.core.scores.Score`; values are 0-100.

    Args:
        experiment, store: as for `run`.
        data: only needed if the experiment has changed since it was run.
        every: also further values (exact match beside F1, every layer of a sweep), not only the main one of each task.

    Raises:
        StoreError: there is no such store.
        XstiltsError: nothing is finished.
    """
    place = Store(Path(store), must_exist=True)
    found = collect(grid_of(opened(experiment), place, data).cells, place)
    return frame((score.row() for score in found.scores if every or score.main), COLUMNS)


def gains(experiment: Experiment | Path | str, store: Path | str = "runs", data: Data = None) -> Any:
    """How every recipe differs from the baseline, by target and language: a data frame as of `scores`.

    Columns and intervals are those of the report's `estimates.csv`. Arguments and errors as for `scores`.
    """
    place = Store(Path(store), must_exist=True)
    found = analysis_of(grid_of(opened(experiment), place, data), place, "xstilts.gains")
    return frame(row for row in gain_rows(found) if row.pop("what") == "difference")


def report(
    experiment: Experiment | Path | str,
    store: Path | str = "runs",
    to: Path | str | None = None,
    data: Data = None,
    command: str = "",
    spec: StudySpec | None = None,
    also: Collection[Also] = (),
) -> Path:
    """Write the report of what is finished: a page, Markdown, CSV and plots. Returns the page's path.

    Args:
        to: folder; default: `reports/NAME` in the store.
        command: the command line that repeats this.
        spec: the study that the experiment belongs to. Other arguments and errors as for `scores`.
        also: what to read from the data: `texts` of wrong examples, if its licences allow that; `diagnostics`, scores
            by properties of the examples.
    """
    place, experiment = Store(Path(store), must_exist=True), opened(experiment)
    folder = _folder(report_folder(experiment, place.root) if to is None else Path(to))
    grid, file = grid_of(experiment, place, data), experiment.file
    name = str(file.relative_to(Path.cwd()) if file and file.is_relative_to(Path.cwd()) else file or experiment.name)
    folders = [word for one in grid.data for word in ("--data", str(one))]
    there = [] if Path(store) == Path("runs") else ["--store", str(store)]
    ran = shlex.join(["xstilts", "study" if spec else "run", name, *folders, *there])
    write_report_of(grid, place, f"{ran}\n{command or f'xstilts report {name}'}", folder, spec, also)
    return folder / "index.html"


def compare(
    experiments: Sequence[Experiment],
    store: Path | str = "runs",
    to: Path | str | None = None,
    data: Data = None,
    command: str = "",
) -> tuple[Path, Comparison]:
    """Write a page that compares experiments of a store with the first of them. Returns its path and the numbers.

    Args:
        to: folder; default: `reports/NAME+NAME` in the store. Other arguments and errors as for `report`.

    Raises:
        XstiltsError: see `reports.comparison.compare`.
    """
    place = Store(Path(store), must_exist=True)
    folder = _folder(place.root / "reports" / "+".join(one.name for one in experiments) if to is None else Path(to))
    grids = [grid_of(experiment, place, data) for experiment in experiments]
    tables = [collect(grid.cells, place) for grid in grids]
    found = compare_sides([Side(t, describe(grid, t, command, place)) for grid, t in zip(grids, tables, strict=True)])
    return write_contents(comparison_contents(found), folder), found


def _folder(to: Path) -> Path:
    if to.exists() and not to.is_dir():
        raise XstiltsError(f"{to} is a file: name a folder with --to")
    return to


def write_report_of(
    grid: Grid, store: Store, command: str, folder: Path, spec: StudySpec | None = None, also: Collection[Also] = ()
) -> tuple[Analysis, Study | None]:
    """Write the report of a grid, what it depends on, and its main table for a terminal."""
    found = analysis_of(grid, store, command)
    if "texts" in also:
        registered = [name for name in found.about.targets if name not in grid.experiment.tasks]
        licences = {name: grid.experiment.task(name).licence for name in registered}
        found = replace(found, about=replace(found.about, texts=texts_of(grid), licences=licences))
    if "diagnostics" in also:
        found = diagnose(found, parts_of(grid, store, found.table))
    study = study_of(spec, found) if spec else None
    write_contents(contents(found, study), folder)
    keep_table(grid, store, command, folder, plain_report(found), spec)
    return found, study


def analysis_of(grid: Grid, store: Store, command: str) -> Analysis:
    """All estimates that a report shows."""
    table = collect(grid.cells, store)
    return analyse(table, describe(grid, table, command, store))


def score(
    task: str,
    language: str,
    gold: Path | str,
    predictions: Path | str,
    experiment: Experiment | Path | str | None = None,
) -> dict[str, float]:
    """Official scores of any prediction file, by metric, 0-100: `{"f1": 81.3, "exact_match": 66.2}`.

    Args:
        task: a registered task (`xstilts show TASK` prints its protocol and official script), or a task that
            `experiment` declares.
        language: its code.
        gold: official file with the gold answers.
        predictions: file in XTREME's submission format, or JSON lines.

    What the command's signature notes (missing answers, unknown labels, another language) is a warning here.

    Raises:
        UnknownName: no such task or language.
        DataError: the files do not fit; with file and line.
    """
    asked = task if experiment is None else opened(experiment).task(task)
    rows = score_files(asked, language, Path(gold), Path(predictions))
    if notes := rows[0].signature.split(" | ")[3:-1]:  # after script, file and number of examples
        warnings.warn(f"{predictions}: {', '.join(notes)}", stacklevel=2)
    return {row.metric: row.value for row in rows}


def named(cell: GridCell, rows: Iterable[Measured]) -> Iterator[Measured]:
    """Scores that were read, under their cell's names and with their test data.

    Examples of different constructed worlds have the same ids; they are told apart here.
    """
    data = cell.stage.inputs["data"]
    world = data.inputs["world"].key if "world" in data.inputs else ""
    sources = {
        code: content_key([data.config["files"].get(code), data.config.get("read"), world])
        for code in data.config["languages"]
    }
    for row in rows:
        examples = row.examples
        if world and examples:
            examples = replace(examples, group=f"{examples.group} {world}")
        yield Measured(cell.name(row.score), examples, sources.get(row.score.language, ""))


def collect(cells: Sequence[GridCell], store: Store) -> ScoreTable:
    """The scores of all finished cells, under the cells' names."""
    rows: list[Measured] = []
    for cell in cells:
        if (folder := store.finished(cell.stage)) is not None:
            rows += named(cell, read_folder(folder, lambda score: score.main))
    if not rows:
        raise XstiltsError(f"nothing of this experiment is finished in {store.root}: `xstilts run` computes it")
    return ScoreTable(tuple(rows))


class Ranked(NamedTuple):
    """A recipe of an experiment on a target.

    Attributes:
        control: whether the backbone is a control of another.
        score: zero-shot mean over languages and seeds, 0 to 100.
        low, high: its 95 % interval, as in the report; None where nothing is known.
        languages: of the mean: all but the source language, those of training data, and those that chose a layer.
        protocol: how it was measured; only scores with equal protocols can be compared.
    """

    target: str
    experiment: str
    backbone: str
    recipe: str
    control: bool
    score: float
    low: float | None
    high: float | None
    seeds: int
    languages: int
    protocol: Protocol


def leaderboard(store: Store) -> tuple[list[Ranked], list[str]]:
    """All recipes by target, the most frequent protocol first, then the best score; and what could not be read.

    Raises:
        XstiltsError: no experiment of the store has a finished score. `StoreError`: scores are damaged.
    """
    rows: list[Ranked] = []
    notes: list[str] = []
    for name, grid in grids(store).items():
        try:
            stages, asked = from_rows(grid["stages"]), grid["experiment"]
            cells = [GridCell(*names, stages[key]) for *names, key in grid["cells"]]  # type: ignore[call-arg]
            known = {t["task"]: {asked["source"], *(t["train_languages"] or ())} for t in asked["targets"]}
        except (AssertionError, KeyError, TypeError):
            notes.append(f"{name}: left out, since another version of xstilts ran it, or its file is damaged")
            continue
        measured = [row for cell in cells if cell.role == "target" for row in _measured(cell, store)]
        table = ScoreTable(tuple(measured)).targets()
        options = Replication(worlds={int(seed): int(world) for seed, world in grid["worlds"]})
        for (task,), part in table.groups("task").items():
            rows += _ranked(name, part, known[task], grid["controls"], options)
    if not rows:
        why = "; ".join(notes) or "`xstilts run` computes them"
        raise XstiltsError(f"no experiment has a finished score that can be read in {store.root}: {why}")
    used = [(row.target, row.protocol) for row in rows]
    often = {at: used.count(at) for at in used}
    first = {at: number for number, at in reversed(list(enumerate(used)))}
    targets = {target: number for number, target in reversed(list(enumerate(row.target for row in rows)))}

    def place(row: Ranked) -> tuple[Any, ...]:
        at = row.target, row.protocol
        return targets[row.target], -often[at], first[at], -row.score

    return sorted(rows, key=place), notes


def _measured(cell: GridCell, store: Store) -> Iterator[Measured]:
    """The scores of a cell; none if it is not finished. Raises `StoreError` if they are damaged."""
    if store.has(cell.stage):
        scores = Record.read(store.directory(cell.stage)).file("scores.jsonl")
        yield from named(cell, read_folder(scores.parent, lambda score: score.main))


def _ranked(
    name: str, part: ScoreTable, known: Collection[str], controls: Mapping[str, str], options: Replication
) -> Iterator[Ranked]:
    """The recipes of an experiment on one target, in languages that are not `known` from training data."""
    (task,), chosen = part.distinct("task"), {score.language for score in part.scores if score.chosen_on}
    codes = [code for code in part.distinct("language") if code not in {*known, *chosen}]
    runs = replicates(part, task)
    for run in part.runs():
        with suppress(XstiltsError):  # no language was measured with every seed
            (series,) = runs.series([run], codes)
            found = estimate(series, options)
            protocol = Protocol.of(part.where(**run._asdict()), series.languages)
            seeds, languages = len(found.seeds), len(found.languages)
            control = run.backbone in controls
            yield Ranked(task, name, *run, control, found.value, found.low, found.high, seeds, languages, protocol)
