"""Writing a model in the format of transformers, PEFT or sentence-transformers.

Each writer reloads the folder, and returns the largest difference of its outputs from those of the model in the store.

A PEFT folder holds one adapter, the sum of those of all phases, and the head. It has no weights of the model below, and
no `config.json`, which would hide the adapter from transformers: the labels are an argument when it is loaded.
"""

import copy
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import peft
import torch
import transformers
from safetensors.torch import save_file
from tokenizers.processors import TemplateProcessing
from torch import Tensor, nn
from transformers import AutoTokenizer

from xstilts.backbones.adapters import WEIGHTS, join_adapters
from xstilts.backbones.backbone import Backbone
from xstilts.backbones.coder import Coder
from xstilts.backbones.load import ENCODER_OF, from_pretrained, load_backbone, save_backbone
from xstilts.backbones.names import LAYER_FIELDS, Pooling
from xstilts.core.errors import BackboneError
from xstilts.core.files import write_json
from xstilts.export import forms
from xstilts.export.finished import Head
from xstilts.export.forms import QUESTION, SEQUENCE, TOKEN, Layout, lay_out, plain_config, skeleton
from xstilts.tasks import Encoding

_TASK_TYPES: Mapping[str, str] = {SEQUENCE: "SEQ_CLS", TOKEN: "TOKEN_CLS", QUESTION: "QUESTION_ANS"}
"""Auto class -> PEFT's name for it; PEFT loads all others by the name of their class."""
Base = tuple[str, str | None]
"""The model under an adapter: a hub name and its revision, or a folder and None."""


@dataclass(frozen=True)
class Adapter:
    """An adapter in a folder.

    Attributes:
        base, revision: the model under it: a hub name with its revision, or a folder.
        auto: the class of PEFT that loads it; `options`: its keywords.
        rank: the sum of the ranks of the phases.
        both_sides: whether it is a decoder with attention to both sides; no keyword sets that.
    """

    base: str
    revision: str | None
    auto: str
    options: Mapping[str, Any]
    rank: int
    both_sides: bool


def write_head(
    backbone: Backbone, limits: Encoding, head: Head, module: nn.Module, directory: Path, base: Base | None = None
) -> tuple[Layout, Adapter | None, float]:
    """Write backbone and head as one transformers model, or over `base` as a PEFT adapter; compare the logits.

    Raises `BackboneError` if transformers has no such head, or gives other logits.
    """
    layout = lay_out(backbone, head, module)
    adapter = _save_adapter(backbone, layout, base, directory) if base else None
    if adapter is None:
        own = {f"{layout.base}.{name}": value for name, value in backbone.model.state_dict().items()}
        save(skeleton(layout.library, layout.config), {**own, **layout.tensors}, directory)
    save_tokenizer(backbone, directory, pairs=head.type != "tagging")
    what, reason = layout.library.__name__, "nothing was exported"
    if adapter is None:
        model = reopen(layout.form.auto, directory)
    else:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            model = from_pretrained(getattr(peft, adapter.auto), str(directory), dtype=torch.float32, **adapter.options)
        if missing := [str(one.message) for one in told if "missing" in str(one.message)]:
            raise BackboneError(f"PEFT does not read all that was written: {missing[0].splitlines()[0]}")
        if adapter.both_sides:
            model.config.is_causal = False
        model = model.get_base_model()
        what, reason = "the adapter read by PEFT", f"{reason}; leave out --as peft to merge the adapter into the model"
    features = forms.sample_features(backbone, head, limits)
    theirs = forms.their_logits(model, head.type, features)
    ours = forms.our_logits(backbone, module, head.type, features)
    return layout, adapter, forms.refuse_different(ours, theirs, what, reason)


