"""Writing what LoRA phases trained as one PEFT adapter with its head, over the model that it adapts.

Adapters of several phases add up to one of the sum of their ranks. The folder holds no weights of the model below and
no `config.json`, which would hide from transformers that it is an adapter: the labels are an argument.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import peft
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import BitsAndBytesConfig

from xstilts.backbones.adapters import WEIGHTS, Joined, join_adapters
from xstilts.backbones.backbone import HALF_TOLERANCE, Backbone
from xstilts.backbones.coder import Coder
from xstilts.backbones.load import FOUR_BITS, keep_layout
from xstilts.backbones.pretrained import from_pretrained
from xstilts.core.errors import BackboneError
from xstilts.export.build import save_tokenizer
from xstilts.export.check import TOLERANCE, difference, our_logits, refuse_different, sample_features, their_logits
from xstilts.export.finished import Head
from xstilts.export.forms import MASKED, QUESTION, SEQUENCE, TOKEN, Fit
from xstilts.export.layout import Layout, lay_out
from xstilts.export.opening import Base, Source

TASK_TYPES_OF_PEFT: Mapping[str, str] = {SEQUENCE: "SEQ_CLS", TOKEN: "TOKEN_CLS", QUESTION: "QUESTION_ANS"}
"""Auto class -> PEFT's word for it; what is not here PEFT loads by the name of its class."""


@dataclass(frozen=True)
class Adapter:
    """An adapter that was written.

    Attributes:
        auto: the class of PEFT that loads it.
        rank: the sum of those of the phases.
        options: its keywords besides `dtype`; `four_bits`: those of BitsAndBytesConfig, where it needs that.
        afterwards: fields of the configuration that no keyword sets, since the architecture has none of that name.
    """

    base: Base
    auto: str
    rank: int
    options: Mapping[str, Any]
    four_bits: Mapping[str, Any]
    afterwards: Mapping[str, Any]

    def keywords(self) -> dict[str, Any]:
        """All keywords of `from_pretrained`."""
        dtype = getattr(torch, self.base.weights.dtype)
        if not self.four_bits:
            return {**self.options, "dtype": dtype}
        config = BitsAndBytesConfig(**self.four_bits, bnb_4bit_compute_dtype=dtype)
        return {**self.options, "dtype": dtype, "quantization_config": config}


def write_adapter(
    source: Source, base: Base, head: Head, module: nn.Module, directory: Path
) -> tuple[Fit, Adapter, float]:
    """Write the adapters of a backbone as one, with a head and the tokenizer, and read them back over their base.

    Returns:
        the form of the head, what was written, and the largest difference of its logits from ours.

    Raises:
        BackboneError: transformers has no such head, or the folder gives other logits.
    """
    layout = lay_out(source.backbone, head, module)
    form, library = layout.fit.form, layout.fit.library
    if form.auto == MASKED:
        raise BackboneError(
            "a masked-LM head is tied to the embeddings, which PEFT would save whole: export the model merged with its "
            "adapter, without --as peft"
        )
    joined = join_adapters(source.backbone)
    saved = sorted({_holder(name) for name in layout.tensors})
    config = _config(layout, joined, saved, base)
    config.lora_dropout = list(source.backbone.model.peft_config.values())[-1].lora_dropout  # for who trains on
    config.save_pretrained(str(directory))
    save_file(_tensors(layout, joined), directory / WEIGHTS, metadata={"format": "pt"})
    save_tokenizer(source.backbone, directory, pairs=head.type != "tagging")
    auto = form.auto.replace("Auto", "AutoPeft") if config.task_type else "AutoPeftModel"
    four_bits = {**FOUR_BITS, "llm_int8_skip_modules": _not_quantized(source.backbone, layout, saved)}
    known = {name for name in layout.fields if hasattr(source.backbone.config, name)}
    written = Adapter(
        base,
        auto,
        joined.rank,
        {name: value for name, value in layout.fields.items() if name in known},
        four_bits if base.weights.quantize else {},
        {name: value for name, value in layout.fields.items() if name not in known},
    )
    features = sample_features(Coder(source.backbone.tokenizer), head.type, source.encoding, head.labels)
    half = base.weights.dtype == "bfloat16"
    ours = our_logits(source.backbone, module, head.type, features, "bf16" if half else "fp32")
    found = difference(ours, their_logits(reopen(written, directory), head.type, features))
    reason = f"nothing was exported; without --as peft the adapter is merged into {library.__name__}"
    refuse_different(found, "the adapter read by PEFT", reason, HALF_TOLERANCE if half else TOLERANCE)
    return layout.fit, written, found


def reopen(written: Adapter, directory: Path) -> Any:
    """The model under the adapter with it inside, as PEFT loads it, with nothing missing."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        model = from_pretrained(getattr(peft, written.auto), str(directory), **written.keywords())
    missing = [str(one.message) for one in told if "missing" in str(one.message)]
    if missing:
        raise BackboneError(f"PEFT does not read all that was written: {missing[0].splitlines()[0]}")
    keep_layout(model)
    model.config.update(dict(written.afterwards))
    return model.get_base_model()


def _holder(tensor: str) -> str:
    """The module that PEFT saves for a tensor of the head: the one around its layer, or the layer where none is."""
    layer = tensor.rpartition(".")[0]
    return layer.rpartition(".")[0] or layer


def _config(layout: Layout, joined: Joined, saved: list[str], base: Base) -> peft.LoraConfig:
    """Layers are named by their last word, as PEFT's users do; others of that name are excluded in full."""
    adapted = {f"{layout.fit.base}.{path}" for path in joined.layers}
    targets = sorted({path.rpartition(".")[2] for path in adapted})
    named = (path for path, _ in layout.skeleton().named_modules() if path.rpartition(".")[2] in targets)
    stray = [path for path in named if path not in adapted and not _within(path, saved)]
    alpha: Any = joined.scale * joined.rank
    library = layout.fit.library
    task_type = TASK_TYPES_OF_PEFT.get(layout.fit.form.auto)
    by_name = {"base_model_class": library.__name__, "parent_library": library.__module__}
    return peft.LoraConfig(
        base_model_name_or_path=base.source,
        revision=base.revision,
        r=joined.rank,
        lora_alpha=int(alpha) if alpha == int(alpha) else alpha,
        target_modules=targets,
        exclude_modules=stray or None,
        modules_to_save=saved,
        task_type=task_type,
        auto_mapping=None if task_type else by_name,
        inference_mode=True,
    )


def _tensors(layout: Layout, joined: Joined) -> dict[str, Tensor]:
    """All tensors under the names of PEFT's files, which begin at its own wrapper."""
    state = dict(layout.tensors)
    for path, (a, b) in joined.layers.items():
        state |= {f"{layout.fit.base}.{path}.lora_A.weight": a, f"{layout.fit.base}.{path}.lora_B.weight": b}
    return {f"base_model.model.{name}": value.float().cpu().contiguous() for name, value in state.items()}


def _not_quantized(backbone: Backbone, layout: Layout, saved: list[str]) -> list[str]:
    """The head's modules, and linear layers of the backbone that stayed whole when the others went into 4 bits."""
    there = {path for path, _ in layout.skeleton().named_modules()}
    whole = (path for path, one in backbone.model.named_modules() if type(one) is nn.Linear)
    paths = (f"{layout.fit.base}.{path.removesuffix('.base_layer')}" for path in whole)
    return [*saved, *(path for path in paths if path in there)]


def _within(path: str, modules: Iterable[str]) -> bool:
    return any(re.match(rf"{re.escape(module)}(\.|$)", path) for module in modules)
