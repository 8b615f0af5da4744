"""Every dropout of a model under control: modules replaced, functional calls answered, and what is left is found.

Three kinds of dropout are in transformers' models. Modules (`nn.Dropout`, those of PEFT's adapters too) are replaced by
`dropout.Dropout`. Packed attention asks `dropout.py` itself. What the code of a model calls as a function (XGLM and
BLOOM in their layers, the library's attention on the padded route and in decoders of mT5) is answered while the model
runs, by `_Functional`. `uncontrolled` looks for draws that remain, such as those of a GPU's fused attention.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial, wraps
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from xstilts.backbones.attention import SITE, explicit
from xstilts.backbones.backbone import Backbone
from xstilts.backbones.dropout import Draws, Dropout, site_of
from xstilts.backbones.packing import pack


def control(backbone: Backbone, heads: Mapping[str, nn.Module]) -> None:
    """Make all dropout of backbone and heads a function of the plan (`Packed.planned`). May be called again."""
    new = backbone.draws is None
    draws = backbone.draws = backbone.draws or Draws()
    decoder = backbone.model.get_decoder() if backbone.writes and backbone.config.is_encoder_decoder else None
    apart = set() if decoder is None else set(decoder.modules())
    if decoder is not None:
        backbone.answers = backbone.answers or Draws()
    functional = backbone.route == "padded" or not backbone.family.model_types
    stacks = [path for path, module in backbone.model.named_modules() if isinstance(module, nn.ModuleList)]
    for path, module in backbone.model.named_modules():
        own = backbone.answers if module in apart and backbone.answers is not None else draws
        inside = any(path == stack or path.startswith(f"{stack}.") for stack in stacks)
        _replace(path, module, own, shared=not inside)
        setattr(module, SITE, site_of(path))
        if new and (functional or module in apart) and any(module.children()):
            module.forward = _framed(module.forward, own, site_of(path))
    for task, head in heads.items():
        for path, module in head.named_modules(prefix=f"heads.{task}"):
            if isinstance(module, Dropout):
                module.site, module.draws = site_of(path), draws


def _replace(path: str, parent: nn.Module, draws: Draws, shared: bool) -> None:
    for name, child in list(parent._modules.items()):
        if type(child) is not nn.Dropout:
            continue
        ours = Dropout(child.p).train(child.training)
        ours.site, ours.shared, ours.draws = site_of(f"{path}.{name}"), shared, draws
        parent._modules[name] = ours


def _framed(forward: Callable[..., Any], draws: Draws, site: int) -> Callable[..., Any]:
    """A module's forward that numbers the functional dropouts in it, whoever calls it: activation recomputation too."""

    @wraps(forward)
    def framed(*given: Any, **named: Any) -> Any:
        if draws.seed is None:
            return forward(*given, **named)
        outer, draws.frame = draws.frame, [site, 0]
        try:
            if outer is not None:
                return forward(*given, **named)
            with _Functional(draws):
                return forward(*given, **named)
        finally:
            draws.frame = outer

    return framed


class _Functional(TorchFunctionMode):
    """Answers torch's functional dropout, and attention with dropout, by hash."""

    def __init__(self, draws: Draws) -> None:
        super().__init__()
        self.draws = draws

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        named = kwargs or {}
        if func is F.dropout:
            return self._dropout(*args, **named)
        if func is F.scaled_dot_product_attention and named.get("dropout_p"):
            return self._attention(*args, **named)
        return func(*args, **named)

    def _site(self) -> int:
        frame = self.draws.frame
        assert frame is not None
        frame[1] += 1
        return frame[0] + frame[1] - 1

    def _dropout(self, x: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
        if not training or p == 0:
            return x
        dropped = self.draws.drop(x, p, self._site())
        return x.copy_(dropped) if inplace else dropped

    def _attention(
        self, query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, **named: Any
    ) -> Tensor:
        if named.get("is_causal"):
            assert attn_mask is None, "a mask beside a causal one"
            attn_mask = torch.ones(query.shape[-2], key.shape[-2], dtype=torch.bool, device=query.device).tril()
        groups = query.shape[1] // key.shape[1]
        if groups > 1:
            key, value = key.repeat_interleave(groups, dim=1), value.repeat_interleave(groups, dim=1)
        drop = partial(self.draws.drop, p=named["dropout_p"], site=self._site())
        return explicit(query, key, value, attn_mask, named.get("scale"), drop)


@torch.no_grad()
def uncontrolled(backbone: Backbone, device: str) -> bool:
    """Whether training on that device draws random numbers that depend on the micro-batch.

    The model is run once in training, wherever it is, and torch's generator must stay where it was. Of packed attention
    it is known which kernel draws: a GPU's fused one.
    """
    assert backbone.draws is not None, "`control` comes first"
    probe = pack([np.arange(5, 9), np.arange(5, 12)])
    batch = probe.planned(1, np.arange(2), np.zeros(2, dtype=int)).to(backbone.embeddings.device)
    training, on = backbone.training, backbone.embeddings.device
    backbone.train()
    backbone.draws.attention = False
    with torch.random.fork_rng(devices=[on] if on.type == "cuda" else []):
        before = _state(on)
        backbone(batch)
        drawn = not all(map(torch.equal, before, _state(on)))
    backbone.train(training)
    backbone.draws.begin(None)
    fused = backbone.draws.attention and backbone.backend == "segments" and torch.device(device).type != "cpu"
    return drawn or fused


def _state(device: torch.device) -> list[Tensor]:
    states = [torch.get_rng_state()]
    return [*states, torch.cuda.get_rng_state(device)] if device.type == "cuda" else states
