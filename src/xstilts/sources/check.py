"""Checks whether data sets are complete: finds and reads files as a run does, and counts rows.

A file is damaged if the task's reader refuses it, its number of examples is not the official one, or its checksum is
not the lock's. A pattern with `*` stands for parts (`train-v1.1.*.json`, the rounds of ANLI): fewer rows are then part
of the release, not damage.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Literal

from xstilts.core.errors import DataError
from xstilts.core.files import sha256
from xstilts.data.examples import ParallelExample, asked, gold_of
from xstilts.data.locate import languages_there
from xstilts.sources.fetch import Lock, load_lock
from xstilts.sources.manifest import ALL, official_rows
from xstilts.tasks import Split, Task


@dataclass(frozen=True)
class SplitCheck:
    """One split of one task in one language.

    Attributes:
        status: `there`; `part` of the release; `withheld`: complete, but without gold; `missing`; `damaged`.
        rows: examples read; `None` when nothing was.
        official: examples of the official release; `None` when no source states it.
        problem: the reader's message when damaged, else empty.
        note: a probable copying mistake: another file with the same content, or two equal sides.
    """

    task: str
    split: Split
    language: str
    status: Literal["there", "part", "withheld", "missing", "damaged"]
    rows: int | None = None
    official: int | None = None
    problem: str = ""
    note: str = ""


def check(tasks: Sequence[Task], root: Path, *, quick: bool = False) -> Iterator[list[SplitCheck]]:
    """One list per task and split, as they are found; with `quick` only whether files exist: nothing is opened.

    Raises `DataError` if there is no data folder, or the lock is damaged.
    """
    if not root.is_dir():
        raise DataError("the data folder does not exist", root)
    lock, digest = load_lock(root), cache(sha256)
    for task in tasks:
        sizes: dict[int, dict[Path, str]] = {}
        for split in task.files:
            official = official_rows(task.name, split)
            there = task.available(root, split)
            raw = task.type in ("masked_lm", "contrastive")  # no language is missing: they have what text there is
            found = []
            for language in there if raw and there else task.languages:
                status: Literal["there", "missing"] = "there" if language in there else "missing"
                one = SplitCheck(task.name, split, language, status, official=official.get(language))
                if not quick and status == "there":
                    one = _read(task, root, one, _changed(root, one, lock, digest))
                    one = replace(one, note=one.note or _copied(task, root, one, sizes, digest))
                found.append(one)
            yield found


def _copied(
    task: Task, root: Path, about: SplitCheck, sizes: dict[int, dict[Path, str]], digest: Callable[[Path], str]
) -> str:
    """A note if a file has the content of an earlier one of the task; `sizes`: size -> these, with what they are."""
    note = ""
    for path in () if about.status == "damaged" else task.paths(root, about.split, about.language):
        alike = sizes.setdefault(path.stat().st_size, {})
        twins = (other for other in alike if other != path and digest(other) == digest(path))
        if not note and (twin := next(twins, None)):
            note = f"{path} has the same content as {twin} ({alike[twin]}): is one of them in the wrong place?"
        alike.setdefault(path, f"{about.split}, {about.language}")
    return note


def _read(task: Task, root: Path, blank: SplitCheck, problem: str) -> SplitCheck:
    """`problem`: the fault of the fetched files."""
    split, language, official = blank.split, blank.language, blank.official
    try:
        examples = [] if problem else task.load(root, split, language)
    except DataError as error:
        problem = str(error)
    if problem:
        return replace(blank, status="damaged", problem=problem)
    pairs = [one.source.strip() == one.target.strip() for one in examples if isinstance(one, ParallelExample)]
    place = task.paths(root, split, language)[0]
    both = f"{place}: both sides of all pairs are the same text"
    found = replace(blank, rows=len(examples), note=both if pairs and all(pairs) else "")
    gold = {gold_of(example) is not None for example in examples if asked(example)}
    if len(gold) > 1:
        return replace(found, status="damaged", problem=f"{place}: some examples have gold and some have none")
    if official is not None and len(examples) != official:
        pattern = next(p for p in task.files[split] if languages_there(root, (p,), (language,)))
        if len(examples) < official and "*" in pattern:
            return replace(found, status="part")
        problem = f"{place}: {len(examples):,} examples, officially {official:,}"
        return replace(found, status="damaged", problem=problem)
    return replace(found, status="there" if gold == {True} else "withheld")


def _changed(root: Path, about: SplitCheck, lock: Lock, digest: Callable[[Path], str]) -> str:
    for name, file in lock.files.items():
        if (file.task, file.split) == (about.task, about.split) and file.language in (about.language, ALL):
            if not (root / name).is_file():
                return f"{root / name}: was fetched and is gone; fetch {about.task} again"
            if digest(root / name) != file.sha256:
                return f"{root / name}: its checksum differs; delete it and fetch {about.task} again"
    return ""
