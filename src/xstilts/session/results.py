"""Results of an experiment: scores, gains, the report. Read from what is finished, without data or models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from xstilts import __version__
from xstilts.core.errors import UnknownName, XstiltsError
from xstilts.core.files import read_json
from xstilts.core.languages import language
from xstilts.core.scores import Score
from xstilts.evaluation.score import score_files
from xstilts.expand import CONTROL_NAMES, Cell
from xstilts.experiment import BackboneSpec, Experiment
from xstilts.graph.environment import remarks
from xstilts.graph.store import Store
from xstilts.reports import About, Analysis, Named, analyse, plain_report, write_analysis
from xstilts.reports.tables import gain_rows
from xstilts.session.benchmarks import nearest_benchmark
from xstilts.session.check import LIMITED
from xstilts.session.failed import failed_runs
from xstilts.session.grid import Data, Grid, grid_of
from xstilts.session.leaks import leaks_found
from xstilts.session.reported import keep_table, report_folder
from xstilts.session.tables import frame
from xstilts.stages.selection import in_words, in_words_by_default
from xstilts.stages.translations import words_for
from xstilts.stats.reading import read_folder
from xstilts.stats.table import COLUMNS, Measured, ScoreTable
from xstilts.translation.spec import SOURCE


def scores(experiment: Experiment, store: Path | str = "runs", data: Data = None, every: bool = False) -> Any:
    """Scores of all finished runs: a pandas DataFrame where pandas is installed, else an Arrow table.

    One row a score, with the columns of `xstilts.core.scores.Score`; values are 0-100.

    Args:
        experiment, store: as of `run`.
        data: needed only where the experiment has changed since it was run.
        every: further values too (exact match beside F1, every layer of a sweep), not only each task's main one.

    Raises:
        StoreError: there is no such store.
        XstiltsError: nothing is finished.
    """
    place = Store(Path(store), must_exist=True)
    found = collect(grid_of(experiment, place, data).cells, place)
    return frame((score.row() for score in found.scores if every or score.main), COLUMNS)


def gains(experiment: Experiment, store: Path | str = "runs", data: Data = None) -> Any:
    """How every recipe differs from the baseline, by target and language: a data frame as of `scores`.

    Columns and their intervals are those of the report's `estimates.csv`. Arguments and errors as of `scores`.
    """
    found, _ = analysis(experiment, Store(Path(store), must_exist=True), data, "xstilts.gains")
    rows = [row for row in gain_rows(found) if row.pop("what") == "difference"]
    return frame(rows, ())


def report(experiment: Experiment, store: Path | str = "runs", to: Path | str | None = None, data: Data = None) -> Path:
    """Write the report of what is finished: a page, Markdown, CSV and plots. Returns the page's path.

    Args:
        to: its folder; else `reports/NAME` in the store. The rest, and errors, as of `scores`.
    """
    place = Store(Path(store), must_exist=True)
    name = experiment.file or experiment.name
    return write_report(experiment, place, data, f"xstilts report {name}", to)


def write_report(experiment: Experiment, store: Store, data: Data, command: str, to: Path | str | None = None) -> Path:
    """The same; `command` is what to type for it."""
    folder = report_folder(experiment, store.root) if to is None else Path(to)
    if folder.exists() and not folder.is_dir():
        raise XstiltsError(f"{folder} is a file: name a folder with --to")
    write_report_of(grid_of(experiment, store, data), store, command, folder)
    return folder / "index.html"


def write_report_of(grid: Grid, store: Store, command: str, folder: Path) -> Analysis:
    """The same of a grid; beside the report it leaves what that is made of, and the main table for a terminal."""
    found = analysis_of(grid, store, command)
    write_analysis(found, folder)
    keep_table(grid, store, command, folder, plain_report(found))
    return found


def score(
    task: str, language: str, gold: Path | str, predictions: Path | str, experiment: Experiment | None = None
) -> dict[str, float]:
    """Official scores of anybody's prediction file, by metric, 0-100: `{"f1": 81.3, "exact_match": 66.2}`.

    Args:
        task: a registered task, whose protocol and official script are in `xstilts show TASK`, or an own task of
            `experiment`.
        language: code of the language.
        gold: official file with gold. predictions: in XTREME's submission form, or JSON lines.

    Raises:
        UnknownName: no such task or language.
        DataError: with file and line: what does not fit.
    """
    return {row.metric: row.value for row in score_rows(task, language, Path(gold), Path(predictions), experiment)}


def score_rows(
    task: str, language: str, gold: Path, predictions: Path, experiment: Experiment | None = None
) -> list[Score]:
    """The same as scores with their signatures."""
    own = experiment.task(task) if experiment is not None and task in experiment.tasks else task
    return score_files(own, language, gold, predictions)


def collect(cells: Sequence[Cell], store: Store) -> ScoreTable:
    """The scores of all finished cells under the cells' names."""
    rows: list[Measured] = []
    for cell in cells:
        if (folder := store.finished(cell.stage)) is not None:
            found = read_folder(folder, lambda score: score.main)
            rows += [Measured(cell.name(row.score), row.examples) for row in found]
    if not rows:
        raise XstiltsError(f"nothing of this experiment is finished in {store.root}: `xstilts run` computes it")
    return ScoreTable(tuple(rows))


