"""Writing a model as transformers or sentence-transformers reads it; each returns how far its values are from ours."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers.processors import TemplateProcessing
from torch import Tensor, nn
from transformers import AutoTokenizer

from xstilts.backbones.backbone import Backbone
from xstilts.backbones.coder import Coder
from xstilts.backbones.load import ENCODER_OF
from xstilts.backbones.names import LAYER_FIELDS, Pooling
from xstilts.backbones.pretrained import from_pretrained
from xstilts.core.errors import BackboneError
from xstilts.core.files import write_json
from xstilts.export.check import (
    difference,
    framed_alike,
    our_logits,
    our_vectors,
    reads_types,
    refuse_different,
    sample_features,
    sample_sentences,
    sample_texts,
    their_logits,
    their_vectors,
)
from xstilts.export.finished import Head
from xstilts.export.forms import Fit, skeleton
from xstilts.export.layout import lay_out, plain_config
from xstilts.export.opening import Source


def write_transformers(source: Source, head: Head, module: nn.Module, directory: Path) -> tuple[Fit, float]:
    """Write backbone and head as one transformers model with its tokenizer, and read it back.

    Returns:
        the form it took, and the largest difference of its logits from ours.

    Raises:
        BackboneError: transformers has no such head, or the folder gives other logits.
    """
    layout = lay_out(source.backbone, head, module)
    form, library = layout.fit.form, layout.fit.library.__name__
    own = {f"{layout.fit.base}.{name}": value for name, value in source.backbone.model.state_dict().items()}
    save(layout.skeleton(), {**own, **layout.tensors}, directory)
    save_tokenizer(source.backbone, directory, pairs=head.type != "tagging")
    features = sample_features(Coder(source.backbone.tokenizer), head.type, source.encoding, head.labels)
    ours = our_logits(source.backbone, module, head.type, features)
    model = reopen(getattr(transformers, form.auto), directory)
    found = difference(ours, their_logits(model, head.type, features))
    reason = f"the head of {library} computes something else than ours, so nothing was exported"
    refuse_different(found, library, reason)
    return layout.fit, found


def save(model: Any, state: Mapping[str, Tensor], directory: Path) -> None:
    """Write a skeleton with the tensors of `state`; poolers that it does not have are left out.

    Raises:
        BackboneError: a tensor is missing or has another shape.
    """
    wanted = model.state_dict()
    kept = {name: value.detach().cpu() for name, value in state.items() if name in wanted}
    lacking = [name for name in wanted if name not in kept or kept[name].shape != wanted[name].shape]
    extra = [name for name in state if name not in wanted and "pooler" not in name]
    if lacking or extra:
        raise BackboneError(f"{type(model).__name__} has other tensors than the model: {(lacking + extra)[0]}")
    # save_pretrained takes shared tensors for one another by their storage, which a skeleton does not have.
    model.load_state_dict({name: value.contiguous() for name, value in kept.items()}, assign=True)
    model.tie_weights()
    model.save_pretrained(directory)


def reopen(auto: Any, directory: Path) -> Any:
    """The written folder as plain transformers loads it, with nothing missing."""
    model, info = from_pretrained(auto, directory, dtype=torch.float32, output_loading_info=True)
    missing = sorted({*info["missing_keys"], *info["unexpected_keys"]})
    if missing:
        raise BackboneError(f"{type(model).__name__} does not read all that was written: {missing[0]}")
    return model


def save_tokenizer(backbone: Backbone, directory: Path, pairs: bool, length: int | None = None) -> None:
    """Write the tokenizer so that called on its own it makes the inputs of training: special tokens, token types.

    Args:
        pairs: whether it is to frame two texts too; length: cut inputs there.

    Raises:
        BackboneError: the written tokenizer gives other inputs.
    """
    coder, written = Coder(backbone.tokenizer), copy.deepcopy(backbone.tokenizer)
    types = reads_types(backbone.model)
    if not framed_alike(written, coder, pairs, types):
        written.backend_tokenizer.post_processor = _frame(coder, pairs)
        if types:  # multilingual E5 small: a BERT, which reads types, under XLM-R's tokenizer, which gives none
            written.model_input_names = ["input_ids", "token_type_ids", "attention_mask"]
            written.init_kwargs["model_input_names"] = written.model_input_names
    if written.pad_token is None:
        written.pad_token = written.eos_token  # any will do where a mask says what is text
    if length is not None:
        written.model_max_length = length
    written.save_pretrained(directory)
    if not framed_alike(from_pretrained(AutoTokenizer, directory), coder, pairs, types):
        raise BackboneError(f"{type(written).__name__} as written frames texts in another way than in training")


def _frame(coder: Coder, pairs: bool) -> Any:
    """The tokenizers library's word for the coder's frames; a decoder's tokenizer has no end of text of its own."""

    def part(ids: Any, kind: int) -> list[str]:
        return [f"{name}:{kind}" for name in coder.tokenizer.convert_ids_to_tokens(ids.tolist())]

    one = coder.single
    single = [*part(one.before, 0), "$A:0", *part(one.after, 0)]
    two = coder.pair if pairs else one
    pair = [*part(two.before, 0), "$A:0", *part(two.between, 0), "$B:1", *part(two.after, 1)]
    used = {int(i) for frame in (one, two) for ids in frame for i in ids}
    names = [(coder.tokenizer.convert_ids_to_tokens(i), i) for i in sorted(used)]
    return TemplateProcessing(single=single, pair=pair, special_tokens=names)


