"""What an experiment would read and train, before anything is trained."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from xstilts.backbones.families import checkpoint_of, hint
from xstilts.core.errors import DataError, XstiltsError, count
from xstilts.data.examples import gold_of
from xstilts.data.locate import listed_once
from xstilts.data.readers.columns import ColumnReader
from xstilts.data.readers.types import TYPES
from xstilts.expand import trained_and_tested
from xstilts.experiment import Experiment
from xstilts.experiment.oddities import oddities
from xstilts.graph.stage import Stage
from xstilts.graph.store import Store
from xstilts.planning.amounts import PhaseLength, lengths_of, short_phases
from xstilts.session import frame, reads
from xstilts.session.grid import Data, Grid, folders
from xstilts.session.loading import opened
from xstilts.session.reads import Read
from xstilts.session.scripts import odd_texts
from xstilts.sources.manifest import official_rows
from xstilts.tasks import Split

FIRST = 200
"""Rows of an official file that `run` reads before it starts; a user's own files are read completely."""


@dataclass(frozen=True)
class FileCheck:
    """The files of one split of a task in one language.

    Attributes:
        labels: label or tag -> number of occurrences.
        notes: sentences about what was assumed or looks odd.
        problem: why the files cannot be read; empty if they can.
        columns: of own tables: which columns are read, and which are not.
    """

    task: str
    split: Split
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
        """The problems that prevent a run: a line per cause, with its first file and the number of others."""
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


def check(experiment: Experiment | Path | str, data: Data = None) -> Check:
    """Read every file that an experiment would read, and count.

    Args:
        experiment, data: as for `run`.

    Raises:
        ConfigError: the experiment itself is wrong. Errors in its files are returned as `problems`, all at once.
    """
    experiment, roots = opened(experiment), folders(data)
    try:
        grid = Grid.of(experiment, roots)
    except DataError as error:
        files = tuple(map(_found, _own(experiment, roots)))
        return Check(files, notices=tuple(_spelled(experiment, files)), refused=str(error))
    files, held = tuple(map(_found, reads.reads(grid.stages))), _held_out(grid.stages)
    taken = [one for one in files if one.split == "train" and not one.problem]
    taken = [one for one in taken if one.rows <= held.get((one.task, one.language), 0)]
    refused = next((_nothing_left(one.task, held[one.task, one.language], one.rows) for one in taken), "")
    if not any(one.problem for one in files) and (lacking := reads.uneven(grid.stages)):
        refused = refused or str(lacking)
    broken = refused or any(one.problem for one in files)
    phases = () if broken else tuple(dict.fromkeys(lengths_of(grid.stages, None).values()))
    lines = (
        *notices(experiment, grid, data),
        *reads.odd_counts(
            (f.task, f.split, f.language, f.rows) for f in files if not f.problem and f.task not in experiment.tasks
        ),
        *_spelled(experiment, files),
        *short_phases(phases),
        *oddities(experiment),
        *_elsewhere(experiment),
    )
    return Check(files, phases, lines, refused)


def _spelled(experiment: Experiment, files: Iterable[FileCheck]) -> Iterator[str]:
    sound = ((one.task, one.language, path) for one in files if not one.problem for path in one.paths)
    return reads.spelled(experiment, sound)


def look(grid: Grid, store: Store) -> list[str]:
    """The fast part of `check`, for stages that are not finished in the store. Returns notes.

    Raises:
        DataError: a file cannot be read, or `holdout` takes all training examples.
    """
    waiting = [stage for stage in grid.stages if stage.kind == "prepare" and not store.has(stage)]
    held_out, own, counts = _held_out(waiting), grid.experiment.tasks, list[tuple[str, Split, str, int]]()
    for task, roots, split, language in reads.reads(waiting):
        if not TYPES.get(task.type).raw:
            held = held_out.get((task.name, language), 0) if split == "train" else 0
            whole = task.name in own or (split != "train" and language in official_rows(task.name, split))
            rows, most = 0, None if whole else max(FIRST, held + 1)
            for example in islice((task.load if task.gold else task.stream)(roots, split, language), most):
                rows += 1
                if gold_of(example) is None:
                    raise task.gold_needed(roots, split, language)
            if rows <= held:
                raise DataError(_nothing_left(task.name, held, rows))
            counts += [(task.name, split, language, rows)] if whole and task.name not in own else []
    if waiting and (error := reads.uneven(grid.stages)):
        raise error
    return list(reads.odd_counts(counts))


