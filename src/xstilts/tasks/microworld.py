"""The microworld's tasks: XTREME's kinds of task over one small constructed world, in the official file formats.

Protocol: train on English, measure all six languages; test items are the same in all languages. Layout: the folder
that `xstilts.microworld.write_world` wrote (`nli/`, `choice/`, `text/` ...). Chance: NLI 33, choice 25, paraphrase 50,
topic 14.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from xstilts.data.readers import pairs
from xstilts.data.readers.choices import hellaswag
from xstilts.data.readers.common import Placed, Reader, checked
from xstilts.data.readers.squad import squad
from xstilts.data.readers.tagging import NER, UPOS, panx, udpos
from xstilts.data.readers.text import plain_lines, tatoeba
from xstilts.microworld.concepts import TOPICS
from xstilts.microworld.languages import LANGUAGES
from xstilts.tasks.base import Encoding, Split, Task, by_split

_TARGETS = tuple(code for code in LANGUAGES if code != "en")
DOMAIN = "micro_domain_"
"""Prefix of the tasks of the world's domain (`microworld.write_domain`), whose files are in a folder of their own."""


@checked
def topics(path: Path, language: str) -> Placed:
    """SIB-200's form with the microworld's seven topics."""
    return pairs.topics(path, TOPICS)


def _task(name: str, kind: str, read: Reader, files: Mapping[Split, tuple[str, ...]], **fields: Any) -> Task:
    """A task that is only trained on unless `fields` name a metric."""
    return Task(
        name=f"micro_{name}",
        type=kind,
        read=read,
        files=files,
        citation="xstilts microworld",
        licence="Apache-2.0",
        source="xstilts.microworld",
        **{"languages": tuple(LANGUAGES), "protocol": "training only", **fields},
    )


def _labelled(name: str, kind: str, read: Reader, pattern: str, **fields: Any) -> Task:
    """A task with English training items and parallel test items."""
    fields = {"metric": "accuracy", "protocol": "zero-shot, trained on English", **fields}
    return _task(name, kind, read, by_split(pattern), **fields)


def _on_the_domain(task: Task, pattern: str, train_on: str | None) -> Task:
    """The same task with a test set on the domain alone; what is trained, is trained on all topics."""
    name, protocol = task.name.replace("micro_", DOMAIN), f"{task.protocol}; one topic"
    return replace(task, name=name, files={"test": (pattern,)}, train_on=train_on, protocol=protocol)


NLI = _labelled("nli", "classification", pairs.xnli, "nli/{split}-{language}.tsv", labels=pairs.NLI_LABELS)
PARAPHRASE = _labelled(
    "paraphrase", "classification", pairs.pawsx, "paraphrase/{split}-{language}.tsv", labels=pairs.PARAPHRASE_LABELS
)
TOPIC = _labelled("topic", "classification", topics, "topic/{language}/{split}.tsv", labels=TOPICS)
CHOICE = _labelled("choice", "multiple_choice", hellaswag, "choice/{split}-{language}.jsonl")
QA = _labelled("qa", "span_qa", squad, "qa/{split}-{language}.json", metric="squad_v1")
TAGGING = _labelled(
    "tagging", "tagging", udpos, "tagging/{split}-{language}.conllu", labels=UPOS, metric="token_accuracy"
)
MICRO_NER = _labelled("ner", "tagging", panx, "ner/{split}-{language}.tsv", labels=NER, metric="span_f1")
RETRIEVAL = _task(
    "retrieval",
    "retrieval",
    tatoeba,
    {"test": ("tatoeba/tatoeba.{language}-eng.{language}",)},
    languages=_TARGETS,
    metric="bitext_accuracy",
    protocol="nearest neighbour, accuracy",
)
TEXT = _task(
    "text",
    "masked_lm",
    plain_lines,
    {"train": ("text/{language}.txt",), "validation": ("text_validation/{language}.txt",)},
    encoding=Encoding(join=False, paired=0.5),
)
PARALLEL = _task(
    "parallel",
    "contrastive",
    tatoeba,
    by_split("parallel/{split}.{language}-eng.{language}", validation="validation", test=""),
    languages=_TARGETS,
)
DOMAIN_TAGGING = _on_the_domain(TAGGING, "domain/tagging/test-{language}.conllu", "micro_tagging")
DOMAIN_NER = _on_the_domain(MICRO_NER, "domain/ner/test-{language}.tsv", "micro_ner")
DOMAIN_RETRIEVAL = _on_the_domain(RETRIEVAL, "domain/tatoeba/tatoeba.{language}-eng.{language}", None)
DOMAIN_TEXT = _task(
    "domain_text", "masked_lm", plain_lines, {"train": ("domain/text/{language}.txt",)}, encoding=TEXT.encoding
)
