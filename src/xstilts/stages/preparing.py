"""Tokenizer and prepare stages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from itertools import islice
from typing import Any

from transformers import AutoTokenizer

from xstilts.backbones.coder import Coder, VocabularyConfig, train_tokenizer
from xstilts.backbones.load import from_pretrained
from xstilts.core.errors import DataError
from xstilts.core.files import write_json
from xstilts.data.examples import Example, PlainText, asked, gold_of, read_examples
from xstilts.data.locate import Root
from xstilts.data.readers.pools import parsed_once
from xstilts.graph.job import Job
from xstilts.stages.reading import root_of, select, split_of, task_of
from xstilts.task_types import TASK_TYPES
from xstilts.task_types.features import Features, FeaturesWriter
from xstilts.task_types.raw_text import RawText
from xstilts.tasks import Task
from xstilts.tasks.base import task_from_json
from xstilts.translation.spec import SOURCE


def run_tokenizer(job: Job) -> None:
    """Train a tokenizer on raw text, or copy a pretrained one."""
    settings = job.stage.settings
    if "trained" not in job.config:
        tokenizer = from_pretrained(AutoTokenizer, settings["source"], revision=settings["revision"])
        tokenizer.save_pretrained(job.directory)
        return
    trained, root = job.config["trained"], root_of(settings, job.inputs)
    tasks = list(map(task_from_json, settings["tasks"]))

    def lines() -> Iterator[str]:
        # Equal text per language: a larger language must not take the pieces of the others.
        for language in trained["languages"]:
            budget = trained["characters"]
            for task in tasks:
                if language not in task.available(root, "train"):
                    continue
                for text in _texts(task, root, "train", language):
                    if budget <= 0:
                        break
                    budget -= len(text.text)
                    yield text.text

    later = {name: trained[name] for name in ("ascii", "sentinels") if name in trained}
    options = VocabularyConfig(trained["vocabulary"], trained["alphabet"], trained["split_digits"], **later)
    train_tokenizer(lines(), options).save_pretrained(job.directory)


def _texts(task: Task, root: Root, split: Any, language: str, limit: int = 0) -> Iterator[PlainText]:
    for example in islice(task.stream(root, split, language), limit or None):
        assert isinstance(example, PlainText)
        yield example


def run_prepare(job: Job) -> None:
    """Read official files and write features: one folder `all`, or one per language."""
    config, task, root = job.config, task_of(job.stage), root_of(job.stage.settings, job.inputs)
    coder = Coder(from_pretrained(AutoTokenizer, job.inputs["tokenizer"]))
    task_type, combined, languages = TASK_TYPES.get(config["type"]), config["combined"], config["languages"]
    encode = task_type.encode if combined else task_type.encode_apart
    streamed = task.type == "masked_lm" and combined and not config["holdout"]
    pool: dict[str, Example] = {}
    english: set[str] = set()
    with parsed_once(), FeaturesWriter(job.directory / "all") if combined else nullcontext() as writer:
        for done, language in enumerate(languages):
            parts: Iterable[Features]
            if streamed and isinstance(task_type, RawText):
                parts = _streamed(job, task_type, task, root, language, coder)
            else:
                examples = _examples(job, task, root, language, english)
                if task_type.pooled and not combined:
                    pool.update({example.id: example for example in examples if not asked(example)})
                    examples = [example for example in examples if asked(example)]
                parts = [encode(examples, coder, task.encoding, task.labels)]
            for features in parts:
                if writer is None:
                    features.save(job.directory / language)
                else:
                    writer.append(features, done)
            job.report({"fraction": (done + 1) / len(languages), "message": language})
    if pool:
        encode(list(pool.values()), coder, task.encoding, task.labels).save(job.directory / "pool")
    write_json(job.directory / "languages.json", languages)
    write_json(job.directory / "encoding.json", config["encoding"])


def _streamed(job: Job, task_type: RawText, task: Task, root: Root, language: str, coder: Coder) -> Iterator[Features]:
    """The same features as from memory, byte for byte, but read line by line: raw text may be of any size."""
    where = (task, root, job.config["split"], language, job.config["limit"])
    count = sum(1 for _ in _texts(*where)) if task.encoding.paired else 0  # framing as pairs needs it first
    return task_type.stream(_texts(*where), count, coder, task.encoding)


def _examples(job: Job, task: Task, root: Root, language: str, english: set[str]) -> list[Example]:
    """The examples of one language, with gold where it is needed and known labels.

    Args:
        english: ids of the English examples, filled when first needed: a translation of a held-out one is left out.
    """
    if translated := job.inputs.get(f"translation_{language}"):
        if not english:
            english.update(example.id for example in select(task, root, job.config, SOURCE))
        examples = [one for one in read_examples(translated / "examples.jsonl") if one.id in english]
    else:
        examples = select(task, root, job.config, language)
    if job.config["labelled"] and any(gold_of(example) is None for example in examples):
        raise task.gold_needed(root, split_of(job.config), language)
    _check_labels(task, examples, language)
    return examples


def _check_labels(task: Task, examples: list[Example], language: str) -> None:
    """Refuse unknown labels."""
    known = set(task.labels)
    for example in examples:
        gold = gold_of(example)
        values = gold if isinstance(gold, tuple) else (gold,)
        for value in values if known else ():
            if isinstance(value, str) and value not in known:
                raise DataError(f"{task.name} ({language}): example '{example.id}' has the unknown label '{value}'")
