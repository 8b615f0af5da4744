"""How many rows a prepare stage has: as the official release says, else counted in the files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path

from xstilts.data.readers.types import TYPES
from xstilts.graph.stage import Stage
from xstilts.microworld.world import DEFAULT, DEFAULT_DOMAIN
from xstilts.sources.manifest import official_rows
from xstilts.tasks import TASKS, Task
from xstilts.tasks.as_json import task_from_json
from xstilts.tasks.base import Split
from xstilts.tasks.microworld import DOMAIN
from xstilts.translation.spec import SOURCE

ASSUMED_ROWS: Mapping[str, int] = {"train": 20_000, "validation": 1_000, "test": 1_000}
"""Per language, where neither a source nor files tell; the plan says so."""
_WORLD_SIZES = {"text": "documents"}


@lru_cache(maxsize=4096)
def rows_of(prepared: Stage, most: int | None = None) -> tuple[dict[str, int], str]:
    """Rows per language of a prepare stage after its limit and holdout, and a note where they are assumed.

    Args:
        most: rows that matter; of longer files no more are read.

    Raises:
        DataError: files that must be counted are missing or damaged.
    """
    config, split = prepared.config, split_of(prepared)
    held = config["holdout"] if config["split"] == "validation" else None
    most = min(filter(None, (most, config["limit"], held)), default=None)
    most = None if most is None else most + config["holdout"]
    codes: Sequence[str] = config["languages"]
    translated = [code for code in codes if f"translation_{code}" in prepared.inputs]
    languages = list(dict.fromkeys(SOURCE if code in translated else code for code in codes))
    if prepared.settings.get("roots") is None:
        found = dict.fromkeys(languages, _world_rows(config["task"], split))
        note = ""
    else:
        found, note = _official(prepared, split, languages, most)
    # A translation has as many as English, less what is left out.
    found = {code: found[SOURCE if code in translated else code] for code in codes}
    holdout = config["holdout"]
    if holdout and config["split"] == "validation":
        found = {code: min(rows, holdout) for code, rows in found.items()}
    elif holdout and config["split"] == "train":
        found = {code: max(1, rows - holdout) for code, rows in found.items()}
    if config["limit"]:
        found = {code: min(rows, config["limit"]) for code, rows in found.items()}
    return found, note


def _official(prepared: Stage, split: Split, languages: Sequence[str], most: int | None) -> tuple[dict[str, int], str]:
    name, root, files = prepared.config["task"], roots_of(prepared), prepared.settings["task"]["files"]
    registered = name in TASKS and list(TASKS.get(name).files.get(split, ())) == list(files.get(split, ()))
    known = official_rows(name, split) if registered else {}
    unknown = [code for code in languages if code not in known]
    if not unknown:
        return {code: known[code] for code in languages}, ""
    if all(is_empty(path) for code in unknown for path in task_of(prepared).paths(root, split, code)):
        rows = ASSUMED_ROWS[split]
        note = f"rows of {name} {split} are not known without its files: {rows:,} a language are assumed"
        return {code: known.get(code, rows) for code in languages}, note
    counted = {code: _count(prepared, split, code, most) for code in unknown}
    return {code: known[code] if code in known else counted[code] for code in languages}, ""


def is_empty(path: Path) -> bool:
    """Whether it stands for a file that is not there (`planning.empty_files`)."""
    return path.stat().st_size == 0


def _count(prepared: Stage, split: Split, code: str, most: int | None) -> int:
    if TYPES.get(prepared.config["type"]).raw:  # raw text is large, and its size on disk tells its tokens
        return 0
    asked = [prepared.settings["task"], prepared.settings["roots"], prepared.config["files"].get(code)]
    return _examples(json.dumps(asked), split, code, most)


@lru_cache(maxsize=4096)
def _examples(asked: str, split: Split, code: str, most: int | None) -> int:
    """Examples of some files, whichever tokenizer they are prepared for."""
    told, roots, _ = json.loads(asked)
    return sum(1 for _ in islice(task_from_json(told).stream(tuple(map(Path, roots)), split, code), most))


def _world_rows(name: str, split: Split) -> int:
    """Items of a microworld's task and split, per language."""
    if name.startswith(DOMAIN):
        return DEFAULT_DOMAIN.documents if split == "train" else DEFAULT_DOMAIN.test
    field = name.removeprefix("micro_")
    if field == "retrieval":
        return DEFAULT.retrieval
    if split != "train":
        return int(getattr(DEFAULT, split))
    return int(getattr(DEFAULT, _WORLD_SIZES.get(field, field)))


def split_of(prepared: Stage) -> Split:
    """The split whose files are read: a held-out validation set comes from the training files."""
    config = prepared.config
    split: Split = "train" if config["holdout"] and config["split"] == "validation" else config["split"]
    return split


def roots_of(prepared: Stage) -> tuple[Path, ...]:
    """The data folders that it reads."""
    return tuple(map(Path, prepared.settings["roots"]))


def task_of(prepared: Stage) -> Task:
    """The task that it reads."""
    return task_from_json(prepared.settings["task"])
