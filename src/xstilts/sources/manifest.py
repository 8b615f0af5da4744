"""The manifest: what is known of every data set's official release, as tables beside this file.

`rows.tsv`: how many examples the task's reader must find, per split and language. The source of each number is in its
row: `hf-infos` is `dataset_infos.json` of huggingface/datasets at 55924c5e, `release` is counted in the official files
at the commit that `files.tsv` names. What no source states is not there.

`files.tsv`: official files for direct download, pinned by commit or by SHA-256 (of the file, or of the archive where
the address ends in `#member`); the checksums are those of `hf-infos`, or of the file at the pinned commit.

`hub.tsv`: Parquet copies on the hub and the official form they are written back to. No revision is given: the first
fetch resolves one and the lock keeps it.

In all three, `languages` are the data set's own names (`deu_Latn`), `*` is all of them in one file or one number, and
`{language}` in a path is such a name. Licence, citation, official page and defects are fields of the task.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from xstilts.core.languages import code_of
from xstilts.tasks import TASKS, Task

Row = Mapping[str, str]
ALL = "*"


@dataclass(frozen=True)
class Direct:
    """An official file: `url` may end in `#member` of an archive, whose checksum `sha256` then is ('' if unknown)."""

    url: str
    sha256: str


@dataclass(frozen=True)
class Parquet:
    """A split of a dataset repository on the hub, and the form that its rows are written in."""

    repository: str
    config: str
    split: str
    form: str


@dataclass(frozen=True)
class Item:
    """One file of a task: where it goes below the data folder, and where it comes from; language `*` is all."""

    task: str
    split: str
    language: str
    path: str
    origin: Direct | Parquet


def official_rows(task: str, split: str) -> dict[str, int]:
    """Language -> examples in the official release, for the languages whose number has a source."""
    found: dict[str, int] = {}
    for row in _table("rows"):
        if (row["task"], row["split"]) == (task, split):
            codes = TASKS.get(task).languages if row["languages"] == ALL else row["languages"].split()
            found.update(dict.fromkeys(codes, int(row["rows"])))
    return found


def direct_items(task: str) -> list[Item]:
    """The task's official files that can be downloaded as they are."""
    return [
        Item(task, row["split"], code, path, Direct(_fill(row["url"], name), row["sha256"]))
        for row in _table("files")
        if row["task"] == task
        for name, code, path in _paths(row)
    ]


def hub_items(task: str) -> list[Item]:
    """The task's Parquet copies on the hub."""
    return [
        Item(task, row["split"], code, path, _parquet(row, name))
        for row in _table("hub")
        if row["task"] == task
        for name, code, path in _paths(row)
    ]


def by_hand(task: Task) -> str:
    """One line for a task that cannot be fetched: where its files are and where they should go."""
    paths = ", ".join(f"{split}: {patterns[0]}" for split, patterns in task.files.items())
    return f"{task.name} cannot be fetched: get it from {task.source} and put its files at {paths} of the data folder"


def _parquet(row: Row, name: str) -> Parquet:
    return Parquet(row["repository"], _fill(row["config"], name), row["hub_split"], row["form"])


def _paths(row: Row) -> Iterator[tuple[str, str, str]]:
    """Triples (the data set's name of a language, its code, path)."""
    for name in row["languages"].split():
        yield name, ALL if name == ALL else code_of(name), _fill(row["path"], name)


def _fill(pattern: str, name: str) -> str:
    return pattern.replace("{language}", name)


@cache
def _table(name: str) -> tuple[Row, ...]:
    lines = Path(__file__).with_name(f"{name}.tsv").read_text("utf-8").rstrip("\n").split("\n")
    header = lines[0].split("\t")
    return tuple(dict(zip(header, line.split("\t"), strict=True)) for line in lines[1:])
