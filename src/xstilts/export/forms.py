"""Which transformers class computes exactly what a head of ours computes, found by the names of its layers.

The class is built without memory (on torch's meta device). A form fits when the layers that the class has beside its
base model are those the form names, and no others. Names say nothing of activations: `_DIFFERENT` tells where they
deceive, and `check.py` compares the logits of every written folder anyway.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
import transformers
from transformers import AutoConfig

from xstilts.backbones.names import LAYER_FIELDS
from xstilts.core.errors import BackboneError
from xstilts.data.readers.types import TYPES

SEQUENCE, TOKEN = "AutoModelForSequenceClassification", "AutoModelForTokenClassification"
QUESTION, CHOICE = "AutoModelForQuestionAnswering", "AutoModelForMultipleChoice"
MASKED = "AutoModelForMaskedLM"


@dataclass(frozen=True)
class Form:
    """One way in which transformers lays out a head.

    Attributes:
        auto: the auto class that loads it.
        layers: layer of our head -> layer of theirs; `base.` stands for their base model, `""` for the head itself.
        config: configuration fields with which their head computes what ours does.
        outputs: names of the outputs where they are not the task's labels.
        like: configuration fields that take the value of another one.
    """

    auto: str
    layers: Mapping[str, str]
    config: Mapping[str, Any] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()
    like: Mapping[str, str] = field(default_factory=dict)

    def configured(self, config: Any) -> Any:
        """A copy of a configuration with the fields of this form."""
        config = copy.deepcopy(config)
        config.update({**self.config, **{n: getattr(config, o) for n, o in self.like.items() if hasattr(config, o)}})
        return config


_POOLER = {"dense": "base.pooler.dense", "out": "classifier"}
_CONTEXT = {"dense": "pooler.dense", "out": "classifier"}
_TANH = {"pooler_hidden_act": "tanh"}
_SUMMARY = {"summary_type": "first", "summary_use_proj": True, "summary_activation": "tanh"}
_LM_HEAD = {"dense": "lm_head.dense", "norm": "lm_head.layer_norm", "decoder": "lm_head.decoder"}
_PREDICTIONS = {
    "dense": "cls.predictions.transform.dense",
    "norm": "cls.predictions.transform.LayerNorm",
    "decoder": "cls.predictions.decoder",
    "": "cls.predictions",
}
_GENERATOR = {"dense": "generator_predictions.dense", "norm": "generator_predictions.LayerNorm"}
_REMBERT = {"dense": "cls.predictions.dense", "norm": "cls.predictions.LayerNorm", "decoder": "cls.predictions.decoder"}

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
        Form(TOKEN, {"out": "score"}, outputs=("start", "end")),
    ),
    "multiple_choice": (
        Form(CHOICE, _POOLER),
        Form(CHOICE, _CONTEXT, _TANH),
        Form(CHOICE, {"dense": "sequence_summary.summary", "out": "classifier"}, _SUMMARY),
        Form(SEQUENCE, _POOLER, outputs=("score",)),
        Form(SEQUENCE, _CONTEXT, _TANH, ("score",)),
    ),
    "masked_lm": (
        Form(MASKED, {**_LM_HEAD, "": "lm_head"}),
        Form(MASKED, _LM_HEAD),
        Form(MASKED, _PREDICTIONS),
        Form(MASKED, _PREDICTIONS, {"legacy": True}),
        Form(MASKED, {**_GENERATOR, "decoder": "generator_lm_head"}),
        # Our output layer is tied to the input embeddings, RemBERT's has its own size.
        Form(MASKED, _REMBERT, like={"output_embedding_size": "input_embedding_size"}),
        Form(
            MASKED,
            {"dense": "head.dense", "norm": "head.norm", "decoder": "decoder"},
            {"classifier_bias": True, "decoder_bias": True},
        ),
    ),
}
"""Head type -> forms in the order in which they are tried: the class made for the task first."""

_GELU = "its head has GELU where ours has tanh"
_DIFFERENT: Mapping[tuple[str, str], str] = {
    ("electra", SEQUENCE): _GELU,
    ("eurobert", SEQUENCE): _GELU,
    **{(name, SEQUENCE): "its class reads the decoder, ours the encoder" for name in ("t5", "mt5", "umt5")},
    **{
        ("modernbert", auto): "its head has a layer norm that ours has not"
        for auto in (SEQUENCE, TOKEN, QUESTION, CHOICE)
    },
}
"""(architecture, auto class) -> why the head is another one although its layers may be called like ours."""


@dataclass(frozen=True)
class Fit:
    """A form that fits an architecture, and the class of that architecture."""

    form: Form
    library: type[Any]
    base: str

    def layer(self, ours: str) -> str:
        """The full name of their layer for a layer of ours."""
        return self.form.layers[ours].replace("base.", f"{self.base}.")


def fit(config: Any, head: str) -> Fit:
    """The first form of a head type that fits an architecture.

    Args:
        config: of the backbone.
        head: a task type's name.

    Raises:
        BackboneError: none fits, with the reason for each class, and what can be had instead.
    """
    if head not in FORMS:
        raise BackboneError(
            f"a head of type '{head}' has no class in transformers; heads that may have: {', '.join(FORMS)}"
        )
    found, reasons = _search(config, head)
    if found is not None:
        return found
    answers = "`xstilts predict` answers with it; " if TYPES.get(head).answers else ""
    others = [name for name in FORMS if name != head and _search(config, name)[0] is not None]
    exact = f" (heads that are exact for {config.model_type}: {', '.join(others)})" if others else ""
    last = next(getattr(config, name) for name in LAYER_FIELDS if hasattr(config, name))
    raise BackboneError(
        f"a {head} head on {config.model_type} cannot be exported exactly: {'; '.join(reasons)}. {answers}its backbone "
        f"alone goes out, for SentenceTransformer and AutoModel, with --as sentence-transformers --layer {last}{exact}"
    )


def _search(config: Any, head: str) -> tuple[Fit | None, list[str]]:
    reasons: list[str] = []
    for form in FORMS[head]:
        library = class_of(config, form.auto)
        different = _DIFFERENT.get((config.model_type, form.auto), "")
        if library is None:
            reason = f"transformers has no {form.auto.removeprefix('AutoModel')} for it"
        elif different:
            reason = different
        else:
            base, have = library.base_model_prefix, layers(library, form.configured(config))
            own = {name for name in have if not name.startswith(f"{base}.")}
            want = {name.replace("base.", f"{base}.") for name in form.layers.values()}
            if own == {name for name in want if not name.startswith(f"{base}.")} and want <= have:
                return Fit(form, library, base), []
            there = ", ".join(sorted(own)) if len(own) < 6 else "a decoder"
            reason = f"{library.__name__} has {there} where our head has {', '.join(filter(None, form.layers))}"
        if reason not in reasons:
            reasons.append(reason)
    return None, reasons


def class_of(config: Any, auto: str) -> Any:
    """The class that an auto class takes for a configuration; None where transformers has none."""
    try:
        return getattr(transformers, auto)._model_mapping[type(config)]
    except KeyError:
        return None


def skeleton(library: Any, config: Any) -> Any:
    """A model without memory: names and shapes of its tensors."""
    with torch.device("meta"):
        return library(config)


def layers(library: Any, config: Any) -> set[str]:
    """Names of all layers that hold tensors."""
    return {name.rpartition(".")[0] for name in skeleton(library, config).state_dict()}


ARCHITECTURES: Mapping[str, str] = {
    "xlm-roberta": "XLM-R, XLM-V, InfoXLM, multilingual E5",
    "xlm-roberta-xl": "XLM-R XL and XXL",
    "xmod": "X-MOD",
    "bert": "mBERT, LaBSE",
    "deberta-v2": "mDeBERTa-v3",
    "rembert": "RemBERT",
    "electra": "ELECTRA",
    "gte": "mGTE",
    "modernbert": "mmBERT, ModernBERT",
    "eurobert": "EuroBERT",
    "mt5": "mT5 (encoder)",
    "qwen3": "Qwen3",
    "llama": "Llama",
    "bloom": "BLOOM",
    "xglm": "XGLM",
}
"""Architectures of the table in docs/export.md; any other is tried in the same way."""


def table() -> str:
    """The table of docs/export.md: what loads each head of each architecture, or that nothing does."""
    lines = ["| architecture | " + " | ".join(FORMS) + " |", "|---" * (len(FORMS) + 1) + "|"]
    for name, models in ARCHITECTURES.items():
        cells = [_cell(AutoConfig.for_model(name), head) for head in FORMS]
        lines.append(f"| `{name}`: {models} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(config: Any, head: str) -> str:
    found, reasons = _search(config, head)
    if found is None:
        return f"no: {'; '.join(reasons)}"
    outputs = f", outputs {' and '.join(found.form.outputs)}" if found.form.outputs else ""
    return f"`...{found.form.auto.removeprefix('AutoModel')}`{outputs}"
