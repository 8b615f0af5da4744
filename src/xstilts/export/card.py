"""The model card of an exported folder: what the store knows of the model, with metadata as the hub reads it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

from huggingface_hub import EvalResult, ModelCardData
from jinja2 import Environment, StrictUndefined

from xstilts.backbones.families import checkpoint_of
from xstilts.core.files import read_json
from xstilts.data.readers.types import asked_type
from xstilts.export.adapter import Adapter
from xstilts.export.finished import Finished, Head
from xstilts.graph.record import Record
from xstilts.stages.models import held_weights
from xstilts.tasks import TASKS, Encoding

PIPELINES: Mapping[str, str] = {
    "AutoModelForSequenceClassification": "text-classification",
    "AutoModelForTokenClassification": "token-classification",
    "AutoModelForQuestionAnswering": "question-answering",
    "AutoModelForMultipleChoice": "multiple-choice",
    "AutoModelForMaskedLM": "fill-mask",
    "AutoModelForCausalLM": "text-generation",
    "AutoModelForSeq2SeqLM": "text2text-generation",
    "SentenceTransformer": "sentence-similarity",
}


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        auto: the class that loads it; library: the class it then is.
        outputs: names of the outputs where they are not the task's labels.
        difference: the largest from the model in the store, on the inputs of the check.
        layer, pooling: of sentence vectors.
        pairs: whether the head was trained on pairs of texts.
        adapter: that was written in place of whole weights.
        rounding: how far the values with which the model was measured are from these; None where those are 32 bits too.
    """

    head: Head
    encoding: Encoding
    auto: str
    library: str
    outputs: tuple[str, ...]
    difference: float
    layer: int = 0
    pooling: str = ""
    pairs: bool = False
    adapter: Adapter | None = None
    rounding: float | None = None

    @property
    def loader(self) -> str:
        """The class that reads the folder."""
        return self.adapter.auto if self.adapter else self.auto


@dataclass(frozen=True)
class Words:
    """What an experiment file says of its models; empty without one."""

    title: str = ""
    question: str = ""
    limitations: tuple[str, ...] = field(default=())


def card(found: Finished, made: Exported, name: str, words: Words) -> str:
    """The text of README.md: YAML metadata with `model-index`, then the card.

    Raises:
        StoreError: a stage of the model's history is no longer in the store.
    """
    scores = found.scores()
    template = (files("xstilts.export") / "templates" / "card.md.j2").read_text(encoding="utf-8")
    environment = Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False)
    own = [part["task"] for part in found.model.config.get("components", ())]
    labels = list(made.adapter.options.get("id2label", {}).values()) if made.adapter else []
    text = environment.from_string(template).render(
        name=name,
        folder=json.dumps(name),
        made=made,
        arguments=arguments(made.adapter) if made.adapter else [],
        labels=json.dumps(labels, ensure_ascii=False),
        prompt=json.dumps(prompt(made.head), ensure_ascii=False),
        weights=held_weights(found.model.directory),
        precision=found.precision,
        carried=bool(made.head.task) and made.head.task not in own,
        words=words,
        start=start(found.walk[0]),
        phases=[phase(record, found.stages) for record in found.trained],
        tables=tables(scores),
        protocols=sorted({protocol(row) for row in scores}),
        data=[about_task(task, task in _own(found)) for task in _tasks(found, scores)],
        key=found.model.key,
        version=found.model.package,
    )
    return f"---\n{metadata(found, made, name, scores).to_yaml()}\n---\n\n{text}"


def prompt(head: Head) -> str:
    """An example of what a model that answers in text is asked (`xstilts.task_types.text`)."""
    named = ", ".join(sorted(head.labels))
    asked = {
        "classification": f"text: A cat sleeps. labels: {named}.",
        "multiple_choice": "context: The cat is tired. What does it do? A: It sleeps. B: It sings.",
        "span_qa": "question: Where does Anna live? passage: Anna lives in Berlin.",
        "tagging": f"words: 1 Anna 2 lives 3 in 4 Berlin 5 . tags: {named}.",
    }
    return f"{asked.get(head.kind, '')} answer:"


def metadata(found: Finished, made: Exported, name: str, scores: Sequence[Mapping[str, Any]]) -> ModelCardData:
    """What the hub reads of the card; without `license`, which is the user's to choose."""
    spoken = sorted({row["language"] for row in scores if not re.fullmatch("q[a-t][a-z]", row["language"])})
    base = found.walk[0].config.get("hub")
    relation = "adapter" if made.adapter and made.adapter.base.revision else "finetune"
    library, tags = "transformers", ["xstilts", "cross-lingual"]
    if made.adapter:
        library, tags = "peft", [*tags, "lora"]
    elif made.auto == "SentenceTransformer":
        library, tags = "sentence-transformers", [*tags, "sentence-transformers", "feature-extraction"]
    return ModelCardData(
        model_name=name,
        base_model=base,
        base_model_relation=relation if base else None,
        language=spoken or None,
        library_name=library,
        pipeline_tag=PIPELINES[made.auto],
        tags=tags,
        eval_results=[result(row) for row in scores] or None,
    )


