"""How many rows a prepare stage has: as the official release states, else counted in the files. For plans."""

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
from xstilts.stages.reading import root_of, split_of, task_of
from xstilts.tasks import TASKS
from xstilts.tasks.as_json import task_from_json
from xstilts.tasks.base import DOMAIN, Split
from xstilts.translation.spec import SOURCE

ASSUMED_ROWS: Mapping[str, int] = {"train": 20_000, "validation": 1_000, "test": 1_000}
"""Rows per language where neither a source nor files give them; the plan marks them as assumed."""
_WORLD_SIZES = {"text": "documents"}


@lru_cache(maxsize=4096)
def rows_of(prepared: Stage, most: int | None = None) -> tuple[dict[str, int], str]:
    """Rows per language of a prepare stage after its limit and holdout, and a note where they are assumed.

    Args:
        most: rows that matter; no more are read of longer files.

    Raises:
        DataError: files that must be counted are missing or damaged.
    """
    config = prepared.config
    holdout, limit, validation = config["holdout"], config["limit"], config["split"] == "validation"
    most = min(filter(None, (most, limit, holdout if validation else None)), default=None)
    # A translation has as many rows as English, less those left out.
    read = {code: SOURCE if f"translation_{code}" in prepared.inputs else code for code in config["languages"]}
    found, note = _before_limits(prepared, list(dict.fromkeys(read.values())), most and most + holdout)
    rows = {code: found[source] for code, source in read.items()}
    if holdout and validation:
        rows = {code: min(count, holdout) for code, count in rows.items()}
    elif holdout and config["split"] == "train":
        rows = {code: max(1, count - holdout) for code, count in rows.items()}
    return {code: min(count, limit or count) for code, count in rows.items()}, note


def _before_limits(prepared: Stage, languages: Sequence[str], most: int | None) -> tuple[dict[str, int], str]:
    name, split, settings = prepared.config["task"], split_of(prepared.config), prepared.settings
    if settings.get("roots") is None:
        return dict.fromkeys(languages, _world_rows(name, split)), ""
    files = settings["task"]["files"].get(split, ())
    registered = name in TASKS and list(TASKS.get(name).files.get(split, ())) == list(files)
    known = official_rows(name, split) if registered else {}
    unknown = [code for code in languages if code not in known]
    if not unknown:
        return {code: known[code] for code in languages}, ""
    task, root = task_of(prepared), root_of(settings)
    if all(is_empty(path) for code in unknown for path in task.paths(root, split, code)):
        rows = ASSUMED_ROWS[split]
        note = f"rows of {name} {split} are not known without its files: {rows:,} per language are assumed"
        return {code: known.get(code, rows) for code in languages}, note
    counted = {code: _count(prepared, split, code, most) for code in unknown}
    return {code: known[code] if code in known else counted[code] for code in languages}, ""


def is_empty(path: Path) -> bool:
    """Whether it is in the place of a missing file (`planning.empty_files`)."""
    return path.stat().st_size == 0


def _count(prepared: Stage, split: Split, code: str, most: int | None) -> int:
    if TYPES.get(prepared.config["type"]).raw:  # raw text is large, and its size on disk gives its tokens
        return 0
    asked = [prepared.settings["task"], prepared.settings["roots"], prepared.config["files"].get(code)]
    return _examples(json.dumps(asked), split, code, most)


@lru_cache(maxsize=4096)
def _examples(asked: str, split: Split, code: str, most: int | None) -> int:
    """Examples of some files, for all tokenizers together."""
    task, roots, _ = json.loads(asked)
    return sum(1 for _ in islice(task_from_json(task).stream(root_of({"roots": roots}), split, code), most))


def _world_rows(name: str, split: Split) -> int:
    """Items of a microworld's task and split, per language."""
    if name.startswith(DOMAIN):
        return DEFAULT_DOMAIN.documents if split == "train" else DEFAULT_DOMAIN.test
    field = name.removeprefix("micro_")
    if field == "retrieval":
        return DEFAULT.retrieval
    return int(getattr(DEFAULT, split if split != "train" else _WORLD_SIZES.get(field, field)))
