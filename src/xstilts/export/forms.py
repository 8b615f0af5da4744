"""The transformers class that computes exactly what a head of ours computes, and the check that it does.

A form fits an architecture if its class has the base model, the layers that the form names and no others. The class is
built on torch's meta device to check that. Names say nothing about activations, so the logits or states of each written
folder are compared with those of the model in the store. Inputs are texts of random pieces of the tokenizer, so that
they fit any vocabulary.
Shape suffixes: T tokens, C outputs, S segments, H hidden.
"""

import copy
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from torch import Tensor, nn
from transformers import AutoTokenizer

from xstilts.backbones.backbone import Backbone
from xstilts.backbones.coder import Coder, Segment
from xstilts.backbones.load import from_pretrained
from xstilts.backbones.names import LAYER_FIELDS
from xstilts.backbones.packing import pack
from xstilts.core.errors import BackboneError
from xstilts.core.seeds import generator
from xstilts.data.examples import ChoiceExample, Example, SpanExample, TaggedExample, TextExample
from xstilts.data.readers.types import TYPES
from xstilts.export.finished import Head
from xstilts.task_types import TASK_TYPES
from xstilts.task_types.features import Features
from xstilts.tasks import Encoding

SEQUENCE, TOKEN = "AutoModelForSequenceClassification", "AutoModelForTokenClassification"
QUESTION, CHOICE = "AutoModelForQuestionAnswering", "AutoModelForMultipleChoice"


@dataclass(frozen=True)
class ExportForm:
    """One way in which transformers lays out a head.

    Attributes:
        auto: the auto class that loads it.
        layers: layer of our head -> layer of theirs; `base.` stands for their base model.
        config: values that make their head compute what ours does, for those fields that a configuration has.
        outputs: names of the outputs if they are not the task's labels.
    """

    auto: str
    layers: Mapping[str, str]
    config: Mapping[str, Any] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()


_POOLER = {"dense": "base.pooler.dense", "out": "classifier"}
_CONTEXT = {"dense": "pooler.dense", "out": "classifier"}
_TANH = {"pooler_hidden_act": "tanh"}
_SUMMARY = {"summary_type": "first", "summary_use_proj": True, "summary_activation": "tanh"}

FORMS: Mapping[str, tuple[ExportForm, ...]] = {
    "classification": (
        ExportForm(SEQUENCE, {"dense": "classifier.dense", "out": "classifier.out_proj"}),
        ExportForm(SEQUENCE, _CONTEXT, _TANH),
        ExportForm(SEQUENCE, _POOLER),
    ),
    "tagging": (ExportForm(TOKEN, {"out": "classifier"}), ExportForm(TOKEN, {"out": "score"})),
    "span_qa": (
        ExportForm(QUESTION, {"out": "qa_outputs"}),
        ExportForm(TOKEN, {"out": "classifier"}, outputs=("start", "end")),
    ),
    "multiple_choice": (
        ExportForm(CHOICE, _POOLER),
        ExportForm(CHOICE, _CONTEXT, _TANH),
        ExportForm(CHOICE, {"dense": "sequence_summary.summary", "out": "classifier"}, _SUMMARY),
        ExportForm(SEQUENCE, _POOLER, outputs=("score",)),
    ),
}
"""Head type -> forms, in the order in which they are tried: first the class made for the task."""
_DIFFERENT = {("electra", SEQUENCE)}
"""(architecture, auto class) with our names of layers and another function: GELU instead of tanh."""


@dataclass(frozen=True)
class Layout:
    """A head in a transformers class.

    Attributes:
        base: name of the base model in the class `library`.
        fields: what its configuration adds to the backbone's; `config`: all of it.
        tensors: the head's tensors by their names in the class.
    """

    form: ExportForm
    library: type[Any]
    base: str
    fields: Mapping[str, Any]
    config: Any
    tensors: Mapping[str, Tensor]


def skeleton(library: Any, config: Any) -> Any:
    """A model without memory: names and shapes of its tensors."""
    with torch.device("meta"):
        return library(config)


def plain_config(backbone: Backbone) -> Any:
    """A copy of the configuration, without how and where the model was loaded."""
    config = copy.deepcopy(backbone.config)
    config._attn_implementation = None
    config._name_or_path = ""
    return config


