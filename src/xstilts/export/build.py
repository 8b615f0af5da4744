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
from xstilts.backbones.load import ENCODER_OF, load_backbone, save_backbone
from xstilts.backbones.names import LAYER_FIELDS, Pooling
from xstilts.backbones.pretrained import from_pretrained
from xstilts.core.errors import BackboneError
from xstilts.core.files import write_json
from xstilts.export import check
from xstilts.export.finished import Head
from xstilts.export.forms import Layout, lay_out, plain_config, skeleton
from xstilts.tasks import Encoding


def write_transformers(
    backbone: Backbone, limits: Encoding, head: Head, module: nn.Module, directory: Path
) -> tuple[Layout, float]:
    """Write backbone and head as one transformers model with its tokenizer; compare the logits of what is read back.

    Raises `BackboneError` where transformers has no such head, or gives other logits.
    """
    layout = lay_out(backbone, head, module)
    own = {f"{layout.base}.{name}": value for name, value in backbone.model.state_dict().items()}
    save(skeleton(layout.library, layout.config), {**own, **layout.tensors}, directory)
    save_tokenizer(backbone, directory, pairs=head.type != "tagging")
    features = check.sample_features(backbone, head, limits)
    theirs = check.their_logits(reopen(getattr(transformers, layout.form.auto), directory), head.type, features)
    ours = check.our_logits(backbone, module, head.type, features)
    return layout, check.refuse_different(ours, theirs, layout.library.__name__, "nothing was exported")


def save(model: Any, state: Mapping[str, Tensor], directory: Path) -> None:
    """Write a skeleton with the tensors of `state`, which must fit; poolers that it does not have are left out."""
    wanted = model.state_dict()
    kept = {name: value.detach().cpu() for name, value in state.items() if name in wanted or "pooler" not in name}
    try:
        # save_pretrained takes shared tensors for one another by their storage, which a skeleton does not have.
        model.load_state_dict({name: value.contiguous() for name, value in kept.items()}, assign=True)
    except RuntimeError as error:
        first = str(error).splitlines()[1].strip()
        raise BackboneError(f"{type(model).__name__} has other tensors than the model: {first}") from None
    model.tie_weights()
    model.save_pretrained(directory)


def reopen(auto: Any, directory: Path) -> Any:
    """The written folder as plain transformers loads it. Raises `BackboneError` where it does not read all of it."""
    model, info = from_pretrained(auto, directory, dtype=torch.float32, output_loading_info=True)
    if missing := sorted({*info["missing_keys"], *info["unexpected_keys"]}):
        raise BackboneError(f"{type(model).__name__} does not read all that was written: {missing[0]}")
    return model


def save_tokenizer(backbone: Backbone, directory: Path, pairs: bool, length: int | None = None) -> None:
    """Write the tokenizer so that, called on its own, it makes the inputs of training: special tokens, token types.

    With `pairs` it frames two texts too; at `length` it cuts. Raises `BackboneError` where it gives other inputs.
    """
    coder, written = Coder(backbone.tokenizer), copy.deepcopy(backbone.tokenizer)
    types = check.reads_types(backbone.model)
    if not check.framed_alike(written, coder, pairs, types):
        written.backend_tokenizer.post_processor = _frame(coder, pairs)
        if types:  # multilingual E5 small: a BERT, which reads types, under XLM-R's tokenizer, which gives none
            written.model_input_names = ["input_ids", "token_type_ids", "attention_mask"]
            written.init_kwargs["model_input_names"] = written.model_input_names
    if written.pad_token is None:
        written.pad_token = written.eos_token  # any will do where a mask says what is text
    if length is not None:
        written.model_max_length = length
    written.save_pretrained(directory)
    if not check.framed_alike(from_pretrained(AutoTokenizer, directory), coder, pairs, types):
        raise BackboneError(f"{type(written).__name__} as written frames texts differently than in training")


def _frame(coder: Coder, pairs: bool) -> TemplateProcessing:
    """The coder's frames as the tokenizers library writes them; a decoder's tokenizer adds no end of text itself."""

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
    """Write the lowest `layer` layers as sentence-transformers reads them, and compare the states of what is read back.

    Raises `BackboneError` where there is no such layer, or its states change when those above are left out.
    """
    last, length = backbone.layers, int(min(limits.max_length, backbone.tokenizer.model_max_length))
    if not 1 <= layer <= last:
        raise BackboneError(f"the model has the layers 1 to {last}, and --layer asks for {layer}")
    config, kept = plain_config(backbone), dict(backbone.model.state_dict())
    if layer < last:
        setattr(config, next(name for name in LAYER_FIELDS if hasattr(config, name)), layer)
        if getattr(config, "layer_types", None):
            config.layer_types = config.layer_types[:layer]
        cut = skeleton(type(backbone.model), config).state_dict()
        kept = {name: value for name, value in kept.items() if name in cut}
    save(skeleton(type(backbone.model), config), kept, directory)
    save_tokenizer(backbone, directory, pairs=False, length=length)
    _write_modules(directory, backbone.hidden_size, pooling, length)
    auto = "AutoModelForTextEncoding" if config.model_type in ENCODER_OF else "AutoModel"
    model, tokenizer = reopen(getattr(transformers, auto), directory), from_pretrained(AutoTokenizer, directory)
    ours = check.our_states(backbone, layer, length)
    theirs = check.their_states(model, tokenizer, check.sample_texts(Coder(backbone.tokenizer)))
    norm = f"a norm follows its last layer, so only --layer {last} can be exported"
    reason = norm if layer < last else "nothing was exported"
    return check.refuse_different(ours, theirs, f"layer {layer} of {config.model_type}", reason)


def _write_modules(directory: Path, size: int, pooling: Pooling, length: int) -> None:
    """The files beside model and tokenizer, in the form that sentence-transformers has read since version 2."""
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (path, kind) in enumerate({"": "Transformer", "1_Pooling": "Pooling"}.items())
    ]
    modes = {"mean": "mean_tokens", "first": "cls_token", "last": "lasttoken"}
    chosen = {f"pooling_mode_{name}": mode == pooling for mode, name in modes.items()}
    write_json(directory / "modules.json", modules)
    write_json(directory / "sentence_bert_config.json", {"max_seq_length": length, "do_lower_case": False})
    write_json(directory / "1_Pooling" / "config.json", {"word_embedding_dimension": size, **chosen})
    write_json(directory / "config_sentence_transformers.json", {"prompts": {}, "similarity_fn_name": "cosine"})


def write_text_model(backbone: Backbone, directory: Path) -> float:
    """Write a model that answers in text whole, with its tokenizer, and compare the tensors of what is read back.

    Loading it as text compares the probabilities of an answer with those of transformers' own forward pass.
    """
    save_backbone(backbone, directory)
    read = load_backbone(str(directory), output="text").model.state_dict()
    ours = backbone.model.state_dict()
    what = type(backbone.model).__name__
    return check.refuse_different(list(ours.values()), [read[name] for name in ours], what, "nothing was exported")
