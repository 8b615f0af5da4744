"""The microworld's tasks: XTREME's kinds of task over one small constructed world, in the official file formats.

Protocol: train on English, measure all six languages; test items are the same in all languages. Layout: the folder
that `xstilts.microworld.write_world` writes (`nli/`, `choice/`, `text/` ...). Chance: NLI 33, choice 25, paraphrase 50,
topic 14.
"""

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
from xstilts.tasks.base import Encoding, Task, by_split

DOMAIN = "micro_domain_"
"""Prefix of the tasks of the world's domain (`microworld.write_domain`), whose files are in a folder of their own."""
_OTHERS = tuple(code for code in LANGUAGES if code != "en")


@checked
def topics(path: Path, language: str) -> Placed:
    """SIB-200's form with the microworld's seven topics."""
    return pairs.topics(path, TOPICS)


def _task(name: str, kind: str, read: Reader, **fields: Any) -> Task:
    about = {"languages": tuple(LANGUAGES), "citation": "xstilts microworld", "licence": "Apache-2.0"}
    return Task(
        **{"name": f"micro_{name}", "type": kind, "read": read, "source": "xstilts.microworld", **about, **fields}
    )


def _labelled(name: str, kind: str, read: Reader, pattern: str, **fields: Any) -> Task:
    """A task with English training items and parallel test items."""
    fields = {"metric": "accuracy", "protocol": "zero-shot, trained on English", **fields}
    return _task(name, kind, read, files=by_split(pattern, train="train", validation="dev", test="test"), **fields)


def _on_the_domain(task: Task, pattern: str, train_on: str | None) -> Task:
    """The task with a test set on one topic; it is trained on all topics."""
    name, protocol = task.name.replace("micro_", DOMAIN), f"{task.protocol}; one topic"
    return replace(task, name=name, files={"test": (pattern,)}, train_on=train_on, protocol=protocol)


def _tasks() -> list[Task]:
    nli, paraphrase, tsv = pairs.NLI_LABELS, pairs.PARAPHRASE_LABELS, "{split}-{language}.tsv"
    tagging = _labelled(
        "tagging", "tagging", udpos, "tagging/{split}-{language}.conllu", labels=UPOS, metric="token_accuracy"
    )
    ner = _labelled("ner", "tagging", panx, f"ner/{tsv}", labels=NER, metric="span_f1")
    retrieval = _task(
        "retrieval",
        "retrieval",
        tatoeba,
        files={"test": ("tatoeba/tatoeba.{language}-eng.{language}",)},
        languages=_OTHERS,
        metric="bitext_accuracy",
        protocol="nearest neighbour, accuracy",
    )
    raw: dict[str, Any] = {"encoding": Encoding(join=False, paired=0.5), "protocol": "training only"}
    text = {"train": ("text/{language}.txt",), "validation": ("text_validation/{language}.txt",)}
    parallel = by_split("parallel/{split}.{language}-eng.{language}", train="train", validation="validation")
    return [
        _labelled("nli", "classification", pairs.xnli, f"nli/{tsv}", labels=nli),
        _labelled("paraphrase", "classification", pairs.pawsx, f"paraphrase/{tsv}", labels=paraphrase),
        _labelled("topic", "classification", topics, "topic/{language}/{split}.tsv", labels=TOPICS),
        _labelled("choice", "multiple_choice", hellaswag, "choice/{split}-{language}.jsonl"),
        _labelled("qa", "span_qa", squad, "qa/{split}-{language}.json", metric="squad_v1"),
        tagging,
        ner,
        retrieval,
        _task("text", "masked_lm", plain_lines, files=text, **raw),
        _task("parallel", "contrastive", tatoeba, files=parallel, languages=_OTHERS, protocol="training only"),
        _on_the_domain(tagging, "domain/tagging/test-{language}.conllu", "micro_tagging"),
        _on_the_domain(ner, "domain/ner/test-{language}.tsv", "micro_ner"),
        _on_the_domain(retrieval, "domain/tatoeba/tatoeba.{language}-eng.{language}", None),
        _task("domain_text", "masked_lm", plain_lines, files={"train": ("domain/text/{language}.txt",)}, **raw),
    ]


TASKS = _tasks()
