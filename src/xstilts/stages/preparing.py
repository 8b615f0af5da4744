"""Tokenizer, start and prepare stages: what training starts from."""

from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from itertools import islice
from pathlib import Path
from typing import Any

from huggingface_hub import hf_hub_download
from safetensors import SafetensorError
from torch import Tensor
from transformers import AutoConfig, AutoTokenizer

from xstilts.backbones import load
from xstilts.backbones.backbone import Backbone
from xstilts.backbones.coder import Coder, VocabularyConfig, train_tokenizer
from xstilts.backbones.load import from_pretrained
from xstilts.core.errors import BackboneError, DataError, XstiltsError
from xstilts.core.files import link, write_json
from xstilts.data.examples import Example, PlainText, asked, gold_of, read_examples
from xstilts.data.locate import Root
from xstilts.data.readers.pools import parsed_once
from xstilts.graph.job import Job
from xstilts.stages.models import COPIED_BYTES, POINTER, reopen_backbone
from xstilts.stages.reading import root_of, select, split_of, task_of
from xstilts.task_types import TASK_TYPES
from xstilts.task_types.features import Features, FeaturesWriter
from xstilts.task_types.masked_lm import published_head
from xstilts.task_types.raw_text import RawText
from xstilts.tasks import Task
from xstilts.tasks.base import task_from_json
from xstilts.training.model import HeadSpec, save_heads, saved_heads
from xstilts.translation.spec import SOURCE

_READ = (".json", ".safetensors", ".txt", ".model", ".jinja")
"""Suffixes of the files that transformers reads; weights in pickles are saved again as safetensors."""


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
                # The same features as from memory, byte for byte, but read line by line: raw text may be of any size.
                where = (task, root, config["split"], language, config["limit"])
                count = sum(1 for _ in _texts(*where)) if task.encoding.paired else 0  # framing as pairs needs it first
                parts = task_type.stream(_texts(*where), count, coder, task.encoding)
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
    known = set(task.labels)
    for example in examples if known else ():
        gold = gold_of(example)
        for value in gold if isinstance(gold, tuple) else (gold,):
            if isinstance(value, str) and value not in known:
                raise DataError(f"{task.name} ({language}): example '{example.id}' has the unknown label '{value}'")
    return examples


def run_start(job: Job) -> None:
    """Write a random backbone, what another stage pretrained, or a pointer to a pretrained one that was checked."""
    config, settings, to = job.config, job.stage.settings, job.directory / "backbone"
    route, attention, output = config["route"], config.get("attention", "auto"), config.get("output", "head")
    commit = {}
    if "random" in config or "random_like" in config:
        tokenizer = from_pretrained(AutoTokenizer, job.inputs["tokenizer"])
        if "random" in config:
            architecture, fields, seed = (config["random"][name] for name in ("architecture", "config", "seed"))
            load.check_fields(architecture, fields)
        else:
            like = from_pretrained(AutoConfig, settings["source"], revision=settings["revision"]).to_dict()
            architecture, seed = like["model_type"], config["seed"]
            fields = {name: value for name, value in like.items() if name not in load.NOT_FIELDS}
        backbone = load.random_backbone(architecture, fields, tokenizer, seed, route, output=output)
        load.save_backbone(backbone, to)
    elif "model" in job.inputs:
        backbone = reopen_backbone(job.inputs["model"], to, route, output)
    else:
        source, revision = settings["source"], settings["revision"]
        folder = Path(source)
        backbone = load.load_backbone(source, revision, route, weights=load.Weights("auto"), output=output)
        save_heads(_pretrained_heads(folder, revision, backbone), job.directory)
        if not folder.is_dir():
            found = Path(hf_hub_download(source, "config.json", revision=revision)).parent.name  # already downloaded
            commit = {"hub": source, "commit": found}
            write_json(job.directory / POINTER, {"source": source, "revision": found})
        elif not _linked(folder, to, config.get("files", ())):
            if _size(folder) < COPIED_BYTES:
                load.save_backbone(backbone, to)
            else:
                write_json(job.directory / POINTER, {"source": str(folder.absolute()), "revision": None})
    backbone.set_attention(attention)
    about = {**load.describe(backbone), **commit, "route_asked": route, "attention_asked": attention}
    write_json(job.directory / "about.json", about)


def _pretrained_heads(source: Path, revision: str | None, backbone: Backbone) -> dict[HeadSpec, dict[str, Tensor]]:
    """Heads pretrained with the model: those of our own `heads.json`, else the published masked-LM head."""
    try:
        own = {spec: state for spec, state in saved_heads(source).items() if spec.task_type.pretrained_head}
    except (TypeError, LookupError, OSError, SafetensorError, XstiltsError) as error:
        raise BackboneError(f"heads.json of '{source}' is none of ours ({error}): remove it") from None
    if own:
        return own
    published = None if backbone.writes else published_head(str(source), revision, backbone)
    return {HeadSpec("masked_lm", "masked_lm", ()): published} if published else {}


def _linked(source: Path, to: Path, needed: Iterable[str]) -> bool:
    """Link what transformers reads of a folder, or copy a small model from another file system; whether that was done.

    Args:
        needed: files that the model needs; those in pickles or in subfolders cannot be linked.
    """
    files = [path for path in source.iterdir() if path.suffix in _READ and not path.name.startswith("heads.")]
    far = source.stat().st_dev != to.parent.stat().st_dev
    if not {path.name for path in files}.issuperset(needed) or (far and _size(source) >= COPIED_BYTES):
        return False
    to.mkdir()
    for path in files:
        link(path.resolve(), to / path.name)
    return True


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
