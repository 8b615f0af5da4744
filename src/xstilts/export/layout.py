"""A head of ours as a transformers class has it: the class, its configuration, its tensors under their names."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from xstilts.backbones.backbone import Backbone
from xstilts.export.finished import Head
from xstilts.export.forms import Fit, fit, skeleton
from xstilts.task_types import TASK_TYPES
from xstilts.task_types.masked_lm import MaskedLMHead


@dataclass(frozen=True)
class Layout:
    """Where a head goes.

    Attributes:
        fields: what the configuration must say besides what the backbone's does, for the same logits and labels.
        config: the whole of it.
        tensors: of the head, by their names in the class.
    """

    fit: Fit
    fields: Mapping[str, Any]
    config: Any
    tensors: Mapping[str, Tensor]

    def skeleton(self) -> Any:
        """The class without memory."""
        return skeleton(self.fit.library, self.config)


def plain_config(backbone: Backbone) -> Any:
    """A copy of the configuration, without what says how and where the model was loaded."""
    config = copy.deepcopy(backbone.config)
    config._attn_implementation = None
    config._name_or_path = ""
    return config


def lay_out(backbone: Backbone, head: Head, module: nn.Module) -> Layout:
    """The layout of a head on an architecture. Raises `BackboneError` where transformers has no such head."""
    config = plain_config(backbone)
    found = fit(config, head.type)
    form = found.form
    config = form.configured(config)
    fields = {name: getattr(config, name) for name in (*form.config, *form.like)}
    names = form.outputs or head.labels
    if names:
        fields["id2label"] = dict(enumerate(names))
    if backbone.decoder and backbone.sees(TASK_TYPES.get(head.type).right_context) == "bidirectional":
        fields["is_causal"] = False
    config.update(fields)
    if names:
        config.label2id = {name: i for i, name in enumerate(names)}
    if head.type == "classification":
        config.problem_type = "single_label_classification"
    wanted = skeleton(found.library, config).state_dict().keys()
    return Layout(found, fields, config, _tensors(found, module, wanted))


def _tensors(found: Fit, module: nn.Module, wanted: Any) -> dict[str, Tensor]:
    """The head's tensors; of masked LM with the output layer, which is that of the input embeddings in ours."""
    state = {name: value.detach() for name, value in module.state_dict().items()}
    if isinstance(module, MaskedLMHead):
        embeddings = module.embeddings.detach()
        state |= {"decoder.weight": embeddings.clone(), "decoder.bias": state["bias"]}
        if f"{found.layer('norm')}.bias" not in wanted:  # ModernBERT's norms have none: it is the same in the output's
            state["decoder.bias"] = state["bias"] + embeddings @ state.pop("norm.bias")
    split = [(*name.rpartition("."), value) for name, value in state.items()]
    return {f"{found.layer(layer)}.{name}": value for layer, _, name, value in split if layer in found.form.layers}
