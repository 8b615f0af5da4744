"""`xstilts submission`: a leaderboard folder from one run of a finished experiment."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from typer import Option

from xstilts.cli import options as opt
from xstilts.cli.output import lines, show
from xstilts.core.errors import XstiltsError
from xstilts.core.scores import Benchmark
from xstilts.data.examples import ParallelExample
from xstilts.evaluation.submission import SubmissionFile, write_submission
from xstilts.expand import Cell
from xstilts.graph.store import Store
from xstilts.session.benchmarks import unofficial
from xstilts.session.grid import Grid, grid_of
from xstilts.session.loading import load
from xstilts.tasks import TASKS
from xstilts.tasks.benchmarks import BENCHMARKS


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
    asked = BENCHMARKS["xtreme"]
    place = Store(store, must_exist=True)
    grid = grid_of(load(file), place, data)
    chosen = grid.select({"recipe": recipe, "backbone": backbone, "seed": seed}, "choose one with --{}")
    cells, refused = {cell.task: cell for cell in chosen}, unofficial(grid.experiment, asked)
    parts = [
        TaskFiles(task, asked.languages[task], why=refused[task])
        if task in refused and task in cells
        else _part(task, cells.get(task), grid, place, asked)
        for task in asked.languages
    ]
    there = sum(not part.missing for part in parts)
    refuse = there < len(parts) and not partial
    written = [] if refuse else write_submission([source for part in parts for source in part.sources], to)
    rows = [part.row() for part in parts]
    if as_json:
        told = {"benchmark": asked.title, "complete": there == len(parts), "files": [str(path) for path in written]}
        show({**told, "tasks": rows}, as_json)
    else:
        show(rows)
    if refuse:
        problem = f"not a complete {asked.title} submission: {there}/{len(parts)} tasks have all their files"
        raise XstiltsError(f"{problem}; run what is missing, or write what is there with --partial")
    if not as_json:
        lines([f"{len(written)} files in {to}, each read back and compared with its predictions"])


@dataclass(frozen=True)
class TaskFiles:
    """One task of the folder.

    Attributes:
        official: languages that need a file.
        sources: the sources of its files.
        why: the reason why files are missing.
        note: a remark on its files.
    """

    task: str
    official: tuple[str, ...]
    sources: tuple[SubmissionFile, ...] = ()
    why: str = ""
    note: str = ""

    @property
    def missing(self) -> list[str]:
        """Official languages without a file."""
        return [code for code in self.official if code not in {source.language for source in self.sources}]

    def row(self) -> dict[str, str]:
        """A row of the table."""
        missing = f"{', '.join(self.missing) if self.sources else 'all'}: {self.why}" if self.missing else "-"
        files = f"{len(self.sources)}/{len(self.official)}"
        return {"task": self.task, "files": files, "missing": missing, "note": self.note}


def _part(task: str, cell: Cell | None, grid: Grid, store: Store, asked: Benchmark) -> TaskFiles:
    """The files of one task, and why files are missing."""
    official = asked.languages[task]
    if cell is None:
        return TaskFiles(task, official, why="no target of this run")
    predictions, records = cell.stage.inputs["predictions"], cell.stage.inputs["data"]
    if (split := records.config["split"]) != asked.split(task):
        return TaskFiles(task, official, why=f"measured on {split}, {asked.title} asks for {asked.split(task)}")
    answers, golds = store.finished(predictions), store.finished(records)
    if answers is None or golds is None:
        return TaskFiles(task, official, why="not finished: `xstilts run` computes it")
    codes = [code for code in official if code in records.config["languages"]]
    paths = ((code, golds / code / "records.jsonl", answers / "predictions" / f"{code}.jsonl") for code in codes)
    sources = tuple(SubmissionFile(task, *parts, _english(task, parts[0], grid)) for parts in paths)
    return TaskFiles(task, official, sources, "not measured", _treebanks(codes, grid) if task == "udpos" else "")


def _english(task: str, language: str, grid: Grid) -> tuple[str, ...]:
    """The English sentences of a retrieval task."""
    if TASKS.get(task).type != "retrieval":
        return ()
    examples = TASKS.get(task).load(grid.data, "test", language)
    return tuple(example.target for example in examples if isinstance(example, ParallelExample))


def _treebanks(codes: list[str], grid: Grid) -> str:
    """A note on released treebanks, in which some words are split differently from XTREME's files."""
    paths = {code: TASKS.get("udpos").paths(grid.data, "test", code) for code in codes}
    found = [code for code in codes if any(".conllu" in path.suffixes for path in paths[code])]
    return f"from released treebanks, whose words are not always XTREME's: {', '.join(found)}" if found else ""