def _held_out(stages: Iterable[Stage]) -> dict[tuple[str, str], int]:
    """(task, language) -> number of training examples that are held out."""
    configs = (stage.config for stage in stages if stage.kind == "prepare" and stage.config["split"] != "test")
    return {(one["task"], code): one["holdout"] for one in configs for code in one["languages"]}


def _nothing_left(task: str, held: int, rows: int) -> str:
    return f"{task}: `holdout: {held}` takes all of its {count(rows, 'training example')}: hold out fewer"


def notices(experiment: Experiment, grid: Grid, data: Data, store: Store | None = None) -> list[str]:
    """Sentences about what is missing, not read, or read twice.

    Args:
        store: rows are not compared again for stages that it has.
    """
    lines = list(experiment.sampled) if reads.is_sample(grid.stages) else []
    if experiment.worlds and data is not None:
        lines.append("the experiment draws its data from microworlds (`worlds:`): --data is not read")
    lines += [line for target in experiment.targets for line in reads.absent(target, experiment, grid)]
    lines += reads.unread(experiment, grid)
    spoken = {code for target in experiment.targets for code in grid.experiment.task(target.task).languages}
    if strange := [code for code in experiment.languages or () if code not in spoken]:
        lines.append(f"no target has a test set in {', '.join(strange)}, which `languages` names")
    pairs = [pair for pair in trained_and_tested(grid.cells) if store is None or not all(map(store.has, pair))]
    with listed_once():
        missing = [*reads.reads(stage for stage in grid.stages if store is None or not store.has(stage))]
        own = grid.experiment.tasks
        lines += [*reads.same_files(grid.stages), *reads.same_rows(pairs, missing, own)]
        return [*lines, *odd_texts(missing, own)]


def _elsewhere(experiment: Experiment) -> Iterator[str]:
    """Backbones that only the hub may have: a misspelled name is noticed when the run loads it."""
    for backbone in experiment.backbones:
        source = backbone.source
        if source and not source.startswith("microworld:") and not checkpoint_of(source) and not Path(source).exists():
            found = f"'{source}' is neither in `xstilts list backbones` nor a folder"
            near = experiment.folder / source
            meant = f"; {near} exists: give this path" if near.is_dir() else hint(source)
            yield f"backbone '{backbone.name}': {found}; a run will look for it on the hub{meant}"


def _own(experiment: Experiment, roots: tuple[Path, ...]) -> Iterator[Read]:
    """The files that the experiment's own tasks read, even if the experiment has other problems."""
    for name in experiment.own_names:
        task, spec, places = experiment.task(name), experiment.tasks[name], (experiment.folder, *roots)
        for split in task.files:
            one = split != spec.measured and ("language" in spec.columns or not spec.by_language(split))
            try:
                there = [experiment.source] if one else task.available(places, split)
            except DataError:  # of a column of languages: `_found` will raise it too
                there = [*task.languages[:1]]
            yield from (Read(task, places, split, code) for code in there)


def _found(read: Read) -> FileCheck:
    task, roots, split, language = read
    paths: tuple[Path, ...] = ()
    try:
        paths = tuple(read.paths)
        found = task.found(roots, split, language)
        if found.withheld:
            raise task.gold_needed(roots, split, language)
        notes, columns, reader = list(found.notes), "", task.read
        if found.rows == 1 and task.type == "retrieval":
            notes.append("a single pair: with no other candidate, any model scores 100")
        if isinstance(reader, ColumnReader):
            notes = [f"{path.name}: {words}" for path in paths if (words := reader.dialect(path))] + notes
            columns = reader.columns_told(paths[0], language)
    except XstiltsError as error:
        return FileCheck(task.name, split, language, paths, problem=str(error))
    return FileCheck(task.name, split, language, paths, found.rows, found.labels, tuple(notes), columns=columns)
