"""Start stages: the model from which recipes start."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from torch import Tensor
from transformers import AutoConfig, AutoTokenizer

from xstilts.backbones.backbone import Backbone
from xstilts.backbones.load import (
    NOT_FIELDS,
    Weights,
    check_fields,
    commit_of,
    describe,
    load_backbone,
    random_backbone,
    save_backbone,
)
from xstilts.backbones.pretrained import from_pretrained
from xstilts.core.errors import BackboneError, XstiltsError
from xstilts.core.files import write_json
from xstilts.stages.models import COPIED_BYTES, reopen_backbone
from xstilts.task_types.masked_lm import published_head
from xstilts.training.model import HeadSpec, save_heads, saved_heads

_READ = (".json", ".safetensors", ".txt", ".model", ".jinja")
"""Suffixes of what transformers reads of a model's folder; weights in pickles are saved anew."""


def run_start(
    config: Mapping[str, Any], settings: Mapping[str, Any], directory: Path, inputs: Mapping[str, Path]
) -> None:
    """Write a random backbone, what another stage pretrained, or a pointer to a pretrained one once it is checked."""
    route, attention, output = config["route"], config.get("attention", "auto"), config.get("output", "head")
    commit = {}
    if "random" in config or "random_like" in config:
        tokenizer = from_pretrained(AutoTokenizer, inputs["tokenizer"])
        if "random" in config:
            architecture, fields = config["random"]["architecture"], config["random"]["config"]
            check_fields(architecture, fields)
            seed = config["random"]["seed"]
        else:
            like = from_pretrained(AutoConfig, settings["source"], revision=settings["revision"]).to_dict()
            architecture, seed = like["model_type"], config["seed"]
            fields = {name: value for name, value in like.items() if name not in NOT_FIELDS}
        backbone = random_backbone(architecture, fields, tokenizer, seed, route, output=output)
        save_backbone(backbone, directory / "backbone")
    elif "model" in inputs:
        backbone = reopen_backbone(inputs["model"], directory / "backbone", route, output)
    else:
        source = Path(settings["source"])
        backbone = load_backbone(
            settings["source"], settings["revision"], route, weights=Weights("auto"), output=output
        )
        save_heads(_pretrained_heads(source, settings["revision"], backbone), directory)
        if source.is_dir() and _linked(source, directory / "backbone", config.get("files", ())):
            pass
        elif source.is_dir() and _size(source) < COPIED_BYTES:
            save_backbone(backbone, directory / "backbone")
        elif source.is_dir():
            write_json(directory / "pointer.json", {"source": str(source.absolute()), "revision": None})
        else:
            found = commit_of(settings["source"], settings["revision"])
            commit = {"hub": settings["source"], "commit": found}
            write_json(directory / "pointer.json", {"source": settings["source"], "revision": found})
    backbone.set_attention(attention)
    about = {**describe(backbone), **commit, "route_asked": route, "attention_asked": attention}
    write_json(directory / "about.json", about)


def _pretrained_heads(source: Path, revision: str | None, backbone: Backbone) -> dict[HeadSpec, dict[str, Tensor]]:
    """Heads pretrained with the model: ours where the folder is one of our own, else the published masked-LM head."""
    try:
        own = {spec: state for spec, state in saved_heads(source).items() if spec.task_type.pretrained_head}
    except (TypeError, LookupError, OSError, SafetensorError, XstiltsError) as error:
        raise BackboneError(f"heads.json of '{source}' is none of ours ({error}): remove it") from None
    if own:
        return own
    published = None if backbone.writes else published_head(str(source), revision, backbone)
    return {HeadSpec("masked_lm", "masked_lm", ()): published} if published else {}


def _linked(source: Path, to: Path, needed: Iterable[str]) -> bool:
    """Link what transformers reads of a folder, so that it costs no space; False where that cannot be done.

    Args:
        needed: files without which the model is not whole.
    """
    files = [path for path in source.iterdir() if path.suffix in _READ and not path.name.startswith("heads.")]
    if not {path.name for path in files}.issuperset(needed):
        return False
    to.mkdir()
    try:
        for path in files:
            os.link(path.resolve(), to / path.name)
    except OSError:  # another file system
        shutil.rmtree(to)
        return False
    return True


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
