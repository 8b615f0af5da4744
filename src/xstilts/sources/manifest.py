"""The manifest: what is known of every data set's official release, as tables beside this file.

`rows.tsv`: how many examples the task's reader must find, per split and language, each with the source of the number:
`hf-infos` is `dataset_infos.json` of huggingface/datasets at 55924c5e, `release` is counted in the official files at
the commit that `files.tsv` names. Numbers without a source are not listed.

`files.tsv`: official files for direct download, pinned by commit or by SHA-256 (of the file, or of the archive where
the address ends in `#member`); the checksums are those of `hf-infos`, or of the file at the pinned commit.

`hub.tsv`: Parquet copies on the hub and the official form they are written back to. The first fetch resolves a revision
and the lock keeps it.

In all three, `languages` are the data set's own names (`deu_Latn`), `*` is all of them in one file or one number, and
`{language}` in a path is such a name. Licence, citation, official page and defects are fields of the task.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from xstilts.core.languages import language
from xstilts.tasks import TASKS, Task

ALL = "*"


@dataclass(frozen=True)
class Direct:
    """An official file: `url` may end in `#member` of an archive, whose checksum `sha256` then is ('' if unknown)."""

    url: str
    sha256: str


@dataclass(frozen=True)
class Parquet:
    """A split of a dataset repository on the hub, and the form in which its rows are written."""

    repository: str
    config: str
    split: str
    form: str


@dataclass(frozen=True)
class DataFile:
    """One file of a task: its path below the data folder, and where it comes from; language `*` is all."""

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


def direct_files(task: str) -> list[DataFile]:
    """The task's official files that can be downloaded as they are."""
    return [DataFile(*place, Direct(row["url"], row["sha256"])) for place, row in _rows(task, "files")]


def hub_files(task: str) -> list[DataFile]:
    """The files of the task that can be made from Parquet on the hub."""
    fields = ("repository", "config", "hub_split", "form")
    return [DataFile(*place, Parquet(*(row[field] for field in fields))) for place, row in _rows(task, "hub")]


def by_hand(task: Task) -> str:
    """One line for a task that cannot be fetched: where its files are and where they should go."""
    paths = ", ".join(f"{split}: {patterns[0]}" for split, patterns in task.files.items())
    return f"{task.name} cannot be fetched: get it from {task.source} and put its files at {paths} of the data folder"


def _rows(task: str, table: str) -> Iterator[tuple[tuple[str, str, str, str], dict[str, str]]]:
    """(Task, split, language, path) of each file, and its row of the table."""
    for row in _table(table):
        for name in row["languages"].split() if row["task"] == task else ():
            filled = {column: cell.replace("{language}", name) for column, cell in row.items()}
            yield (task, row["split"], ALL if name == ALL else language(name).code, filled["path"]), filled


@cache
def _table(name: str) -> list[dict[str, str]]:
    lines = Path(__file__).with_name(f"{name}.tsv").read_text("utf-8").rstrip("\n").split("\n")
    header, *rows = (line.split("\t") for line in lines)
    return [dict(zip(header, row, strict=True)) for row in rows]
