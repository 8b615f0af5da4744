"""`xstilts submission`: the leaderboard folder of one run of a finished experiment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, NamedTuple

from typer import Option

from xstilts.cli import options as opt
from xstilts.cli.output import lines, show
from xstilts.core.errors import XstiltsError
from xstilts.data.examples import ParallelExample
from xstilts.evaluation.submission import SubmissionFile, write_submission
from xstilts.expand import Cell
from xstilts.graph.store import Store
from xstilts.session.about import unofficial
from xstilts.session.grid import Grid, grid_of
from xstilts.session.loading import load
from xstilts.tasks import TASKS
from xstilts.tasks.benchmarks import BENCHMARKS

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
    if as_json:
        found = {"benchmark": XTREME.title, "complete": complete == len(rows), "files": [str(path) for path in written]}
        show({**found, "tasks": rows}, as_json)
    else:
        show(rows)
    if refuse:
        problem = f"not a complete {XTREME.title} submission: {complete}/{len(rows)} tasks have all their files"
        raise XstiltsError(f"{problem}; run what is missing, or write what is there with --partial")
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
    return f"from released treebanks, which split some words otherwise than XTREME: {', '.join(found)}" if found else ""
