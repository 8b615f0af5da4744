"""What an experiment would read and train, before anything is trained."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from xstilts.core.errors import DataError, XstiltsError, counted
from xstilts.core.languages import LANGUAGES, instead
from xstilts.data.examples import gold_of
from xstilts.data.locate import folders_of, passed_over, second_choices, strangers
from xstilts.data.readers.columns import ColumnReader
from xstilts.data.readers.types import TYPES
from xstilts.expand.data import in_codes
from xstilts.experiment import Experiment, TargetSpec
from xstilts.graph.stage import Stage
from xstilts.graph.store import Store
from xstilts.planning.amounts import PhaseLength, lengths_of, short_phases
from xstilts.session import frame
from xstilts.session.grid import Data, Grid, folders
from xstilts.stages.reading import root_of, split_of, task_of
from xstilts.tasks import Task
from xstilts.tasks.base import Split

FIRST = 200
"""Rows of an official file that `run` reads before it starts; a user's own files are read completely."""


@dataclass(frozen=True)
class FileCheck:
    """The files of one split of a task in one language.

    Attributes:
        paths: files that are read.
        rows: number of examples.
        labels: label or tag -> number of occurrences.
        notes: sentences about what was assumed or looks odd.
        problem: why the files cannot be read; empty if they can.
        columns: of own tables: which columns are read, and which are not.
    """

    task: str
    split: str
    language: str
    paths: tuple[Path, ...]
    rows: int = 0
    labels: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    problem: str = ""
    columns: str = ""

    @property
    def cause(self) -> tuple[str, str]:
        """The file of `problem`, and the problem in words that are the same for other files with it."""
        place = next((str(path) for path in self.paths if self.problem.startswith(f"{path}:")), "")
        return place, re.sub(r"^:([0-9]+:)? ", "", self.problem.removeprefix(place)).partition(";")[0]


@dataclass(frozen=True)
class Check:
    """The result of a check.

    Attributes:
        files: every split in every language that is read.
        phases: every training phase once.
        notices: sentences about what is missing or assumed; none of it stops a run.
        refused: why the experiment as a whole cannot be run; empty if it can.
    """

    files: tuple[FileCheck, ...]
    phases: tuple[PhaseLength, ...] = ()
    notices: tuple[str, ...] = ()
    refused: str = ""

    @property
    def problems(self) -> list[str]:
        """What stops a run: a line for each cause, with its first file and the number of others."""
        causes: dict[tuple[str, str], dict[str, str]] = {}
        for one in self.files:
            if one.problem:
                place, cause = one.cause
                causes.setdefault((one.task, cause), {}).setdefault(place, one.problem)
        lines = []
        for problem, *more in (found.values() for found in causes.values()):
            lines.append(problem + (f"; and {len(more)} more file{'s' * (len(more) > 1)}" if more else ""))
        known = self.refused in {"", *(one.problem for one in self.files)}
        return list(dict.fromkeys(lines if known else [*lines, self.refused]))

    def table(self) -> Any:
        """`files` as a data frame."""
        columns = ("task", "split", "language", "rows", "labels", "columns", "notes", "problem", "paths")
        rows = [
            {
                **{name: getattr(one, name) for name in columns},
                "labels": ", ".join(f"{label} {count}" for label, count in one.labels.items()),
                "notes": "; ".join(one.notes),
                "paths": ", ".join(path.name for path in one.paths),
            }
            for one in self.files
        ]
        return frame(rows, columns)


def check(experiment: Experiment, data: Data = None) -> Check:
    """Read every file that an experiment would read, and count.

    Args:
        data: as for `run`.

    Raises:
        ConfigError: the experiment itself is wrong. Errors in its files are returned as `problems`, all at once.
    """
    roots = folders(data)
    try:
        grid = Grid.of(experiment, roots)
    except DataError as error:
        return Check(tuple(map(_found, _own(experiment, roots))), refused=str(error))
    files, held = tuple(map(_found, _reads(grid.stages))), _held_out(grid.stages)
    taken = [one for one in files if one.split == "train" and not one.problem]
    taken = [one for one in taken if one.rows <= held.get((one.task, one.language), 0)]
    refused = next((_nothing_left(one.task, held[one.task, one.language], one.rows) for one in taken), "")
    broken = refused or any(one.problem for one in files)
    phases = () if broken else tuple(dict.fromkeys(lengths_of(grid.stages, None).values()))
    lines = (*notices(experiment, grid, data), *_spelled(experiment, files), *short_phases(phases))
    return Check(files, phases, lines, refused)


def look(grid: Grid, store: Store) -> None:
    """The fast part of `check`, for stages that are not finished in the store.

    Raises:
        DataError: a file cannot be read, or `holdout` takes all training examples.
    """
    waiting = [stage for stage in grid.stages if stage.kind == "prepare" and not store.has(stage)]
    held_out = _held_out(waiting)
    for task, roots, split, language in _reads(waiting):
        if not TYPES.get(task.type).raw:
            held = held_out.get((task.name, language), 0) if split == "train" else 0
            most = None if task.name in grid.experiment.tasks else max(FIRST, held + 1)
            rows = 0
            for example in islice((task.load if task.gold else task.stream)(roots, split, language), most):
                rows += 1
                if gold_of(example) is None:
                    raise task.gold_needed(roots, split, language)
            if rows <= held:
                raise DataError(_nothing_left(task.name, held, rows))


