"""The transformers class that computes exactly what a head of ours computes, and the names of its layers.

A form fits an architecture if its class has the base model, the layers that the form names and no others. The class is
built on torch's meta device to check that. Names say nothing about activations, so `check.py` compares the logits of
every written folder too.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
import transformers
from torch import Tensor, nn

from xstilts.backbones.backbone import Backbone
from xstilts.backbones.names import LAYER_FIELDS
from xstilts.core.errors import BackboneError
from xstilts.data.readers.types import TYPES
from xstilts.export.finished import Head
from xstilts.task_types import TASK_TYPES

SEQUENCE, TOKEN = "AutoModelForSequenceClassification", "AutoModelForTokenClassification"
QUESTION, CHOICE = "AutoModelForQuestionAnswering", "AutoModelForMultipleChoice"


@dataclass(frozen=True)
class Form:
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

FORMS: Mapping[str, tuple[Form, ...]] = {
    "classification": (
        Form(SEQUENCE, {"dense": "classifier.dense", "out": "classifier.out_proj"}),
        Form(SEQUENCE, _CONTEXT, _TANH),
        Form(SEQUENCE, _POOLER),
    ),
    "tagging": (Form(TOKEN, {"out": "classifier"}), Form(TOKEN, {"out": "score"})),
    "span_qa": (
        Form(QUESTION, {"out": "qa_outputs"}),
        Form(TOKEN, {"out": "classifier"}, outputs=("start", "end")),
    ),
    "multiple_choice": (
        Form(CHOICE, _POOLER),
        Form(CHOICE, _CONTEXT, _TANH),
        Form(CHOICE, {"dense": "sequence_summary.summary", "out": "classifier"}, _SUMMARY),
        Form(SEQUENCE, _POOLER, outputs=("score",)),
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

    form: Form
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


def fit(config: Any, head: str) -> tuple[Form, type[Any], dict[str, Any]]:
    """The first form of a head type that fits an architecture, its class, and fields of the configuration.

    Raises `BackboneError` if none fits.
    """
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


def _full_names(form: Form, library: Any) -> dict[str, str]:
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
