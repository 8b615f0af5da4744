"""The model card of an exported folder: what the store knows about the model, with metadata for the hub."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, NamedTuple

from huggingface_hub import EvalResult, ModelCardData
from jinja2 import Environment, StrictUndefined

from xstilts.backbones.families import checkpoint_of
from xstilts.core.files import read_json
from xstilts.data.readers.types import asked_type
from xstilts.export.build import Adapter
from xstilts.export.finished import Finished, Head
from xstilts.graph.record import Record
from xstilts.stages.models import held_weights
from xstilts.tasks import TASKS, Encoding

PIPELINES: Mapping[str, str] = {
    "AutoModelForCausalLM": "text-generation",
    "AutoModelForSeq2SeqLM": "text2text-generation",
    "SentenceTransformer": "sentence-similarity",
}
"""Class -> its pipeline on the hub, if that is not the one of the head's type."""


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        auto: the class that loads it; library: the class of the loaded model, without PEFT.
        difference: the largest difference from the model in the store, on the inputs of the check.
        outputs: names of the outputs if they are not the task's labels.
        layer, pooling: of sentence vectors.
        pairs: whether the head was trained on pairs of texts.
        adapter: written instead of whole weights.
    """

    head: Head
    encoding: Encoding
    auto: str
    library: str
    difference: float
    outputs: tuple[str, ...] = ()
    layer: int = 0
    pooling: str = ""
    pairs: bool = False
    adapter: Adapter | None = None


class Words(NamedTuple):
    """What an experiment file says about its models."""

    title: str = ""
    question: str = ""
    limitations: tuple[str, ...] = ()


def card(found: Finished, made: Exported, name: str, words: Words) -> str:
    """README.md: YAML metadata with `model-index`, then the card. Raises `StoreError` if its history was deleted."""
    scores = found.scores()
    environment = Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False)
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False}
    tables: dict[tuple[str, str, str], dict[str, dict[str, str]]] = {}
    for row in scores:  # English first
        cells = tables.setdefault((row["task"], row["split"], row["role"]), {}).setdefault(row["language"], {})
        cells |= {row["metric"]: f"{row['value']:.1f}", "n": row["n"]}
    signatures = (row["signature"].replace(f" | {row['language']} |", " |", 1) for row in scores)
    trained = [record for record in found.walk if record.kind != "start"]
    tasks = [part["task"] for record in trained for part in record.config["components"]]
    text = environment.from_string((files("xstilts.export") / "card.md.j2").read_text(encoding="utf-8")).render(
        found=found,
        made=made,
        name=name,
        words=words,
        weights=held_weights(found.model.directory),
        start=_start(found.walk[0]),
        phases=[_phase(record, found) for record in trained],
        tables=tables,
        protocols=sorted({re.sub(r" \| n=\d+", "", one) for one in signatures}),
        data={task: _about_task(task, found) for task in dict.fromkeys([*tasks, *(row["task"] for row in scores)])},
    )
    return f"---\n{_metadata(found, made, name, scores).to_yaml()}\n---\n\n{text}"


def _metadata(found: Finished, made: Exported, name: str, scores: Sequence[Mapping[str, Any]]) -> ModelCardData:
    """The metadata, without `license`: the user chooses that."""
    spoken = sorted({row["language"] for row in scores if not re.fullmatch("q[a-t][a-z]", row["language"])})
    base = found.walk[0].config.get("hub")
    library, tags = "transformers", ["xstilts", "cross-lingual"]
    if made.adapter:
        library, tags = "peft", [*tags, "lora"]
    elif made.layer:
        library, tags = "sentence-transformers", [*tags, "sentence-transformers", "feature-extraction"]
    results = [
        EvalResult(
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
        for row in scores
    ]
    relation = "adapter" if made.adapter and made.adapter.revision else "finetune"
    return ModelCardData(
        model_name=name,
        base_model=base,
        base_model_relation=relation if base else None,
        language=spoken or None,
        library_name=library,
        pipeline_tag=PIPELINES.get(made.auto) or asked_type(made.head.type).answers,
        tags=tags,
        eval_results=results or None,
    )


def _start(record: Record) -> tuple[str, str, str]:
    """The model before the first phase: what it is, which files or revision, and its licence if known."""
    config = record.config
    if "hub" in config:
        told = read_json(record.file("about.json")).get("commit") or config["revision"]
        published = checkpoint_of(config["hub"])
        which = f"revision `{told}`" if told else "the newest revision of that day"
        what = f"[{config['hub']}](https://huggingface.co/{config['hub']})"
        return what, which, published.licence if published else ""
    if "files" in config:
        sums = ", ".join(f"`{name}` {digest[:12]}" for name, digest in sorted(config["files"].items()))
        return f"{record.label}, a folder", f"SHA-256 {sums}", ""
    random = config.get("random", {"architecture": record.label, "seed": config.get("seed")})
    return f"Random weights ({random['architecture']})", f"seed {random['seed']}", ""


def _phase(record: Record, found: Finished) -> list[str]:
    """A row of the table of phases: data, length, batch, learning rate, other options, seed, stage."""
    config, options = record.config, record.config["train"]
    parts = []
    for i, part in enumerate(config["components"]):
        data = found.stages.get(record.inputs[f"data{i}"])
        spoken = ", ".join(data.config["languages"]) if data else "?"
        parts.append(f"{part['task']} ({spoken})" + (f", rate {part['rate']}" if part["rate"] is not None else ""))
    rate = options["learning_rate"]
    if record.kind == "choose":
        rate = read_json(record.file("summary.json"))["sweep"]["learning_rate"]
    length = f"{options['steps']} steps" if options["steps"] else f"{options['epochs']:g} epochs"
    adapted = f", LoRA of rank {options['lora']['rank']}" if options.get("lora") else ""
    rest = f"{options['precision']}, {options['schedule']}, warm-up {options['warmup']:g}{adapted}"
    batch, seed = str(options["batch_size"]), str(config["seed"])
    return ["; ".join(parts), length, batch, f"{rate:g}", rest, seed, f"`{record.key}`"]


def _about_task(name: str, found: Finished) -> str:
    """Licence, citation, source and defects of a registered task; a user's own task has none of these."""
    prepared = [record.config for record in found.stages.values() if record.kind == "prepare"]
    if name not in TASKS or any(one["task"] == name and ("read" in one or "like" in one) for one in prepared):
        return "licence not known, since it is a task of the user's own"
    task = TASKS.get(name)
    told = [task.licence, task.citation, task.source, f"Known defects: {task.defects}" if task.defects else ""]
    return ". ".join(one.rstrip(".") for one in told if one)
