"""Tasks: one entry each in the `.toml` files beside this one.

The keys of an entry are the fields of `Task`, with these differences:

- `from`: another entry whose keys it takes over, except for where its files are;
- `patterns`: patterns with `{split}`, filled in as `splits` says (our name -> the data set's); `files` adds more;
- `joins`: tasks whose files are read as one task, in every combination of their patterns;
- `read`, `labels`: `module:name` in `xstilts.data.readers`; `labels` may also be a list;
- `languages`: codes separated by blanks; `xtreme` and `xtreme-r` stand for the task's languages in that benchmark,
  `all` for every known language, `-en` leaves one out.
"""

import tomllib
from importlib import import_module
from itertools import product
from pathlib import Path
from typing import Any

from xstilts.core.languages import LANGUAGES, languages
from xstilts.tasks.base import TASKS, Encoding, Split, Task, check_language
from xstilts.tasks.benchmarks import BENCHMARKS

__all__ = ["TASKS", "Encoding", "Split", "Task", "check_language"]
_OF_FILES = ("joins", "patterns", "splits", "files")


def _task(name: str, row: dict[str, Any]) -> Task:
    made = {
        "read": _reader_part(row["read"]),
        "labels": _reader_part(labels) if isinstance(labels := row.get("labels", ()), str) else tuple(labels),
        "languages": _languages(name, row.get("languages", "en")),
        "files": _files(row),
        "gold": {split: tuple(patterns) for split, patterns in row.get("gold", {}).items()},
        "beside": tuple(row.get("beside", ())),
        "encoding": Encoding(**row.get("encoding", {})),
    }
    return Task(name, **{**{key: value for key, value in row.items() if key not in _OF_FILES}, **made})


def _inherited(rows: dict[str, dict[str, Any]], row: dict[str, Any]) -> dict[str, Any]:
    if "from" not in row:
        return row
    parent = _inherited(rows, rows[row["from"]])
    there = {key: value for key, value in parent.items() if key not in _OF_FILES}
    return {**there, **{key: value for key, value in row.items() if key != "from"}}


def _reader_part(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(import_module(f"xstilts.data.readers.{module}"), name)


def _languages(task: str, words: str) -> tuple[str, ...]:
    found: list[str] = []
    for word in words.split():
        if word == "all":
            found += LANGUAGES
        elif word in BENCHMARKS:
            found += BENCHMARKS[word].languages[task]
        elif word.startswith("-"):
            found.remove(word[1:])
        else:
            found += languages(word)
    return tuple(found)


def _files(row: dict[str, Any]) -> dict[Split, tuple[str, ...]]:
    if "joins" in row:
        parts = [TASKS.get(name).files for name in row["joins"]]
        shared = [split for split in parts[0] if all(split in files for files in parts)]
        return {split: tuple(map(" + ".join, product(*(files[split] for files in parts)))) for split in shared}
    splits = row.get("splits", {"train": "train", "validation": "dev", "test": "test"})
    patterns = row.get("patterns", ())
    files = {split: [pattern.replace("{split}", name) for pattern in patterns] for split, name in splits.items()}
    for split, more in row.get("files", {}).items():
        files.setdefault(split, []).extend(more)
    return {split: tuple(found) for split, found in files.items() if found}


for _path in sorted(Path(__file__).parent.glob("*.toml")):
    _rows = tomllib.loads(_path.read_text("utf-8"))
    for _name, _row in _rows.items():
        TASKS.add(_name, _task(_name, _inherited(_rows, _row)))
