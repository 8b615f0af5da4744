"""Whether data sets are there and whole: files are found and read as a run would read them, and rows are counted.

A file that the task's reader refuses, whose number of examples is not the official one, or whose checksum is not the
lock's, is damaged. A pattern with `*` stands for parts (`train-v1.1.*.json`, the rounds of ANLI): fewer rows are then
part of the release, not damage.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from xstilts.core.errors import DataError
from xstilts.core.files import sha256
from xstilts.data.examples import asked, gold_of
from xstilts.data.locate import languages_there
from xstilts.sources.lock import Lock, load_lock
from xstilts.sources.manifest import official_rows
from xstilts.tasks import Split, Task

Status = Literal["there", "part", "withheld", "missing", "damaged"]


@dataclass(frozen=True)
class Finding:
    """One split of one task in one language.

    Attributes:
        status: `there`; `part` of the release; `withheld`: whole, but without gold; `missing`; `damaged`.
        rows: examples read; `None` when nothing was.
        official: examples of the official release; `None` when no source states it.
        problem: the reader's message when damaged, else empty.
    """

    task: str
    split: str
    language: str
    status: Status
    rows: int | None = None
    official: int | None = None
    problem: str = ""

    def row(self) -> dict[str, Any]:
        """The finding as a JSON object."""
        return asdict(self)


def check(tasks: Sequence[Task], root: Path, *, quick: bool = False) -> Iterator[list[Finding]]:
    """One list of findings per task and split, as they are found.

    Args:
        quick: only whether there are files; nothing is opened.

    Raises:
        DataError: no data folder, or a damaged lock.
    """
    if not root.is_dir():
        raise DataError("the data folder does not exist", root)
    lock = load_lock(root)
    digests: dict[str, str] = {}
    for task in tasks:
        for split in task.files:
            yield list(_split(task, split, root, None if quick else _Digests(root, lock, digests)))


@dataclass(frozen=True)
class _Digests:
    """Checksums of fetched files, each computed once."""

    root: Path
    lock: Lock
    known: dict[str, str]

    def differing(self, task: str, split: str, language: str) -> str:
        """What is wrong with the fetched files of one split and language; empty when nothing is."""
        for name in self.lock.of(task, split, language):
            path = self.root / name
            if name not in self.known:
                self.known[name] = sha256(path) if path.is_file() else ""
            if self.known[name] != self.lock.files[name].sha256:
                change = (
                    "is not what was fetched (its checksum differs)" if self.known[name] else "was fetched and is gone"
                )
                return f"{path}: {change}; delete it if it is there, and fetch {task} again"
        return ""


def _split(task: Task, split: Split, root: Path, digests: _Digests | None) -> Iterator[Finding]:
    official = official_rows(task.name, split)
    there = task.available(root, split)
    raw = task.type in ("masked_lm", "contrastive")  # every language that has text: none of them is missing
    for language in there if raw and there else task.languages:
        rows = official.get(language)
        if language not in there:
            yield Finding(task.name, split, language, "missing", official=rows)
        elif digests is None:
            yield Finding(task.name, split, language, "there", official=rows)
        else:
            yield _read(task, split, language, root, digests)


def _read(task: Task, split: Split, language: str, root: Path, digests: _Digests) -> Finding:
    official = official_rows(task.name, split).get(language)

    def found(status: Status, rows: int | None = None, problem: str = "") -> Finding:
        return Finding(task.name, split, language, status, rows, official, problem)

    if problem := digests.differing(task.name, split, language):
        return found("damaged", problem=problem)
    try:
        examples = task.load(root, split, language)
    except DataError as error:
        return found("damaged", problem=str(error))
    gold = {gold_of(example) is not None for example in examples if asked(example)}
    place = task.paths(root, split, language)[0]
    if len(gold) > 1:
        return found("damaged", len(examples), f"{place}: some examples have gold and some have none")
    if official is not None and len(examples) != official:
        if len(examples) > official or not _in_parts(task, split, language, root):
            return found("damaged", len(examples), f"{place}: {len(examples):,} examples, officially {official:,}")
        return found("part", len(examples))
    return found("there" if gold == {True} else "withheld", len(examples))


def _in_parts(task: Task, split: Split, language: str, root: Path) -> bool:
    """Whether the pattern that is read stands for several files, some of which may be absent."""
    pattern = next(p for p in task.files[split] if language in languages_there(root, (p,), (language,)))
    return "*" in pattern
