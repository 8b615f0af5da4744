"""The microworld's tasks: XTREME's kinds of task over one small constructed world, in the official file formats.

Protocol: train on English, measure all six languages; test items are the same in all languages. Layout: the folder
that `xstilts.microworld.write_world` wrote (`nli/`, `choice/`, `text/` ...). Chance: NLI 33, choice 25, paraphrase 50,
topic 14.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from xstilts.data.examples import Example
from xstilts.data.readers.choices import hellaswag
from xstilts.data.readers.common import checked
from xstilts.data.readers.pairs import NLI_LABELS, PARAPHRASE_LABELS, pawsx, xnli
from xstilts.data.readers.parallel import tatoeba
from xstilts.data.readers.squad import squad
from xstilts.data.readers.tagging import NER, UPOS, panx, udpos
from xstilts.data.readers.text import plain_lines
from xstilts.data.readers.topics import labelled_texts
from xstilts.microworld.concepts import TOPICS
from xstilts.microworld.languages import LANGUAGES
from xstilts.tasks.base import Encoding, Reader, Split, Task, register

_TARGETS = tuple(code for code in LANGUAGES if code != "en")
DOMAIN = "micro_domain_"
"""Tasks of the world's domain (`xstilts.microworld.domain`) begin so; their files are in a folder of their own."""
_SPLITS = {"train": "train", "validation": "dev", "test": "test"}


@checked
def topics(path: Path, language: str) -> Iterator[Example]:
    """SIB-200's form with the microworld's seven topics."""
    yield from labelled_texts(path, TOPICS)


def _task(name: str, kind: str, read: Reader, files: dict[str, str], **fields: Any) -> Task:
    """A task that is only trained on unless `fields` name a metric."""
    defaults = {"metric": "", "main": "", "languages": tuple(LANGUAGES), "protocol": "training only"}
    return register(
        Task(
            name=f"micro_{name}",
            type=kind,
            read=read,
            files={split: (pattern,) for split, pattern in files.items()},  # type: ignore[misc]
            citation="xstilts microworld",
            licence="Apache-2.0",
            source="xstilts.microworld",
            **{**defaults, **fields},
        )
    )


def _labelled(name: str, kind: str, read: Reader, pattern: str, **fields: Any) -> Task:
    """A task with English training items and parallel test items."""
    files = {split: pattern.replace("{split}", file) for split, file in _SPLITS.items()}
    measured = {"metric": "accuracy", "main": "accuracy", "protocol": "zero-shot, trained on English"}
    return _task(name, kind, read, files, **{**measured, **fields})


MICRO_NLI = _labelled("nli", "classification", xnli, "nli/{split}-{language}.tsv", labels=NLI_LABELS)
MICRO_PARAPHRASE = _labelled(
    "paraphrase", "classification", pawsx, "paraphrase/{split}-{language}.tsv", labels=PARAPHRASE_LABELS
)
MICRO_TOPIC = _labelled("topic", "classification", topics, "topic/{language}/{split}.tsv", labels=TOPICS)
MICRO_CHOICE = _labelled("choice", "multiple_choice", hellaswag, "choice/{split}-{language}.jsonl")
MICRO_QA = _labelled("qa", "span_qa", squad, "qa/{split}-{language}.json", metric="squad_v1", main="f1")
MICRO_TAGGING = _labelled(
    "tagging",
    "tagging",
    udpos,
    "tagging/{split}-{language}.conllu",
    labels=UPOS,
    metric="token_accuracy",
    main="token_accuracy",
)
MICRO_NER = _labelled("ner", "tagging", panx, "ner/{split}-{language}.tsv", labels=NER, metric="span_f1", main="f1")
MICRO_RETRIEVAL = _task(
    "retrieval",
    "retrieval",
    tatoeba,
    {"test": "tatoeba/tatoeba.{language}-eng.{language}"},
    languages=_TARGETS,
    metric="bitext_accuracy",
    main="accuracy",
    protocol="nearest neighbour, accuracy",
)
MICRO_TEXT = _task(
    "text",
    "masked_lm",
    plain_lines,
    {"train": "text/{language}.txt", "validation": "text_validation/{language}.txt"},
    encoding=Encoding(join=False, paired=0.5),
)
MICRO_PARALLEL = _task(
    "parallel",
    "contrastive",
    tatoeba,
    {
        "train": "parallel/train.{language}-eng.{language}",
        "validation": "parallel/validation.{language}-eng.{language}",
    },
    languages=_TARGETS,
)


def _on_the_domain(task: Task, pattern: str, train_on: str | None) -> Task:
    """The same task with a test set on the domain alone; what is trained, is trained on all topics."""
    files: dict[Split, tuple[str, ...]] = {"test": (pattern,)}
    name = task.name.replace("micro_", DOMAIN)
    return register(replace(task, name=name, files=files, train_on=train_on, protocol=f"{task.protocol}; one topic"))


MICRO_DOMAIN_TAGGING = _on_the_domain(MICRO_TAGGING, "domain/tagging/test-{language}.conllu", "micro_tagging")
MICRO_DOMAIN_NER = _on_the_domain(MICRO_NER, "domain/ner/test-{language}.tsv", "micro_ner")
MICRO_DOMAIN_RETRIEVAL = _on_the_domain(MICRO_RETRIEVAL, "domain/tatoeba/tatoeba.{language}-eng.{language}", None)
MICRO_DOMAIN_TEXT = _task(
    "domain_text", "masked_lm", plain_lines, {"train": "domain/text/{language}.txt"}, encoding=MICRO_TEXT.encoding
)
