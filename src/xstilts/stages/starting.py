"""Start stages: the models from which recipes start."""

from collections.abc import Iterable
from pathlib import Path

from huggingface_hub import hf_hub_download
from safetensors import SafetensorError
from torch import Tensor
from transformers import AutoConfig, AutoTokenizer

from xstilts.backbones import load
from xstilts.backbones.backbone import Backbone
from xstilts.backbones.load import from_pretrained
from xstilts.core.errors import BackboneError, XstiltsError
from xstilts.core.files import link, write_json
from xstilts.graph.job import Job
from xstilts.stages.models import COPIED_BYTES, POINTER, reopen_backbone
from xstilts.task_types.masked_lm import published_head
from xstilts.training.model import HeadSpec, save_heads, saved_heads

_READ = (".json", ".safetensors", ".txt", ".model", ".jinja")
"""Suffixes of the files that transformers reads; weights in pickles are saved again as safetensors."""


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
