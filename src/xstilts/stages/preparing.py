"""Tokenizer and prepare stages."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer

from xstilts.backbones.coder import Coder
from xstilts.backbones.vocabulary import VocabularyConfig, train_tokenizer
from xstilts.core.errors import BackboneError, DataError
from xstilts.core.files import write_json
from xstilts.core.seeds import generator
from xstilts.data.examples import Example, PlainText, PoolExample
from xstilts.stages.own import revive
from xstilts.task_types import TASK_TYPES
from xstilts.task_types.features import Features
from xstilts.task_types.pools import Ranking
from xstilts.tasks import Encoding, Task


def run_tokenizer(
    config: Mapping[str, Any], settings: Mapping[str, Any], directory: Path, inputs: Mapping[str, Path]
) -> None:
    """Train a tokenizer on raw text, or copy a pretrained one."""
    if "trained" not in config:
        try:
            tokenizer = AutoTokenizer.from_pretrained(settings["source"], revision=settings["revision"])
        except (OSError, ValueError) as error:
            reason = str(error).strip().splitlines()[0]
            raise BackboneError(f"tokenizer of '{settings['source']}' cannot be loaded: {reason}") from None
        tokenizer.save_pretrained(directory)
        return
    trained = config["trained"]
    root = inputs.get("world") or Path(settings["root"])
    tasks = [revive(row["name"], row, row["files"], row["languages"]) for row in settings["tasks"]]

    def lines() -> Iterator[str]:
        # Equal text per language: a larger language must not take the pieces of the others.
        for language in trained["languages"]:
            budget = trained["characters"]
            for task in tasks:
                if language not in task.available(root, "train"):
                    continue
                for example in task.load(root, "train", language):
                    assert isinstance(example, PlainText)
                    if budget <= 0:
                        break
                    budget -= len(example.text)
                    yield example.text

    options = VocabularyConfig(trained["vocabulary"], trained["alphabet"], trained["split_digits"])
    train_tokenizer(lines(), options).save_pretrained(directory)


def run_prepare(
    config: Mapping[str, Any],
    settings: Mapping[str, Any],
    directory: Path,
    inputs: Mapping[str, Path],
    report: Callable[[dict[str, Any]], None],
) -> None:
    """Read official files and write features: one folder `all`, or one per language."""
    root = inputs.get("world") or Path(settings["root"])
    task = task_of(config, settings)
    coder = Coder(AutoTokenizer.from_pretrained(inputs["tokenizer"]))
    task_type = TASK_TYPES.get(config["type"])
    parts: dict[str, Features] = {}
    pool: dict[str, PoolExample] = {}
    languages = config["languages"]
    for done, language in enumerate(languages):
        examples = select(task, root, config, language)
        check_labels(task, examples, language, required=config["labelled"])
        if isinstance(task_type, Ranking) and not config["combined"]:
            queries = [example for example in examples if isinstance(example, PoolExample) and example.query]
            task_type.encode_pool(queries, coder, task.encoding).save(directory / language)
            pool.update({e.id: e for e in examples if isinstance(e, PoolExample) and not e.query})
            continue
        features = task_type.encode(examples, coder, task.encoding, task.labels)
        if config["combined"]:
            parts[language] = features
        else:
            features.save(directory / language)
        report({"fraction": (done + 1) / len(languages), "message": language})
    if isinstance(task_type, Ranking) and pool:
        task_type.encode_pool(list(pool.values()), coder, task.encoding).save(directory / "pool")
    if parts:
        Features.concat(list(parts.values())).save(directory / "all")
    write_json(directory / "languages.json", languages)
    write_json(directory / "encoding.json", config["encoding"])


def task_of(config: Mapping[str, Any], settings: Mapping[str, Any]) -> Task:
    """The task as the stage describes it: a registered or a column reader, the experiment's own files and encoding."""
    task = revive(config["task"], config, settings["files"], config["languages"])
    return replace(task, labels=tuple(config["labels"]), encoding=Encoding(**config["encoding"]))


def select(task: Task, root: Path, config: Mapping[str, Any], language: str) -> list[Example]:
    """The examples of the asked split: held-out validation examples are drawn by a fixed permutation."""
    split, holdout = config["split"], config["holdout"]
    examples = task.load(root, "train" if holdout and split == "validation" else split, language)
    if holdout and split in ("train", "validation"):
        if holdout >= len(examples):
            raise DataError(f"{task.name}: holdout of {holdout} leaves nothing of {len(examples)} examples", root)
        order = generator(0, "holdout", task.name, language).permutation(len(examples))
        kept = sorted(order[:holdout] if split == "validation" else order[holdout:])
        examples = [examples[i] for i in kept]
    return _first(examples, config["limit"]) if config["limit"] else examples


def _first(examples: list[Example], limit: int) -> list[Example]:
    """The first examples; of pools the first queries, with all there is to search and to tune on."""
    kept: list[Example] = []
    for example in examples:
        if isinstance(example, PoolExample) and (example.sample or not example.query):
            kept.append(example)
        elif limit > 0:
            kept.append(example)
            limit -= 1
    return kept


def check_labels(task: Task, examples: list[Example], language: str, required: bool) -> None:
    """Refuse withheld gold where it is needed, and labels the task does not know.

    Raises:
        DataError: naming task, language and the first offending example.
    """
    known = set(task.labels)
    for example in examples:
        if isinstance(example, PoolExample) and not example.query:
            continue
        gold = (
            getattr(example, "gold", None)
            if isinstance(example, PoolExample)
            else getattr(example, "label", getattr(example, "tags", getattr(example, "answers", ())))
        )
        if gold is None and required:
            raise DataError(
                f"{task.name} ({language}): example '{example.id}' has no gold, as in test sets that XTREME prepared; "
                "put the official labelled file into the data folder"
            )
        values = gold if isinstance(gold, tuple) else (gold,)
        for value in values if known else ():
            if isinstance(value, str) and value not in known:
                raise DataError(f"{task.name} ({language}): example '{example.id}' has the unknown label '{value}'")
