"""`xstilts check`: what an experiment would read and train, before anything is trained."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, replace
from itertools import groupby
from pathlib import Path

import typer

from xstilts.cli.options import DataOption, FileArgument, Folders, JsonOption, LimitOption, SetOption, sets_of
from xstilts.cli.output import emit, lines, some
from xstilts.session.check import Files
from xstilts.session.check import check as find
from xstilts.session.lengths import PhaseLength
from xstilts.session.loading import load


def check(
    file: FileArgument,
    data: DataOption = None,
    sets: SetOption = None,
    limit: LimitOption = None,
    as_json: JsonOption = False,
) -> None:
    """Read all files of an experiment and show what is in them, without training.

    Prints rows per language, labels with their counts, the number of
    optimizer steps of each training phase, and what is missing or assumed.
    Exits with code 2 if a file cannot be read.

    Examples:
      xstilts check first.yaml
      xstilts check table1 --data official --json
    """
    show_check(file, data, as_json, sets=sets_of(sets, limit))


def show_check(file: Path, data: Folders, as_json: bool, only: Collection[str] = (), sets: Sequence[str] = ()) -> None:
    """Print the check of an experiment file, or of `only` some of its tasks."""
    experiment = load(file, sets)
    for name in only:
        experiment.task(name)
    found = find(experiment, data)
    if only:
        found = replace(found, files=tuple(one for one in found.files if one.task in only))
    if as_json:
        files = [{**asdict(one), "paths": [str(path) for path in one.paths]} for one in found.files]
        phases = [asdict(one) for one in found.phases]
        emit({"files": files, "phases": phases, "notices": found.notices, "problems": found.problems})
    else:
        lines(found_lines(found.files))
        if found.phases:
            lines(["training phases", *map(_phase, found.phases)])
        lines(f"note: {notice}" for notice in found.notices)
        for problem in found.problems:
            sys.stderr.write(f"error: {problem}\n")
    if found.problems:
        raise typer.Exit(2)


def _phase(one: PhaseLength) -> str:
    steps = f"{one.steps:,} step{'s' * (one.steps != 1)}"
    names = " and ".join(name.replace("_", " ") for name in one.by_default)
    return (
        f"  {one.phase}: {steps} of {one.batch_size} examples, drawn from {one.examples:,} ({one.epochs:g} epochs), "
        f"learning rate {one.learning_rate:g}{f'; {names} by default' if names else ''}"
    )


def found_lines(files: Sequence[Files]) -> Iterator[str]:
    """What was found, by task and split."""
    for task, of_task in groupby(sorted(files, key=lambda one: one.task), key=lambda one: one.task):
        yield task
        for split, of_split in groupby(of_task, key=lambda one: one.split):
            parts = list(of_split)
            rows = {one.language: one.rows for one in parts}
            several = f"{len(rows)} languages, {sum(rows.values()):,} rows: " if len(rows) > 1 else ""
            yield f"  {split:<11}{several}{some(f'{code} {count:,}' for code, count in rows.items())}"
            if paths := dict.fromkeys(path.name for one in parts for path in one.paths):
                yield f"  {'':<11}in {some(paths)}"
            for columns in dict.fromkeys(one.columns for one in parts if one.columns):
                yield f"  {'':<11}columns: {columns}"
            labels: Counter[str] = Counter()
            for one in parts:
                labels.update(one.labels)
            if labels:
                counts = (f"{label} {count:,}" for label, count in labels.most_common())
                yield f"  {'':<11}{len(labels)} label{'s' * (len(labels) != 1)}: {some(counts)}"
            for note in dict.fromkeys(note for one in parts for note in one.notes):
                yield f"  {'':<11}note: {note}"
