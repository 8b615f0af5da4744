"""What stages read of official files. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from xstilts.core.errors import DataError
from xstilts.core.seeds import derive_seed, generator
from xstilts.data.examples import Example, asked
from xstilts.data.locate import Root, folders_of
from xstilts.graph.stage import Stage
from xstilts.tasks import Encoding, Task
from xstilts.tasks.as_json import task_from_json
from xstilts.tasks.base import Split


def root_of(settings: Mapping[str, Any], inputs: Mapping[str, Path] | None = None, world: str = "world") -> Root:
    """Where a stage's files are: in its input `world` if it has one, else in the data folders of its settings."""
    found = (inputs or {}).get(world)
    return found or tuple(map(Path, settings["roots"]))


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
            problem = f"{task.name}: a holdout of {holdout} leaves none of {len(chosen)} examples"
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
