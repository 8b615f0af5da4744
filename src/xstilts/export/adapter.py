"""Writing what LoRA phases trained as one PEFT adapter with its head, over the model that it adapts.

Adapters of several phases add up to one with the sum of their ranks. The folder holds no weights of the model below and
no `config.json`, which would hide from transformers that it is an adapter: the labels are an argument.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import peft
import torch
from safetensors.torch import save_file
from torch import nn

from xstilts.backbones.adapters import WEIGHTS, JoinedAdapter, join_adapters
from xstilts.backbones.backbone import Backbone
from xstilts.backbones.load import save_backbone
from xstilts.backbones.pretrained import from_pretrained
from xstilts.core.errors import BackboneError, XstiltsError
from xstilts.export import check
from xstilts.export.build import save_tokenizer
from xstilts.export.finished import Finished, Head
from xstilts.export.forms import QUESTION, SEQUENCE, TOKEN, Layout, lay_out, skeleton
from xstilts.stages.changes import Changes, chain
from xstilts.stages.models import held_weights, open_backbone, source_of
from xstilts.tasks import Encoding

TASK_TYPES_OF_PEFT: Mapping[str, str] = {SEQUENCE: "SEQ_CLS", TOKEN: "TOKEN_CLS", QUESTION: "QUESTION_ANS"}
"""Auto class -> PEFT's word for it; PEFT loads all others by the name of their class."""


@dataclass(frozen=True)
class Adapter:
    """An adapter that was written.

    Attributes:
        base: the model under it: a hub name with its `revision`, or a folder.
        auto: the class of PEFT that loads it; `options`: its keywords.
        rank: the sum of those of the phases.
        both_sides: whether it is a decoder with attention to both sides, which no keyword sets.
    """

    base: str
    revision: str | None
    auto: str
    options: Mapping[str, Any]
    rank: int
    both_sides: bool


def base_under(found: Finished, folder: Path) -> tuple[str, str | None]:
    """What adapters lie over: a hub name and its revision, or a folder; a new one where earlier phases trained it."""
    directory = found.model.directory
    if not (directory / "adapters").is_dir():
        raise XstiltsError(f"stage {found.model.key} holds whole weights and no adapter: leave out --as peft")
    if held_weights(directory).quantize:
        raise XstiltsError("--as peft writes no adapter of weights in 4 bits: leave it out to merge the two")
    folders = chain(directory)
    source, revision = source_of(folders[0])
    below = folders[-2:][0]
    if Changes.read(below):
        if folder.exists():
            raise XstiltsError(f"{folder}, for the model under the adapter, exists: name another folder with --to")
        save_backbone(open_backbone(below), folder)
        source = str(folder)
    return str(Path(source).resolve()) if Path(source).is_dir() else source, revision


def write_adapter(
    backbone: Backbone, limits: Encoding, base: tuple[str, str | None], head: Head, module: nn.Module, directory: Path
) -> tuple[Layout, Adapter, float]:
    """Write adapters as one, with head and tokenizer, and compare the logits of what is read back over the base.

    Raises `BackboneError` where transformers has no such head, or gives other logits.
    """
    layout, joined = lay_out(backbone, head, module), join_adapters(backbone)
    config = _config(layout, joined, base)
    config.lora_dropout = list(backbone.model.peft_config.values())[-1].lora_dropout  # for further training
    config.save_pretrained(str(directory))
    tensors = dict(layout.tensors)
    for path, (a, b) in joined.layers.items():
        tensors |= {f"{layout.base}.{path}.lora_A.weight": a, f"{layout.base}.{path}.lora_B.weight": b}
    named = {f"base_model.model.{name}": value.float().cpu().contiguous() for name, value in tensors.items()}
    save_file(named, directory / WEIGHTS, metadata={"format": "pt"})
    save_tokenizer(backbone, directory, pairs=head.type != "tagging")
    auto = layout.form.auto.replace("Auto", "AutoPeft") if config.task_type else "AutoPeftModel"
    options = {name: value for name, value in layout.fields.items() if name != "is_causal"}
    written = Adapter(*base, auto, options, joined.rank, "is_causal" in layout.fields)
    features = check.sample_features(backbone, head, limits)
    theirs = check.their_logits(_reopened(written, directory), head.type, features)
    ours = check.our_logits(backbone, module, head.type, features)
    reason = "nothing was exported; leave out --as peft to merge the adapter into the model"
    return layout, written, check.refuse_different(ours, theirs, "the adapter read by PEFT", reason)


def _reopened(written: Adapter, directory: Path) -> Any:
    """The model with the adapter inside, as PEFT loads it. Raises `BackboneError` where it does not read all of it."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        model = from_pretrained(getattr(peft, written.auto), str(directory), dtype=torch.float32, **written.options)
    if missing := [str(one.message) for one in told if "missing" in str(one.message)]:
        raise BackboneError(f"PEFT does not read all that was written: {missing[0].splitlines()[0]}")
    if written.both_sides:
        model.config.is_causal = False
    return model.get_base_model()


def _config(layout: Layout, joined: JoinedAdapter, base: tuple[str, str | None]) -> peft.LoraConfig:
    """Layers are named by their last word, as PEFT's users do; others of that name are excluded in full."""
    # PEFT saves the module around a layer of the head, or the layer itself where there is none.
    layers = {name.rpartition(".")[0] for name in layout.tensors}
    saved = sorted({layer.rpartition(".")[0] or layer for layer in layers})
    adapted = {f"{layout.base}.{path}" for path in joined.layers}
    targets = sorted({path.rpartition(".")[2] for path in adapted})
    others = {path for path, _ in skeleton(layout.library, layout.config).named_modules()} - adapted
    inside = tuple(f"{module}." for module in saved)
    stray = sorted(p for p in others if p.rpartition(".")[2] in targets and not f"{p}.".startswith(inside))
    alpha: Any = joined.scale * joined.rank
    task_type = TASK_TYPES_OF_PEFT.get(layout.form.auto)
    by_name = {"base_model_class": layout.library.__name__, "parent_library": layout.library.__module__}
    return peft.LoraConfig(
        base_model_name_or_path=base[0],
        revision=base[1],
        r=joined.rank,
        lora_alpha=int(alpha) if alpha == int(alpha) else alpha,
        target_modules=targets,
        exclude_modules=stray or None,
        modules_to_save=saved,
        task_type=task_type,
        auto_mapping=None if task_type else by_name,
        inference_mode=True,
    )