def analysis(experiment: Experiment, store: Store, data: Data, command: str) -> tuple[Analysis, Grid]:
    """All estimates that a report shows, and the grid that they are of."""
    grid = grid_of(experiment, store, data)
    return analysis_of(grid, store, command), grid


def analysis_of(grid: Grid, store: Store, command: str) -> Analysis:
    """The same of a grid."""
    table = collect(grid.cells, store)
    return analyse(table, describe(grid, table, command, store))


def minutes(grid: Grid, store: Store) -> Mapping[str, float]:
    """What computing the finished stages took, by kind, summed over workers."""
    keys = {stage.key for stage in grid.stages}
    found: dict[str, float] = {}
    for record in store.stages():
        if record.key in keys:
            found[record.kind] = found.get(record.kind, 0.0) + record.seconds / 60
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def describe(grid: Grid, table: ScoreTable, command: str, store: Store) -> About:
    """What the report says of the experiment."""
    experiment = grid.experiment
    micro = bool(experiment.worlds)
    varied = ["the order of examples", "the initial head", "dropout"]
    if micro:
        varied.append("the constructed world with its own encoder")
    return About(
        title=experiment.title or experiment.name,
        question=experiment.question,
        description=experiment.description,
        experiment=experiment.name,
        backbones=tuple(Named(spec.name, note=spec.note or _note(spec)) for spec in experiment.backbones),
        recipes=tuple(recipe.label for recipe in experiment.recipes),
        targets=tuple(target.task for target in experiment.targets),
        languages=_languages(table, micro),
        controls={name: CONTROL_NAMES[kind] for name, kind in grid.controls.items()},
        seeds=experiment.seeds,
        command=command,
        limitations=(
            *([LIMITED.format(experiment.limit)] if experiment.limit else []),
            *experiment.limitations,
            *coverage(grid),
            *translated(grid, store),
            *leaks_found(grid.checks, store),
            *mixtures(grid, store),
        ),
        source=experiment.source,
        trained_in={target.task: target.train_languages for target in experiment.targets if target.train_languages},
        version=__version__,
        seed_means=", ".join(varied),
        worlds=grid.worlds,
        averages=nearest_benchmark(experiment, table),
        selection=(*in_words_by_default(grid.stages), *in_words(grid.stages)),
        failed=failed_runs(grid, store),
    )


def mixtures(grid: Grid, store: Store) -> list[str]:
    """Versions, devices and settings that differ between finished stages, a sentence each; none where all are alike."""
    return remarks(store.records(grid.stages))


def coverage(grid: Grid) -> list[str]:
    """Targets that were not measured in all of their official languages: their mean is not the official one."""
    lines = []
    for target in grid.experiment.targets:
        task = grid.experiment.task(target.task)
        cells = [cell for cell in grid.cells if cell.task == task.name and cell.role == "target"]
        measured = cells[0].stage.inputs["data"].config["languages"]
        own = grid.experiment.tasks.get(target.task)
        if len(measured) < len(task.languages) and not (own and own.type and own.languages is None):
            lines.append(f"{task.name} is measured in {len(measured)} of its {len(task.languages)} languages.")
    return lines


def translated(grid: Grid, store: Store) -> list[str]:
    """Languages that a recipe has seen labels in, and what its translations left out."""
    lines = []
    for recipe in grid.experiment.recipes:
        parts = [part for phase in recipe.phases for part in phase.tasks if part.translated_by]
        codes = dict.fromkeys(code for part in parts for code in part.spoken(SOURCE) if code != SOURCE)
        if codes:
            lines.append(
                f"{recipe.label} is trained on translations: its scores in {', '.join(codes)} are not zero-shot."
            )
    made = [store.finished(stage) for stage in grid.stages if stage.kind == "translate"]
    counts = [words_for(read_json(folder / "counts.json")) for folder in made if folder is not None]
    return [*lines, *(f"Translation of {words}." for words in dict.fromkeys(counts))]


def _note(spec: BackboneSpec) -> str:
    if spec.source:
        return spec.source
    return f"{spec.architecture}, random start, {len(spec.pretrain)} pretraining phases"


def _languages(table: ScoreTable, micro: bool) -> tuple[Named, ...]:
    """English first; microworld languages by growing distance, others by family and name."""
    codes = list(table.distinct("language"))
    if micro:
        from xstilts.microworld import LANGUAGES

        known = [code for code in LANGUAGES if code in codes]
        return tuple(Named(code, LANGUAGES[code].name, _kind(code)) for code in known)
    named = []
    for code in codes:
        try:
            found = language(code)
            named.append(Named(code, found.name, found.family))
        except UnknownName:
            named.append(Named(code))
    return tuple(sorted(named, key=lambda one: (one.key != "en", one.note != "Indo-European", one.note, one.name)))


def _kind(code: str) -> str:
    from xstilts.microworld import LANGUAGES

    found = LANGUAGES[code]
    return f"{found.order}, {found.morphology}, lexical distance {found.lexical_distance:g}"