def write_sentence_transformers(source: Source, pooling: Pooling, layer: int, directory: Path) -> float:
    """Write the lowest `layer` layers with their pooling, as sentence-transformers reads them, and read them back.

    Returns:
        the largest difference of its vectors from ours.

    Raises:
        BackboneError: no such layer, or one whose states cannot be had by leaving out those above.
    """
    backbone, last = source.backbone, source.backbone.layers
    check_layer(layer, backbone)
    config, kept = plain_config(backbone), dict(backbone.model.state_dict())
    if layer < last:
        setattr(config, next(name for name in LAYER_FIELDS if hasattr(config, name)), layer)
        if getattr(config, "layer_types", None):
            config.layer_types = config.layer_types[:layer]
        cut = skeleton(type(backbone.model), config).state_dict()
        kept = {name: value for name, value in kept.items() if name in cut}
    length = source.length
    save(skeleton(type(backbone.model), config), kept, directory)
    save_tokenizer(backbone, directory, pairs=False, length=length)
    _write_modules(directory, backbone.hidden_size, pooling, length)
    auto = "AutoModelForTextEncoding" if config.model_type in ENCODER_OF else "AutoModel"
    model = reopen(getattr(transformers, auto), directory)
    texts = sample_texts(Coder(backbone.tokenizer))
    ours = our_vectors(backbone, sample_sentences(Coder(backbone.tokenizer), length), pooling, layer)
    found = difference(ours, their_vectors(model, from_pretrained(AutoTokenizer, directory), texts, pooling))
    below = f"a norm stands behind its last layer, so that only --layer {last} can be exported"
    refuse_different(found, f"layer {layer} of {config.model_type}", below if layer < last else "nothing was exported")
    return found


def check_layer(layer: int, backbone: Backbone) -> None:
    """Raises `BackboneError` for a layer that is not there."""
    if not 1 <= layer <= backbone.layers:
        raise BackboneError(f"layer {layer} of a model that has {backbone.layers}, numbered from 1")


def _write_modules(directory: Path, size: int, pooling: Pooling, length: int) -> None:
    """The files beside model and tokenizer, in the form that sentence-transformers has read since version 2."""
    kinds = {"": "Transformer", "1_Pooling": "Pooling"}
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (path, kind) in enumerate(kinds.items())
    ]
    write_json(directory / "modules.json", modules)
    write_json(directory / "sentence_bert_config.json", {"max_seq_length": length, "do_lower_case": False})
    modes = {"mean": "mean_tokens", "first": "cls_token", "last": "lasttoken"}
    chosen = {f"pooling_mode_{name}": mode == pooling for mode, name in modes.items()}
    write_json(directory / "1_Pooling" / "config.json", {"word_embedding_dimension": size, **chosen})
    write_json(directory / "config_sentence_transformers.json", {"prompts": {}, "similarity_fn_name": "cosine"})
