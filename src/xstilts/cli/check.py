"""`xstilts check`: what an experiment would read and train."""

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from itertools import groupby

import typer

from xstilts.cli import options as opt
from xstilts.cli.output import show, some
from xstilts.planning.amounts import PhaseLength
from xstilts.session.check import FileCheck
from xstilts.session.check import check as find
from xstilts.session.loading import load
from xstilts.session.reads import short_name


def check(
    file: opt.File, data: opt.Data = None, sets: opt.Set = None, limit: opt.Limit = None, as_json: opt.Json = False
) -> None:
    """Read all files of an experiment and show what is in them, without training.

    Prints rows per language, label counts, optimizer steps per training
    phase, and what is missing or assumed.
    Exits with code 2 if a file cannot be read.

    Examples:
      xstilts check first.yaml
      xstilts check table1 --data official --json
    """
    found = find(load(file, opt.sets_of(sets, limit)), data)
    files = [{**asdict(one), "paths": [str(path) for path in one.paths]} for one in found.files]
    phases = [asdict(one) for one in found.phases]
    texts = [*found_lines(found.files), *["training phases"] * bool(phases), *map(_phase, found.phases)]
    texts += [f"note: {notice}" for notice in found.notices]
    show({"files": files, "phases": phases, "notices": found.notices, "problems": found.problems}, as_json, texts)
    if found.problems:
        sys.stderr.writelines(f"error: {problem}\n" for problem in found.problems if not as_json)
        raise typer.Exit(2)


def _phase(one: PhaseLength) -> str:
    names = " and ".join(name.replace("_", " ") for name in one.by_default)
    drawn = " and ".join([f"{one.examples:,}"] * bool(one.examples) + ["raw text"] * one.raw) or "none"
    return (
        f"  {one.phase}: {one.steps:,} step{'s' * (one.steps != 1)} of {one.batch_size} examples, drawn from "
        f"{drawn} ({one.epochs:g} epoch{'s' * (one.epochs != 1)}), learning rate {one.learning_rate:g}"
        f"{f'; {names} by default' if names else ''}"
    )


def found_lines(files: Iterable[FileCheck]) -> Iterator[str]:
    """Lines about files, by task and split."""
    for task, of_task in groupby(sorted(files, key=lambda one: one.task), key=lambda one: one.task):
        yield task
        for split, of_split in groupby(of_task, key=lambda one: one.split):
            first, *more = _of_split(list(of_split))
            yield f"  {split:<11}{first}"
            yield from (f"{'':<13}{line}" for line in more)


def _of_split(parts: Sequence[FileCheck]) -> Iterator[str]:
    rows = {one.language: one.rows for one in parts}
    several = f"{len(rows)} languages, {sum(rows.values()):,} rows: " if len(rows) > 1 else ""
    yield several + some(f"{code} {count:,}" for code, count in rows.items())
    if paths := dict.fromkeys(path for one in parts for path in one.paths):
        yield f"in {some(short_name(path, paths) for path in paths)}"
    yield from dict.fromkeys(f"columns: {one.columns}" for one in parts if one.columns)
    if labels := sum((Counter(one.labels) for one in parts), Counter[str]()):
        counts = (f"{label} {count:,}" for label, count in labels.most_common())
        yield f"{len(labels)} label{'s' * (len(labels) != 1)}: {some(counts)}"
    notes: dict[str, list[str]] = {}
    for one in parts:
        for note in one.notes:
            notes.setdefault(note, []).append(one.language)
    for note, codes in notes.items():
        yield f"note: {note}" + (f" ({some(codes)})" if len(codes) < len(parts) else "")
