"""`xstilts export`: a finished model as a folder for transformers, PEFT or sentence-transformers, with a model card.

The folder is written under a scratch name, reloaded and compared with the model in the store, and only then renamed.
The card has what the store knows about the model, with metadata for the hub.
"""

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, NamedTuple

from huggingface_hub import EvalResult, ModelCardData
from jinja2 import Environment, StrictUndefined

from xstilts.backbones.adapters import merge_adapters
from xstilts.backbones.backbone import Backbone
from xstilts.backbones.families import checkpoint_of
from xstilts.backbones.load import Weights, save_backbone
from xstilts.core.errors import XstiltsError
from xstilts.core.files import new_folder, read_json, write_text
from xstilts.data.readers.types import TYPES, asked_type
from xstilts.export.build import Adapter, Base, write_head, write_sentence_transformers, write_text_model
from xstilts.export.finished import Finished, Head
from xstilts.export.predicting import reads_pairs
from xstilts.graph.record import Record
from xstilts.metrics.retrieval import protocol_layer
from xstilts.stages.models import Changes, chain, held_weights, open_backbone, open_head, source_of
from xstilts.tasks import TASKS, Encoding
from xstilts.training.model import HeadSpec

PIPELINES: Mapping[str, str] = {
    "AutoModelForCausalLM": "text-generation",
    "AutoModelForSeq2SeqLM": "text2text-generation",
    "SentenceTransformer": "sentence-similarity",
}
"""Class -> its pipeline on the hub, if that is not the one of the head's type."""


@dataclass(frozen=True)
class Exported:
    """The written folder.

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
    """Texts of an experiment file for the card."""

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


Kind = Literal["transformers", "sentence-transformers", "peft"]


def export(
    found: Finished,
    to: Path,
    task: str | None = None,
    kind: Kind | None = None,
    layer: int | None = None,
    words: Words | None = None,
) -> Exported:
    """Write the folder `to`, new or empty.

    Args:
        task: the head; by default the only one, or the one that the named stage measured.
        kind: by default that of the head.
        layer: of sentence vectors; by default the layer at which they were trained or measured.

    Raises `XstiltsError`, and leaves nothing, if there is no such head or class, or the folder gives other values.
    """
    head = found.head(task)
    by_vector = not head.type or TYPES.get(head.type).vectors  # a bare backbone too
    kind = kind or ("sentence-transformers" if by_vector else "transformers")
    if layer is not None and kind != "sentence-transformers":
        raise XstiltsError("--layer goes with sentence vectors (--as sentence-transformers)")
    if kind == "peft" and (by_vector or head.writes):
        problem = "--as peft writes an adapter with a head, and this model has none: leave it out to merge both"
        raise XstiltsError(problem)
    if kind == "transformers" and not head.type:
        raise XstiltsError("--as transformers writes a head, and this model has none: leave it out to write vectors")
    below = to.with_name(f"{to.name}-base") if kind == "peft" else None
    there = below is None or below.exists()
    try:
        with new_folder(to) as scratch:
            if kind == "sentence-transformers":
                made = _vectors(found, head, layer, scratch)
            else:
                made = _model(found, head, below, scratch)
            write_text(scratch / "README.md", card(found, made, to.resolve().name, words or Words()))
            for path in scratch.glob("*.safetensors"):  # safetensors makes files that only their owner can read
                path.chmod((scratch / "README.md").stat().st_mode)
    except BaseException:
        if below and not there:
            shutil.rmtree(below, ignore_errors=True)
        raise
    return made


def _opened(found: Finished, merge: bool = True) -> Backbone:
    """The model in 32 bits; `merge` adds adapters to the weights, also to those that were held in 4 bits."""
    held = held_weights(found.model.directory)
    weights = Weights() if held.quantize is None else replace(held, written_out=True)
    backbone = open_backbone(found.model.directory, weights=weights)
    if merge:
        merge_adapters(backbone)
    return backbone


def _model(found: Finished, head: Head, below: Path | None, directory: Path) -> Exported:
    """`below`: where the model under adapters is written if earlier phases trained it; None merges the adapters."""
    limits = found.encoding(head)
    base: Base | None = None
    if below:
        own = found.model.directory
        if not (own / "adapters").is_dir():
            raise XstiltsError(f"stage {found.model.key} holds whole weights and no adapter: leave out --as peft")
        if held_weights(own).quantize:
            raise XstiltsError("--as peft cannot write an adapter of 4-bit weights: leave it out to merge the two")
        folders = chain(own)
        source, revision = source_of(folders[0])
        if Changes.read(folders[-2:][0]):
            if below.exists():
                raise XstiltsError(f"{below}, for the model under the adapter, exists: name another folder with --to")
            save_backbone(open_backbone(folders[-2:][0]), below)
            source = str(below)
        base = str(Path(source).resolve()) if Path(source).is_dir() else source, revision
    backbone = _opened(found, merge=base is None)
    if head.writes:
        auto = "AutoModelForCausalLM" if backbone.decoder else "AutoModelForSeq2SeqLM"
        return Exported(head, limits, auto, type(backbone.model).__name__, write_text_model(backbone, directory))
    module = open_head(found.model.directory, HeadSpec(*head), backbone)
    layout, adapter, apart = write_head(backbone, limits, head, module, directory, base)
    auto, library = adapter.auto if adapter else layout.form.auto, layout.library.__name__
    pairs = reads_pairs(found, head) is True
    return Exported(head, limits, auto, library, apart, layout.form.outputs, pairs=pairs, adapter=adapter)


def _vectors(found: Finished, head: Head, layer: int | None, directory: Path) -> Exported:
    (pooling, usual), limits, backbone = found.retrieval(head), found.encoding(head), _opened(found)
    if layer is None and head.type and TYPES.get(head.type).cosine:  # trained at the last layer
        layer = backbone.layers
    elif layer is None:
        layer = max(1, protocol_layer(backbone.layers)) if usual is None else usual
    apart = write_sentence_transformers(backbone, limits, pooling, layer, directory)
    library = type(backbone.model).__name__
    return Exported(head, limits, "SentenceTransformer", library, apart, layer=layer, pooling=pooling)
