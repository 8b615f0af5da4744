"""`xstilts submission`: the leaderboard folder of one run of a finished experiment, with what it lacks."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from xstilts.cli.options import DataOption, FileArgument, JsonOption, StoreOption
from xstilts.cli.output import emit, table
from xstilts.core.benchmark import Benchmark
from xstilts.core.errors import ConfigError, UnknownName, XstiltsError
from xstilts.data.examples import ParallelExample
from xstilts.evaluation.submission import Source, write_submission
from xstilts.expand import Cell
from xstilts.graph.store import Store
from xstilts.session.benchmarks import unofficial
from xstilts.session.grid import Grid, grid_of
from xstilts.session.loading import load
from xstilts.tasks import TASKS
from xstilts.tasks.benchmarks import benchmark as benchmark_named


def submission(  # noqa: PLR0913, PLR0917
    file: FileArgument,
    recipe: Annotated[str, typer.Option(help="Recipe as the tables name it, e.g. '\\[mnli]'.", show_default=False)],
    to: Annotated[Path, typer.Option(help="Folder to write; must be new or empty.", show_default=False)],
    data: DataOption = None,
    store: StoreOption = Path("runs"),
    backbone: Annotated[str | None, typer.Option(help="Required if there are several.", show_default=False)] = None,
    seed: Annotated[int | None, typer.Option(help="Required if there are several.", show_default=False)] = None,
    benchmark: Annotated[str, typer.Option(help="Benchmark to submit to: xtreme.")] = "xtreme",
    partial: Annotated[bool, typer.Option("--partial", help="Leave out missing files instead of failing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write the predictions of one recipe as a folder for XTREME's leaderboard.

    Checks every file against the gold data. Missing files are an error.

    Example:
      xstilts submission table1 --recipe '\\[mnli]' --to submission
    """
    if benchmark != "xtreme":
        raise UnknownName("benchmark with a submission folder", benchmark, ["xtreme"])
    asked = benchmark_named(benchmark)
    place = Store(store, must_exist=True)
    grid = grid_of(load(file), place, data)
    cells = {cell.task: cell for cell in choose(grid, Chosen(recipe, backbone, seed))}
    refused = unofficial(grid.experiment, asked)
    parts = [_part(task, cells.get(task), refused.get(task, ""), grid, place, asked) for task in asked.languages]
    complete = not any(part.missing for part in parts)
    refuse = not (complete or partial)
    written = [] if refuse else write_submission([source for part in parts for source in part.sources], to)
    if as_json:
        emit(
            {"benchmark": asked.title, "complete": complete, "files": [str(p) for p in written], "tasks": _rows(parts)}
        )
    else:
        table(_rows(parts))
    if refuse:
        there = sum(not part.missing for part in parts)
        problem = f"not a complete {asked.title} submission: {there}/{len(parts)} tasks have all their files"
        raise XstiltsError(f"{problem}; run what is missing, or write what is there with --partial")
    if not as_json:
        sys.stdout.write(f"{len(written)} files in {to}, each checked against its gold records\n")


@dataclass(frozen=True)
class Chosen:
    """One run of an experiment; None stands for the only one there is."""

    recipe: str
    backbone: str | None = None
    seed: int | None = None


@dataclass
class Part:
    """One task of the folder.

    Attributes:
        sources: what its files are made of.
        missing: official languages without a file; why: the reason, where it is one for all.
        note: what to know of the files that are there.
    """

    task: str
    sources: list[Source] = field(default_factory=list)
    missing: tuple[str, ...] = ()
    why: str = ""
    note: str = ""

    def row(self) -> dict[str, Any]:
        """For the table, and as JSON."""
        total = len(self.sources) + len(self.missing)
        missing = "all" if self.missing and not self.sources else ", ".join(self.missing)
        lacking = f"{missing}: {self.why}" if missing else "-"
        return {"task": self.task, "files": f"{len(self.sources)}/{total}", "missing": lacking, "note": self.note}


def _rows(parts: Iterable[Part]) -> list[dict[str, Any]]:
    return [part.row() for part in parts]


def choose(grid: Grid, chosen: Chosen) -> list[Cell]:
    """The targets of one run. Raises `UnknownName`, or `ConfigError` where a choice is left open."""
    experiment = grid.experiment
    recipes = [recipe.label for recipe in experiment.recipes]
    if chosen.recipe not in recipes:
        raise UnknownName("recipe", chosen.recipe, recipes)
    backbones = [spec.name for spec in experiment.backbones]
    backbone = _only("backbone", chosen.backbone, backbones, [*backbones, *grid.controls])
    seed = _only("seed", chosen.seed, experiment.seeds, experiment.seeds)
    key = (chosen.recipe, backbone, seed, "target")
    return [cell for cell in grid.cells if (cell.recipe, cell.backbone, cell.seed, cell.role) == key]


def _only(what: str, asked: Any, usual: Iterable[Any], known: Iterable[Any]) -> Any:
    there = list(usual)
    if asked is None and len(there) > 1:
        raise ConfigError(f"the experiment has the {what}s {', '.join(map(str, there))}: choose one with --{what}")
    if asked is not None and asked not in known:
        raise UnknownName(what, str(asked), map(str, known))
    return there[0] if asked is None else asked


def _part(task: str, cell: Cell | None, refused: str, grid: Grid, store: Store, asked: Benchmark) -> Part:
    """The files of one task that can be written, and why others cannot."""
    official = asked.languages[task]
    if cell is None:
        return Part(task, missing=official, why="no target of this run")
    predictions, records = cell.stage.inputs["predictions"], cell.stage.inputs["data"]
    split = records.config["split"]
    if refused:
        return Part(task, missing=official, why=refused)
    if split != asked.split(task):
        return Part(task, missing=official, why=f"measured on {split}, {asked.title} asks for {asked.split(task)}")
    answers, golds = store.finished(predictions), store.finished(records)
    if answers is None or golds is None:
        return Part(task, missing=official, why="not finished: `xstilts run` computes it")
    part = Part(task, why="not measured")
    for language in official:
        if language in records.config["languages"]:
            said = answers / "predictions" / f"{language}.jsonl"
            part.sources.append(Source(task, language, golds / language / "records.jsonl", said))
    if TASKS.get(task).type == "retrieval":
        part.sources = [source._replace(english=_english(source, grid)) for source in part.sources]
    if task == "udpos":
        part.note = _treebanks(part, grid)
    there = {source.language for source in part.sources}
    part.missing = tuple(code for code in official if code not in there)
    return part


def _english(source: Source, grid: Grid) -> tuple[str, ...]:
    assert grid.data
    examples = TASKS.get(source.task).load(grid.data, "test", source.language)
    return tuple(example.target for example in examples if isinstance(example, ParallelExample))


def _treebanks(part: Part, grid: Grid) -> str:
    """Released treebanks divide words where XTREME's files do not."""
    assert grid.data
    udpos = TASKS.get("udpos")
    found = [
        source.language
        for source in part.sources
        if any(".conllu" in path.suffixes for path in udpos.paths(grid.data, "test", source.language))
    ]
    if not found:
        return ""
    return f"from released treebanks, whose words are not always XTREME's: {', '.join(found)}"