def fit(config: Any, head: str) -> tuple[ExportForm, type[Any], dict[str, Any]]:
    """The first form of a head type that fits an architecture, its class, and config fields. Raises `BackboneError`."""
    for form in FORMS.get(head, ()):
        library = getattr(transformers, form.auto)._model_mapping.get(type(config), None)
        if library is None or (config.model_type, form.auto) in _DIFFERENT:
            continue
        fields = {name: value for name, value in form.config.items() if hasattr(config, name)}
        wanted = set(_full_names(form, library).values())
        have = {name.rpartition(".")[0] for name in skeleton(library, config).state_dict()}
        if wanted <= have and all(name.startswith(f"{library.base_model_prefix}.") for name in have - wanted):
            return form, library, fields
    reason = "no class of transformers computes the same" if head in FORMS else f"heads that can: {', '.join(FORMS)}"
    answers = "`xstilts predict` answers with it, and " if TYPES.get(head).answers else ""
    last = next(getattr(config, name) for name in LAYER_FIELDS if hasattr(config, name))
    raise BackboneError(
        f"a {head} head on {config.model_type} cannot be exported ({reason}): {answers}"
        f"--as sentence-transformers --layer {last} exports the backbone without it"
    )


def _full_names(form: ExportForm, library: Any) -> dict[str, str]:
    """Layer of our head -> the full name of theirs."""
    return {ours: name.replace("base.", f"{library.base_model_prefix}.") for ours, name in form.layers.items()}


def lay_out(backbone: Backbone, head: Head, module: nn.Module) -> Layout:
    """The layout of a head on its architecture. Raises `BackboneError` if transformers has no such head."""
    config = plain_config(backbone)
    form, library, fields = fit(config, head.type)
    names, layers = form.outputs or head.labels, _full_names(form, library)
    if names:
        fields["id2label"] = dict(enumerate(names))
    if backbone.decoder and backbone.sees(TASK_TYPES.get(head.type).right_context) == "bidirectional":
        fields["is_causal"] = False
    config.update(fields)
    if names:
        config.label2id = {name: i for i, name in enumerate(names)}
    if head.type == "classification":
        config.problem_type = "single_label_classification"
    split = [(*name.rpartition("."), value.detach()) for name, value in module.state_dict().items()]
    named = {f"{layers[layer]}.{name}": value for layer, _, name, value in split}
    return Layout(form, library, library.base_model_prefix, fields, config, named)


TOLERANCE = 1e-5
"""Largest difference, relative to the largest value if that is above 1."""


def sample_texts(coder: Coder) -> list[str]:
    """Six texts of 2 to 24 random pieces, the same for the same tokenizer."""
    rng = generator(0, "export")
    ordinary = np.setdiff1d(np.arange(coder.vocabulary), sorted(coder.special_ids))
    drawn = [rng.choice(ordinary, size=size) for size in np.linspace(2, 24, 6).astype(int)]
    return [" ".join(coder.tokenizer.decode(ids.tolist()).split()) or "a" for ids in drawn]


def sample_features(backbone: Backbone, head: Head, limits: Encoding) -> Features:
    """Tokenised inputs of a head, without gold; for classification both single texts and pairs."""
    coder = Coder(backbone.tokenizer)
    texts = sample_texts(coder)
    examples: list[Example] = []
    for i, (text, other) in enumerate(zip(texts, [*texts[1:], texts[0]])):
        if head.type == "classification":
            examples.append(TextExample(str(i), text, other if i % 2 else None, None))
        elif head.type == "tagging":
            examples.append(TaggedExample(str(i), tuple(text.split()), None))
        elif head.type == "span_qa":
            examples.append(SpanExample(str(i), other, text, None))
        else:
            examples.append(ChoiceExample(str(i), text, "", (other, text, "a"), None))
    return TASK_TYPES.get(head.type).encode(examples, coder, limits, head.labels)