def _held_out(stages: Iterable[Stage]) -> dict[tuple[str, str], int]:
    """(task, language) -> number of training examples that are held out."""
    configs = (stage.config for stage in stages if stage.kind == "prepare" and stage.config["split"] != "test")
    return {(one["task"], code): one["holdout"] for one in configs for code in one["languages"]}


def _nothing_left(task: str, held: int, rows: int) -> str:
    return f"{task}: `holdout: {held}` takes all of its {counted(rows, 'training example')}: hold out fewer"


def notices(experiment: Experiment, grid: Grid, data: Data) -> list[str]:
    """Sentences about what is missing or not read."""
    lines = list(experiment.sampled)
    if experiment.worlds and data is not None:
        lines.append("the experiment draws its data from microworlds (`worlds:`): --data is not read")
    lines += (line for target in experiment.targets for line in _absent(target, experiment, grid))
    return lines if experiment.worlds else [*lines, *_unread(experiment, grid)]


def _absent(target: TargetSpec, experiment: Experiment, grid: Grid) -> Iterator[str]:
    """Languages of a target that should be measured and have no file."""
    task, own = grid.experiment.task(target.task), experiment.tasks.get(target.task)
    cell = next((one for one in grid.cells if one.task == task.name and one.role == "target"), None)
    if cell is None or experiment.worlds:
        return
    stage = cell.stage.inputs["data"]
    split, measured = stage.config["split"], stage.config["languages"]
    asked = target.languages or experiment.languages
    named = list(task.languages) if own is None or own.languages is not None else []
    if missing := [code for code in asked or named if code in (named or task.languages) and code not in measured]:
        shown = ", ".join(missing[:12]) + (f" and {len(missing) - 12} more" if len(missing) > 12 else "")
        looked = f" (looked for {' or '.join(task.files[split])})" if own else ""
        yield f"{task.name}: no {split} file for {shown}{looked}; measured in {counted(len(measured), 'language')}"
    odd = strangers(folders_of(root_of(stage.settings)), task.files.get(split, ())) if own and own.type else {}
    if own and own.languages is not None:  # then only a second file of a measured language is odd
        odd = {form: code for form, code in odd.items() if code in measured and code in LANGUAGES and form != code}
    for code in measured if own else ():
        if (other := instead(code)) and other not in measured:
            names = LANGUAGES[code].name, LANGUAGES[other].name
            yield f"{task.name}: '{code}' is read as {names[0]}; the code of {names[1]} is '{other}'"
    if odd:
        yield f"{task.name} is read without the files for {in_codes(odd)}"


def _unread(experiment: Experiment, grid: Grid) -> Iterator[str]:
    """Files beside those of own tasks that a user may take for read."""
    roots = (experiment.folder, *grid.data)
    for name in experiment.own_names:
        for split, patterns in experiment.task(name).files.items():
            for file, why in passed_over(roots, patterns).items():
                yield f"{name}: {file} is not read ({why})"
            there = experiment.task(name).available(roots, split) if len(patterns) > 1 else []
            seconds = (pair for code in there for pair in second_choices(roots, patterns, code))
            for first, second in dict.fromkeys(seconds):
                yield f"{name}: {second} is not read, since {first} has files; '{first} + {second}' reads both"


def _spelled(experiment: Experiment, files: Iterable[FileCheck]) -> Iterator[str]:
    """How a column of own files spells languages, and rows whose language is unknown."""
    read = {path: one.task for one in files if one.task in experiment.tasks and not one.problem for path in one.paths}
    for path, name in read.items():
        task = experiment.task(name)
        for note in task.read.languages_told(path, task.languages) if isinstance(task.read, ColumnReader) else []:
            yield f"{path.name}: {note}"


class Read(NamedTuple):
    """A split of a task in one language that is read from some data folders."""

    task: Task
    roots: tuple[Path, ...]
    split: Split
    language: str


def _own(experiment: Experiment, roots: tuple[Path, ...]) -> Iterator[Read]:
    """What the experiment's own tasks read, whatever else is wrong with the experiment."""
    for name in experiment.own_names:
        task, spec, places = experiment.task(name), experiment.tasks[name], (experiment.folder, *roots)
        for split in task.files:
            one = split != spec.measured and not spec.by_language(split)
            there = [experiment.source] if one else task.available(places, split)
            yield from (Read(task, places, split, code) for code in there)


def _reads(stages: Iterable[Stage]) -> Iterator[Read]:
    """What prepare stages read, each once, microworlds left out."""
    seen = set()
    for stage in stages:
        if stage.kind == "prepare" and "world" not in stage.inputs:
            for code in stage.config["languages"]:
                about = (stage.config["task"], split_of(stage.config), code)
                if f"translation_{code}" not in stage.inputs and about not in seen:
                    seen.add(about)
                    yield Read(task_of(stage), folders_of(root_of(stage.settings)), about[1], code)


def _found(read: Read) -> FileCheck:
    task, roots, split, language = read
    paths: tuple[Path, ...] = ()
    try:
        paths = tuple(task.paths(roots, split, language))
        found = task.found(roots, split, language)
        if found.withheld:
            raise task.gold_needed(roots, split, language)
        notes, columns, reader = list(found.notes), "", task.read
        if isinstance(reader, ColumnReader):
            notes = [f"{path.name}: {words}" for path in paths if (words := reader.dialect(path))] + notes
            columns = reader.columns_told(paths[0], language)
    except XstiltsError as error:
        return FileCheck(task.name, split, language, paths, problem=str(error))
    return FileCheck(task.name, split, language, paths, found.rows, found.labels, tuple(notes), columns=columns)