def arguments(adapter: Adapter) -> list[str]:
    """Keywords of the class that loads an adapter, as Python writes them; names of outputs stand in `labels`."""
    options = {name: repr(value) for name, value in adapter.options.items()}
    if "id2label" in options:
        options["id2label"] = "dict(enumerate(labels))"
    return [f"{name}={value}" for name, value in options.items()]


def protocol(row: Mapping[str, Any]) -> str:
    """The signature of a score without its language and number of examples, which stand in the table."""
    return re.sub(r" \| n=\d+", "", str(row["signature"]).replace(f" | {row['language']} | ", " | ", 1))


def result(row: Mapping[str, Any]) -> EvalResult:
    """One score as an entry of `model-index`."""
    return EvalResult(
        task_type=asked_type(row["type"]).answers or "sentence-similarity",
        dataset_type=row["task"],
        dataset_name=f"{row['task']} ({row['language']})",
        dataset_config=row["language"],
        dataset_split=row["split"],
        metric_type=row["metric"],
        metric_name=f"{row['metric']} {row['variant']}".strip(),
        metric_value=round(row["value"], 4),
        metric_args={"n": row["n"], "signature": row["signature"]},
    )


def start(record: Record) -> dict[str, Any]:
    """The model that the phases began from: `what` it is, the files or the revision that say `which`, its licence."""
    config = record.config
    if "hub" in config:
        told = read_json(record.file("about.json")).get("commit") or config["revision"]
        published = checkpoint_of(config["hub"])
        return {
            "what": f"[{config['hub']}](https://huggingface.co/{config['hub']})",
            "which": f"revision `{told}`" if told else "the newest revision of that day",
            "licence": published.licence if published else "",
        }
    if "files" in config:
        sums = ", ".join(f"`{name}` {digest[:12]}" for name, digest in sorted(config["files"].items()))
        return {"what": f"{record.label}, a folder", "which": f"SHA-256 {sums}", "licence": ""}
    random = config.get("random", {"architecture": record.label, "seed": config.get("seed")})
    return {"what": f"Random weights ({random['architecture']})", "which": f"seed {random['seed']}", "licence": ""}


def phase(record: Record, stages: Mapping[str, Record]) -> dict[str, Any]:
    """One row of the table of phases."""
    config, options = record.config, record.config["train"]
    parts = []
    for i, part in enumerate(config["components"]):
        data = stages.get(record.inputs[f"data{i}"])
        spoken = ", ".join(data.config["languages"]) if data else "?"
        parts.append(f"{part['task']} ({spoken})" + (f", rate {part['rate']}" if part["rate"] is not None else ""))
    length = f"{options['steps']} steps" if options["steps"] else f"{options['epochs']:g} epochs"
    rate = options["learning_rate"]
    if record.kind == "choose":
        rate = read_json(record.file("summary.json"))["sweep"]["learning_rate"]
    adapted = f", LoRA of rank {options['lora']['rank']}" if options.get("lora") else ""
    return {
        "data": "; ".join(parts),
        "length": length,
        "batch": options["batch_size"],
        "rate": f"{rate:g}",
        "rest": f"{options['precision']}, {options['schedule']}, warm-up {options['warmup']:g}{adapted}",
        "seed": config["seed"],
        "key": record.key,
    }


def tables(scores: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Scores by task and head: languages down, metrics across."""
    made = []
    for task, split, role in dict.fromkeys((row["task"], row["split"], row["role"]) for row in scores):
        rows = [row for row in scores if (row["task"], row["split"], row["role"]) == (task, split, role)]
        metrics = list(dict.fromkeys(row["metric"] for row in rows))
        by_language: dict[str, dict[str, float]] = {}
        for row in rows:
            by_language.setdefault(row["language"], {"n": row["n"]})[row["metric"]] = row["value"]
        lines = [
            [code, *(f"{cells[name]:.1f}" if name in cells else "" for name in metrics), str(cells["n"])]
            for code, cells in sorted(by_language.items(), key=lambda item: (item[0] != "en", item[0]))
        ]
        made.append({"task": task, "split": split, "head": ["language", *metrics, "n"], "lines": lines})
    return made


def _tasks(found: Finished, scores: Sequence[Mapping[str, Any]]) -> list[str]:
    """All tasks trained on or measured, in that order."""
    trained = [part["task"] for record in found.trained for part in record.config["components"]]
    return list(dict.fromkeys([*trained, *(row["task"] for row in scores)]))


def _own(found: Finished) -> set[str]:
    """Tasks that experiment files declared, whatever they are called."""
    prepared = [record.config for record in found.stages.values() if record.kind == "prepare"]
    return {config["task"] for config in prepared if "read" in config or "like" in config}


def about_task(name: str, own: bool) -> dict[str, str]:
    """Licence, citation, source and defects of a registered task; of a user's own nothing is known."""
    if own or name not in TASKS:
        return {"name": name, "licence": "not known: a task of the user's own", "rest": ""}
    task = TASKS.get(name)
    told = [task.citation, task.source, f"Known defects: {task.defects}" if task.defects else ""]
    return {"name": name, "licence": task.licence, "rest": ". ".join(one.rstrip(".") for one in told if one)}
