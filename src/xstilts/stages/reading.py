"""The official files that stages read, and their rows. No torch."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

from xstilts.core.errors import DataError, count
from xstilts.core.seeds import derive_seed, generator
from xstilts.data.examples import Example, asked
from xstilts.data.locate import Root, folders_of
from xstilts.data.readers.types import TYPES
from xstilts.graph.stage import Stage
from xstilts.microworld.world import DEFAULT, DEFAULT_DOMAIN
from xstilts.sources.manifest import official_rows
from xstilts.tasks import TASKS, Encoding, Task
from xstilts.tasks.base import DOMAIN, Split, task_from_json
from xstilts.translation.spec import SOURCE


def root_of(settings: Mapping[str, Any], inputs: Mapping[str, Path] | None = None, world: str = "world") -> Root:
    """The folder of a stage's files: its input `world` if it has one, else the data folders of its settings."""
    return (inputs or {}).get(world) or tuple(map(Path, settings["roots"]))


def task_of(prepared: Stage) -> Task:
    """The task of a prepare stage, with the stage's labels and encoding."""
    task, config = task_from_json(prepared.settings["task"]), prepared.config
    return replace(task, labels=tuple(config["labels"]), encoding=Encoding(**config["encoding"]))


def split_of(config: Mapping[str, Any]) -> Split:
    """The split whose files are read: a held-out validation set comes from the training files."""
    split: Split = "train" if config["holdout"] and config["split"] == "validation" else config["split"]
    return split


def select(task: Task, root: Root, config: Mapping[str, Any], language: str) -> list[Example]:
    """The examples of a prepare stage in one language; a fixed permutation says which of them are held out.

    Args:
        config: `split`, `holdout`, `limit` and `sampled` of the stage.
    """
    split, holdout = config["split"], config["holdout"]
    examples = task.load(root, split_of(config), language)
    chosen = [example for example in examples if asked(example)]
    if holdout and split in ("train", "validation"):
        if holdout >= len(chosen):
            problem = f"{task.name}: `holdout: {holdout}` leaves no training data of {count(len(chosen), 'example')}"
            raise DataError(problem, folders_of(root)[-1])
        order = generator(0, "holdout", task.name, language).permutation(len(chosen))
        kept = sorted(order[:holdout] if split == "validation" else order[holdout:])
        chosen = [chosen[i] for i in kept]
    if config.get("sampled"):
        chosen = sample(chosen, config["limit"])
    elif config["limit"]:
        chosen = chosen[: config["limit"]]
    return [*chosen, *(example for example in examples if not asked(example))]


def sample(examples: list[Example], count: int) -> list[Example]:
    """A fixed sample in file order: the `count` examples whose ids have the smallest hashes.

    The first examples would be no sample, since official files may be sorted by label (SIB-200). Where languages share
    ids, they share the sample.
    """
    smallest = sorted(range(len(examples)), key=lambda i: derive_seed(0, "limit", examples[i].id))[:count]
    return [examples[i] for i in sorted(smallest)]


ASSUMED_ROWS: Mapping[str, int] = {"train": 20_000, "validation": 1_000, "test": 1_000}
"""Rows per language where neither a source nor files give them; the plan marks them as assumed."""


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
    found, note = rows_before_limit(prepared, list(dict.fromkeys(read.values())), most and most + holdout)
    rows = {code: found[source] for code, source in read.items()}
    if holdout and validation:
        rows = {code: min(count, holdout) for code, count in rows.items()}
    elif holdout and config["split"] == "train":
        rows = {code: max(1, count - holdout) for code, count in rows.items()}
    return {code: min(count, limit or count) for code, count in rows.items()}, note


def rows_before_limit(prepared: Stage, languages: Sequence[str], most: int | None) -> tuple[dict[str, int], str]:
    """Rows as in `rows_of`, before limit and holdout are applied."""
    name, split, settings = prepared.config["task"], split_of(prepared.config), prepared.settings
    if settings.get("roots") is None:
        return dict.fromkeys(languages, _world_rows(name, split)), ""
    files = settings["task"]["files"].get(split, ())
    registered = name in TASKS and list(TASKS.get(name).files.get(split, ())) == list(files)
    known = official_rows(name, split) if registered else {}
    if unknown := [code for code in languages if code not in known]:
        task, root, rows = task_of(prepared), root_of(settings), ASSUMED_ROWS[split]
        if all(is_empty(path) for code in unknown for path in task.paths(root, split, code)):
            note = f"rows of {name} {split} are not known without its files: {rows:,} per language are assumed"
            return {code: known.get(code, rows) for code in languages}, note
        raw, read = TYPES.get(prepared.config["type"]).raw, prepared.config["files"]
        for code in unknown:  # raw text is large, and its size on disk gives its tokens
            asked = json.dumps([settings["task"], settings["roots"], read.get(code)])
            known = {**known, code: 0 if raw else _examples(asked, split, code, most)}
    return {code: known[code] for code in languages}, ""


def is_empty(path: Path) -> bool:
    """Whether it is an empty placeholder of a missing file (`planning.amounts`)."""
    return path.stat().st_size == 0


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
    own = "documents" if field == "text" else field
    return int(getattr(DEFAULT, own if split == "train" else split))
