"""The active vocabulary of a phase: the rows of the word embedding that its data can touch, and no others.

A row whose token does not occur in the phase has no gradient and no moments: AdamW only multiplies it by
1 - rate x decay at every step. `narrow` trains a compact embedding of the other rows; `decay` gives the factor for the
rest. Every other parameter is trained bit for bit as with all rows, clipping included, and the embedding to 1e-7. In
English task data some 10,000 to 30,000 of XLM-R's 250,002 tokens occur.
Shape suffixes: A active rows, V vocabulary, E embedding size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from xstilts.backbones.backbone import Backbone
from xstilts.training.config import TrainConfig
from xstilts.training.distributed import is_sharded
from xstilts.training.model import Model


class _Places:
    """A hook before the word embedding: the place of each token's row among the active ones."""

    def __init__(self, active_A: Tensor, vocabulary: int) -> None:
        self.place_V = torch.full((vocabulary,), len(active_A))  # a token that is not active fails as out of range
        self.place_V[active_A] = torch.arange(len(active_A))

    def __call__(self, words: nn.Module, given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        if self.place_V.device != given[0].device:
            self.place_V = self.place_V.to(given[0].device)
        return (self.place_V[given[0]], *given[1:])


def narrow(model: Model, tokens: np.ndarray) -> Tensor | None:
    """Keep only the rows of these tokens in the word embedding, where that gives the same result.

    It does if the embedding is trained and only looked up: neither an output layer nor a head of the phase reads it.

    Args:
        tokens: ids of all data that the phase is trained and judged on.

    Returns:
        the active rows, [A] int64, ascending; None where all rows stay.
    """
    backbone = model.backbone
    words: Any = backbone.model.get_input_embeddings()
    weight_VE = backbone.embeddings
    readers = [one for one in backbone.model.modules() if any(own is weight_VE for own in one._parameters.values())]
    tied = any(getattr(head, "embeddings", None) is weight_VE for head in model.heads.modules())
    if readers != [words] or not isinstance(words, nn.Embedding) or tied or not weight_VE.requires_grad:
        return None
    padding = {words.padding_idx, backbone.config.pad_token_id} - {None}  # of the padded route
    active_A = torch.from_numpy(np.union1d(tokens, np.array(list(padding), dtype=np.int64)))
    places = _Places(active_A, len(weight_VE))
    words.weight = nn.Parameter(weight_VE.detach()[active_A.to(weight_VE.device)])
    words.num_embeddings = len(active_A)
    if words.padding_idx is not None:
        words.padding_idx = int(places.place_V[words.padding_idx])
    words.register_forward_pre_hook(places)
    return active_A


def decay(config: TrainConfig, done: Sequence[int], steps: int) -> float:
    """The factor of a row without gradients in a phase of `steps` steps.

    Args:
        done: finished steps of the weights that are kept; several if they are averaged.
    """
    rates = np.array([config.rate(step, steps) for step in range(max(done))])
    factors = np.cumprod(np.concatenate([[1.0], 1.0 - rates * config.weight_decay]))
    return float(np.mean(factors[list(done)]))


def clip_gradients(module: nn.Module, backbone: Backbone, largest: float) -> Tensor:
    """Scale all gradients to a norm of at most `largest`; returns the norm before.

    Squares of the word embedding's rows are summed in float64: rows without gradient do not change the rounding.
    """
    words = None if is_sharded(module) else backbone.embeddings
    gradients = [
        _by_rows(one.grad) if one is words else one.grad for one in module.parameters() if one.grad is not None
    ]
    norm: Tensor = nn.utils.get_total_norm(gradients)
    nn.utils.clip_grads_with_norm_(module.parameters(), largest, norm)
    return norm


def _by_rows(gradient_VE: Tensor) -> Tensor:
    rows_V = torch.linalg.vector_norm(gradient_VE, dim=1, dtype=torch.float32)
    norm: Tensor = torch.linalg.vector_norm(rows_V, dtype=torch.float64)
    return norm.to(gradient_VE.dtype)
