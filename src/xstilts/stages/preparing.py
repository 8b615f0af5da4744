"""Tokenizer and prepare stages."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer

from xstilts.backbones.coder import Coder
from xstilts.backbones.pretrained import from_pretrained
from xstilts.backbones.vocabulary import VocabularyConfig, train_tokenizer
from xstilts.core.errors import DataError
from xstilts.core.files import write_json
from xstilts.core.seeds import derive_seed, generator
from xstilts.data.examples import Example, PlainText, asked, gold_of, read_examples
from xstilts.data.locate import Root, folders_of
from xstilts.data.readers.pools import parsed_once
from xstilts.stages.checksums import read_in
from xstilts.stages.corpora import streams, write_corpus
from xstilts.task_types import TASK_TYPES
from xstilts.task_types.features import FeaturesWriter
from xstilts.tasks import Encoding, Task
from xstilts.tasks.as_json import task_from_json
from xstilts.translation.spec import SOURCE


def run_tokenizer(
    config: Mapping[str, Any], settings: Mapping[str, Any], directory: Path, inputs: Mapping[str, Path]
) -> None:
    """Train a tokenizer on raw text, or copy a pretrained one."""
    if "trained" not in config:
        tokenizer = from_pretrained(AutoTokenizer, settings["source"], revision=settings["revision"])
        tokenizer.save_pretrained(directory)
        return
    trained = config["trained"]
    root = read_in(settings, inputs)
    tasks = list(map(task_from_json, settings["tasks"]))

    def lines() -> Iterator[str]:
        # Equal text per language: a larger language must not take the pieces of the others.
        for language in trained["languages"]:
            budget = trained["characters"]
            for task in tasks:
                if language not in task.available(root, "train"):
                    continue
                for example in task.stream(root, "train", language):
                    assert isinstance(example, PlainText)
                    if budget <= 0:
                        break
                    budget -= len(example.text)
                    yield example.text

    later = {name: trained[name] for name in ("ascii", "sentinels") if name in trained}
    options = VocabularyConfig(trained["vocabulary"], trained["alphabet"], trained["split_digits"], **later)
    train_tokenizer(lines(), options).save_pretrained(directory)


def run_prepare(
    config: Mapping[str, Any],
    settings: Mapping[str, Any],
    directory: Path,
    inputs: Mapping[str, Path],
    report: Callable[[dict[str, Any]], None],
) -> None:
    """Read official files and write features: one folder `all`, or one per language."""
    root = read_in(settings, inputs)
    task = task_of(config, settings)
    coder = Coder(from_pretrained(AutoTokenizer, inputs["tokenizer"]))
    task_type = TASK_TYPES.get(config["type"])
    if streams(task_type, task, config):
        write_corpus(task_type, task, root, config, coder, directory, report)
        return
    pool: dict[str, Example] = {}
    english: set[str] = set()  # ids: a translation of a held-out example must not be trained on
    encode = task_type.encode if config["combined"] else task_type.encode_apart
    languages = config["languages"]
    with parsed_once(), FeaturesWriter(directory / "all") if config["combined"] else nullcontext() as writer:
        for done, language in enumerate(languages):
            if translated := inputs.get(f"translation_{language}"):
                english = english or {example.id for example in select(task, root, config, SOURCE)}
                examples = [one for one in read_examples(translated / "examples.jsonl") if one.id in english]
            else:
                examples = select(task, root, config, language)
            check_labels(task, examples, language, required=config["labelled"])
            if task_type.pooled and not config["combined"]:
                pool.update({example.id: example for example in examples if not asked(example)})
                examples = [example for example in examples if asked(example)]
            features = encode(examples, coder, task.encoding, task.labels)
            if writer is None:
                features.save(directory / language)
            else:
                writer.append(features, done)
            report({"fraction": (done + 1) / len(languages), "message": language})
    if pool:
        encode(list(pool.values()), coder, task.encoding, task.labels).save(directory / "pool")
    write_json(directory / "languages.json", languages)
    write_json(directory / "encoding.json", config["encoding"])


def task_of(config: Mapping[str, Any], settings: Mapping[str, Any]) -> Task:
    """The task as the stage describes it: a registered or a column reader, the experiment's own files and encoding."""
    task = task_from_json(settings["task"])
    return replace(task, labels=tuple(config["labels"]), encoding=Encoding(**config["encoding"]))


def select(task: Task, root: Root, config: Mapping[str, Any], language: str) -> list[Example]:
    """The examples of the asked split: held-out validation examples are drawn by a fixed permutation."""
    split, holdout = config["split"], config["holdout"]
    examples = task.load(root, "train" if holdout and split == "validation" else split, language)
    chosen = [example for example in examples if asked(example)]
    if holdout and split in ("train", "validation"):
        if holdout >= len(chosen):
            raise DataError(
                f"{task.name}: holdout of {holdout} leaves nothing of {len(chosen)} examples", folders_of(root)[-1]
            )
        order = generator(0, "holdout", task.name, language).permutation(len(chosen))
        kept = sorted(order[:holdout] if split == "validation" else order[holdout:])
        chosen = [chosen[i] for i in kept]
    if config.get("sampled"):
        chosen = sample(chosen, config["limit"])
    elif config["limit"]:
        chosen = chosen[: config["limit"]]
    return [*chosen, *(example for example in examples if not asked(example))]


def sample(examples: list[Example], count: int) -> list[Example]:
    """A fixed sample of `count` examples in their order: those whose ids have the smallest hashes.

    Official files may be sorted by label (SIB-200), so the first examples are no sample. A hash of the id draws
    the same examples of a test set in each language where ids are shared.
    """
    smallest = sorted(range(len(examples)), key=lambda i: derive_seed(0, "limit", examples[i].id))[:count]
    return [examples[i] for i in sorted(smallest)]


def check_labels(task: Task, examples: list[Example], language: str, required: bool) -> None:
    """Refuse withheld gold where it is needed, and labels the task does not know.

    Raises:
        DataError: naming task, language and the first offending example.
    """
    known = set(task.labels)
    for example in examples:
        gold = gold_of(example)
        if gold is None and required:
            raise DataError(
                f"{task.name} ({language}): example '{example.id}' has no gold, as in test sets that XTREME prepared; "
                "put the official labelled file into the data folder"
            )
        values = gold if isinstance(gold, tuple) else (gold,)
        for value in values if known else ():
            if isinstance(value, str) and value not in known:
                raise DataError(f"{task.name} ({language}): example '{example.id}' has the unknown label '{value}'")
