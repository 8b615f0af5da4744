"""Replaces every dropout of a model by dropout by hash, and finds what still draws random numbers.

Models in transformers have three kinds of dropout. Modules (`nn.Dropout`, also of PEFT's adapters) are replaced by
`dropout.Dropout`. Packed attention calls `HashDropout`. Functional calls (layers of XGLM and BLOOM, the library's
attention on the padded route and in mT5's decoder) are intercepted by `_Functional` while the model runs.
"""

from collections.abc import Callable, Mapping
from functools import partial, wraps
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from xstilts.backbones.attention import SITE, explicit, repeated
from xstilts.backbones.backbone import Backbone
from xstilts.backbones.dropout import Dropout, HashDropout, site_of
from xstilts.backbones.packing import pack


def control_dropout(backbone: Backbone, heads: Mapping[str, nn.Module]) -> None:
    """Make all dropout of backbone and heads a function of the batch plan (`Packed.planned`). May be called again."""
    new = backbone.hashed is None
    hashed = backbone.hashed = backbone.hashed or HashDropout()
    of_decoder: set[nn.Module] = set()
    if backbone.writes and backbone.config.is_encoder_decoder:
        of_decoder = set(backbone.model.get_decoder().modules())
        backbone.decoder_hashed = backbone.decoder_hashed or HashDropout()
    functional = backbone.route == "padded" or not backbone.family.model_types
    stacks = [path for path, module in backbone.model.named_modules() if isinstance(module, nn.ModuleList)]
    for path, module in backbone.model.named_modules():
        own = backbone.decoder_hashed if module in of_decoder and backbone.decoder_hashed is not None else hashed
        in_layer = any(path == stack or path.startswith(f"{stack}.") for stack in stacks)
        for name, child in list(module._modules.items()):
            if type(child) is nn.Dropout:
                ours = Dropout(child.p).train(child.training)
                ours.site, ours.shared, ours.hashed = site_of(f"{path}.{name}"), not in_layer, own
                module._modules[name] = ours
        setattr(module, SITE, site_of(path))
        if new and (functional or module in of_decoder) and any(module.children()):
            module.forward = _framed(module.forward, own, site_of(path))
    for task, head in heads.items():
        for path, module in head.named_modules(prefix=f"heads.{task}"):
            if isinstance(module, Dropout):
                module.site, module.hashed = site_of(path), hashed


def _framed(forward: Callable[..., Any], hashed: HashDropout, site: int) -> Callable[..., Any]:
    """A module's forward that numbers its functional dropouts, also in activation recomputation."""

    @wraps(forward)
    def framed(*given: Any, **named: Any) -> Any:
        if hashed.seed is None:
            return forward(*given, **named)
        outer, hashed.frame = hashed.frame, [site, 0]
        try:
            if outer is not None:
                return forward(*given, **named)
            with _Functional(hashed):
                return forward(*given, **named)
        finally:
            hashed.frame = outer

    return framed


class _Functional(TorchFunctionMode):
    """Computes functional dropout, and attention with dropout, by hash."""

    def __init__(self, hashed: HashDropout) -> None:
        super().__init__()
        self.hashed = hashed

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        named = kwargs or {}
        if func is F.dropout:
            return self._dropout(*args, **named)
        if func is F.scaled_dot_product_attention and named.get("dropout_p"):
            return self._attention(*args, **named)
        return func(*args, **named)

    def _site(self) -> int:
        frame = self.hashed.frame
        assert frame is not None
        frame[1] += 1
        return frame[0] + frame[1] - 1

    def _dropout(self, x: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
        if not training or p == 0:
            return x
        dropped = self.hashed.drop(x, p, self._site())
        return x.copy_(dropped) if inplace else dropped

    def _attention(
        self, query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, **named: Any
    ) -> Tensor:
        if named.get("is_causal"):
            assert attn_mask is None, "both a mask and `is_causal`"
            attn_mask = torch.ones(query.shape[-2], key.shape[-2], dtype=torch.bool, device=query.device).tril()
        states = (query, *(repeated(each, query.shape[1]) for each in (key, value)))
        drop = partial(self.hashed.drop, p=named["dropout_p"], site=self._site())
        return explicit(states, attn_mask, named.get("scale"), drop)


@torch.no_grad()
def uncontrolled_dropout(backbone: Backbone, device: str) -> bool:
    """Whether training on a device draws random numbers that depend on the micro-batch.

    Runs the model once in training mode, where it is, and checks whether torch's generator advanced. Of packed
    attention it is known that a GPU's fused kernel draws.
    """
    assert backbone.hashed is not None, "`control_dropout` comes first"
    probe = pack([np.arange(5, 9), np.arange(5, 12)])
    batch = probe.planned(1, np.arange(2), np.zeros(2, dtype=int)).to(backbone.embeddings.device)
    training, on = backbone.training, backbone.embeddings.device
    backbone.train()
    backbone.hashed.attention = False
    with torch.random.fork_rng(devices=[on] if on.type == "cuda" else []):
        before = _generator_states(on)
        backbone(batch)
        drawn = not all(map(torch.equal, before, _generator_states(on)))
    backbone.train(training)
    backbone.hashed.begin(None)
    fused = backbone.hashed.attention and backbone.backend == "segments" and torch.device(device).type != "cpu"
    return drawn or fused


def _generator_states(device: torch.device) -> list[Tensor]:
    return [torch.get_rng_state(), *([torch.cuda.get_rng_state(device)] if device.type == "cuda" else [])]