def save(model: Any, state: Mapping[str, Tensor], directory: Path) -> None:
    """Write a skeleton with the tensors of `state`, which must fit; leaves out poolers that it does not have."""
    wanted = model.state_dict()
    kept = {name: value.detach().cpu() for name, value in state.items() if name in wanted or "pooler" not in name}
    try:
        # save_pretrained recognises shared tensors by their storage, which a skeleton does not have.
        model.load_state_dict({name: value.contiguous() for name, value in kept.items()}, assign=True)
    except RuntimeError as error:
        first = str(error).splitlines()[1].strip()
        raise BackboneError(f"{type(model).__name__} has other tensors than the model: {first}") from None
    model.tie_weights()
    model.save_pretrained(directory)


def reopen(auto: str, directory: Path) -> Any:
    """A written folder as plain transformers loads it. Raises `BackboneError` if it does not read all of it."""
    options = {"dtype": torch.float32, "output_loading_info": True}
    model, info = from_pretrained(getattr(transformers, auto), directory, **options)
    if missing := sorted({*info["missing_keys"], *info["unexpected_keys"]}):
        raise BackboneError(f"{type(model).__name__} does not read all that was written: {missing[0]}")
    return model


def _save_adapter(backbone: Backbone, layout: Layout, base: Base, directory: Path) -> Adapter:
    """Layers are named by their last word, as usual in PEFT; other layers of that name are excluded by their path."""
    joined = join_adapters(backbone)
    # PEFT saves the module around a layer of the head, or the layer itself if there is none.
    layers = {name.rpartition(".")[0] for name in layout.tensors}
    saved = sorted({layer.rpartition(".")[0] or layer for layer in layers})
    adapted = {f"{layout.base}.{path}" for path in joined.layers}
    targets = sorted({path.rpartition(".")[2] for path in adapted})
    others = {path for path, _ in skeleton(layout.library, layout.config).named_modules()} - adapted
    inside = tuple(f"{module}." for module in saved)
    stray = sorted(p for p in others if p.rpartition(".")[2] in targets and not f"{p}.".startswith(inside))
    alpha: Any = joined.scale * joined.rank
    task_type = _TASK_TYPES.get(layout.form.auto)
    by_name = {"base_model_class": layout.library.__name__, "parent_library": layout.library.__module__}
    config = peft.LoraConfig(
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
    config.lora_dropout = list(backbone.model.peft_config.values())[-1].lora_dropout  # for further training
    config.save_pretrained(str(directory))
    tensors = dict(layout.tensors)
    for path, (a, b) in joined.layers.items():
        tensors |= {f"{layout.base}.{path}.lora_A.weight": a, f"{layout.base}.{path}.lora_B.weight": b}
    named = {f"base_model.model.{name}": value.float().cpu().contiguous() for name, value in tensors.items()}
    save_file(named, directory / WEIGHTS, metadata={"format": "pt"})
    auto = layout.form.auto.replace("Auto", "AutoPeft") if config.task_type else "AutoPeftModel"
    options = {name: value for name, value in layout.fields.items() if name != "is_causal"}
    return Adapter(*base, auto, options, joined.rank, "is_causal" in layout.fields)


def save_tokenizer(backbone: Backbone, directory: Path, pairs: bool, length: int | None = None) -> None:
    """Write the tokenizer so that it makes the inputs of training by itself: special tokens and token types.

    With `pairs` it also frames two texts; it cuts at `length`. Raises `BackboneError` if it gives other inputs.
    """
    coder, written = Coder(backbone.tokenizer), copy.deepcopy(backbone.tokenizer)
    types = forms.reads_types(backbone.model)
    if not forms.framed_alike(written, coder, pairs, types):
        written.backend_tokenizer.post_processor = _frame(coder, pairs)
        if types:  # multilingual E5 small is a BERT, which reads types, with XLM-R's tokenizer, which gives none
            written.model_input_names = ["input_ids", "token_type_ids", "attention_mask"]
            written.init_kwargs["model_input_names"] = written.model_input_names
    if written.pad_token is None:
        written.pad_token = written.eos_token  # the attention mask hides it
    if length is not None:
        written.model_max_length = length
    written.save_pretrained(directory)
    if not forms.framed_alike(from_pretrained(AutoTokenizer, directory), coder, pairs, types):
        raise BackboneError(f"the written {type(written).__name__} frames texts differently than in training")


def _frame(coder: Coder, pairs: bool) -> TemplateProcessing:
    """The coder's frames in the form of the tokenizers library; a decoder's own tokenizer adds no end of text."""

    def part(ids: Any, kind: int) -> list[str]:
        return [f"{name}:{kind}" for name in coder.tokenizer.convert_ids_to_tokens(ids.tolist())]

    one, two = coder.single, coder.pair if pairs else coder.single
    used = sorted({int(i) for frame in (one, two) for ids in frame for i in ids})
    return TemplateProcessing(
        single=[*part(one.before, 0), "$A:0", *part(one.after, 0)],
        pair=[*part(two.before, 0), "$A:0", *part(two.between, 0), "$B:1", *part(two.after, 1)],
        special_tokens=list(zip(coder.tokenizer.convert_ids_to_tokens(used), used)),
    )


def write_sentence_transformers(
    backbone: Backbone, limits: Encoding, pooling: Pooling, layer: int, directory: Path
) -> float:
    """Write the lowest `layer` layers in the form of sentence-transformers; compare the states.

    Raises `BackboneError` if there is no such layer, or its states depend on the layers above it.
    """
    last, length = backbone.layers, int(min(limits.max_length, backbone.tokenizer.model_max_length))
    if not 1 <= layer <= last:
        raise BackboneError(f"--layer {layer}: the model has the layers 1 to {last}")
    config, kept = plain_config(backbone), dict(backbone.model.state_dict())
    if layer < last:
        setattr(config, next(name for name in LAYER_FIELDS if hasattr(config, name)), layer)
        if getattr(config, "layer_types", None):
            config.layer_types = config.layer_types[:layer]
        cut = skeleton(type(backbone.model), config).state_dict()
        kept = {name: value for name, value in kept.items() if name in cut}
    save(skeleton(type(backbone.model), config), kept, directory)
    save_tokenizer(backbone, directory, pairs=False, length=length)
    # The form that sentence-transformers has read since version 2.
    names = {"": "Transformer", "1_Pooling": "Pooling"}
    kinds = [(path, f"sentence_transformers.models.{kind}") for path, kind in names.items()]
    modules = [{"idx": i, "name": str(i), "path": path, "type": kind} for i, (path, kind) in enumerate(kinds)]
    modes = {"mean": "mean_tokens", "first": "cls_token", "last": "lasttoken"}
    chosen = {f"pooling_mode_{name}": mode == pooling for mode, name in modes.items()}
    write_json(directory / "modules.json", modules)
    write_json(directory / "sentence_bert_config.json", {"max_seq_length": length, "do_lower_case": False})
    write_json(directory / "1_Pooling" / "config.json", {"word_embedding_dimension": backbone.hidden_size, **chosen})
    write_json(directory / "config_sentence_transformers.json", {"prompts": {}, "similarity_fn_name": "cosine"})
    model = reopen("AutoModelForTextEncoding" if config.model_type in ENCODER_OF else "AutoModel", directory)
    ours, theirs = forms.our_states(backbone, layer, length), forms.their_states(model, backbone.tokenizer, directory)
    norm = f"a norm follows its last layer, so only --layer {last} can be exported"
    reason = norm if layer < last else "nothing was exported"
    return forms.refuse_different(ours, theirs, f"layer {layer} of {config.model_type}", reason)


def write_text_model(backbone: Backbone, directory: Path) -> float:
    """Write a model that answers in text, with its tokenizer; compare the tensors.

    Loading it as text also compares the probabilities of an answer with those of transformers' own forward pass.
    """
    save_backbone(backbone, directory)
    read = load_backbone(str(directory), output="text").model.state_dict()
    ours = backbone.model.state_dict()
    what = type(backbone.model).__name__
    return forms.refuse_different(list(ours.values()), [read[name] for name in ours], what, "nothing was exported")