@torch.inference_mode()
def our_logits(backbone: Backbone, module: nn.Module, kind: str, features: Features) -> list[Tensor]:
    """For each instance: [C] of a text, [S] of choices, [T, C] of tags, [T, 2] of spans."""
    task_type: Any = TASK_TYPES.get(kind)
    backbone.eval()
    module.eval()
    found = []
    for row in range(len(features)):
        states_TH = backbone(features.packed([row])[0], task_type.right_context)
        if kind in ("tagging", "span_qa"):
            found.append(module(states_TH))
        else:
            batch = task_type.collate(features, np.asarray([row]), generator(0, "export"))
            found.append(task_type.logits(module, states_TH, batch)[0])
    return found


@torch.inference_mode()
def their_logits(model: Any, kind: str, features: Features) -> list[Tensor]:
    """Logits of a transformers model, a segment at a time."""
    types, choices = reads_types(model.eval()), type(model).__name__.endswith("ForMultipleChoice")
    found = []
    for row in range(len(features)):
        segments, splits, _ = features.segments([row])
        logits = []
        for segment, split in zip(segments, splits, strict=True):
            ids = torch.from_numpy(segment.astype(np.int64))[None]
            inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
            if types:
                inputs["token_type_ids"] = (torch.arange(len(segment)) >= int(split)).long()[None]
            output = model(**{name: value[None] for name, value in inputs.items()} if choices else inputs)
            spans = kind == "span_qa" and "start_logits" in output
            logits.append(torch.stack([output.start_logits, output.end_logits], -1) if spans else output.logits)
        found.append(torch.cat(logits).flatten() if kind == "multiple_choice" else logits[0][0])
    return found


@torch.inference_mode()
def our_states(backbone: Backbone, layer: int, length: int) -> list[Tensor]:
    """One layer's states [T, H] for each sampled text, cut to `length` tokens."""
    coder = Coder(backbone.eval().tokenizer)
    packs = [pack([coder.one(ids, length).ids]) for ids in coder.pieces(sample_texts(coder))]
    return [backbone.hidden_states(one)[layer] for one in packs]


@torch.inference_mode()
def their_states(model: Any, tokenizer: Any, directory: Path) -> list[Tensor]:
    """The last states [T, H] of a transformers model, for the same texts as the written tokenizer encodes them."""
    read, found = inspect.signature(model.eval().forward).parameters, []
    written = from_pretrained(AutoTokenizer, directory)
    for text in sample_texts(Coder(tokenizer)):
        inputs = written(text, truncation=True, return_tensors="pt")
        found.append(model(**{name: inputs[name] for name in inputs if name in read}).last_hidden_state[0])
    return found


def framed_alike(tokenizer: Any, coder: Coder, pairs: bool, types: bool) -> bool:
    """Whether a tokenizer by itself gives the inputs of `coder`: special tokens and, with `types`, token types."""
    texts, length = sample_texts(coder), 10**6
    coded = list(zip(texts, coder.pieces(texts)))
    (first, other), *_ = coded
    asked: list[tuple[tuple[str, ...], Segment]] = [((text,), coder.one(ids, length)) for text, ids in coded]
    if pairs:
        asked += [((text, first), coder.two(ids, other, length)) for text, ids in coded]
    for words, segment in asked:
        given = tokenizer(*words)
        expected = (np.arange(len(segment.ids)) >= segment.type_split).astype(int).tolist()
        if given["input_ids"] != segment.ids.tolist() or (types and given.get("token_type_ids") != expected):
            return False
    return True


def reads_types(model: Any) -> bool:
    """Whether a model has different token types for first and second texts."""
    accepts = inspect.signature(model.forward).parameters
    return "token_type_ids" in accepts and int(getattr(model.config, "type_vocab_size", None) or 1) > 1


def refuse_different(ours: Sequence[Tensor], theirs: Sequence[Tensor], what: str, reason: str) -> float:
    """The largest difference. Raises `BackboneError` if it is above the tolerance, or NaN."""
    if not (found := difference(ours, theirs)) <= TOLERANCE:
        raise BackboneError(f"outputs of {what} differ from the model in the store (by {found:.2g}): {reason}")
    return found


def difference(ours: Sequence[Tensor], theirs: Sequence[Tensor]) -> float:
    """The largest difference, relative to the largest value if that is above 1; NaN if any value is NaN."""
    apart = torch.stack([(one - other).abs().max() for one, other in zip(ours, theirs, strict=True)]).max()
    return float(apart) / max(1.0, *(float(one.abs().max()) for one in ours))
