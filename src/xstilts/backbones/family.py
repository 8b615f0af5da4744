"""What differs between architectures, as values. Anything not listed is tried packed and checked at start-up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn


@dataclass(frozen=True)
class Family:
    """How one architecture is fed.

    Attributes:
        model_types: `config.model_type` values it covers.
        packed: whether its attention can be replaced. DeBERTa computes attention from relative-position tables of its
            own, RemBERT and CANINE ignore a registered attention without a word, BLOOM and XGLM build position biases
            from the padding mask: these take the padded route.
        first_position: position id of the first token, from the config.
        on_pack: called with (model, longest segment) before each packed forward, (model, None) before a padded one.
    """

    model_types: tuple[str, ...]
    packed: bool = True
    first_position: Callable[[Any], int] = lambda config: 0
    on_pack: Callable[[nn.Module, int | None], None] | None = None


def _after_padding(config: Any) -> int:
    """RoBERTa's models number positions from padding index + 1 (2 for XLM-R)."""
    return int(config.pad_token_id) + 1


def _bias_of_longest(model: nn.Module, longest: int | None) -> None:
    """T5 builds its relative position bias for the whole row, tokens x tokens; the longest segment's is enough."""
    for module in model.modules():
        if not getattr(module, "has_relative_attention_bias", False):
            continue
        module.__dict__.pop("compute_bias", None)
        if longest is not None:
            build: Any = module.compute_bias
            module.__dict__["compute_bias"] = partial(_build_bias, build, longest)


def _build_bias(
    build: Callable[..., torch.Tensor], longest: int, *_: Any, device: Any = None, **__: Any
) -> torch.Tensor:
    return build(longest, longest, device=device)


FAMILIES: tuple[Family, ...] = (
    Family(("xlm-roberta", "xlm-roberta-xl", "roberta", "camembert", "xmod", "data2vec-text"), True, _after_padding),
    Family(("t5", "mt5", "umt5"), on_pack=_bias_of_longest),
    Family(("deberta", "deberta-v2", "rembert", "canine", "bloom", "xglm"), packed=False),
)
UNLISTED = Family(())


def family_of(model_type: str) -> Family:
    """The family of a `config.model_type`, or the neutral one."""
    return next((family for family in FAMILIES if model_type in family.model_types), UNLISTED)
