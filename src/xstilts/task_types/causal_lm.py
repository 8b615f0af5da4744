"""Causal language modelling: every token of raw text is predicted from those before it (Radford et al. 2018).

A segment is a block of lines as of masked LM (`raw_text.blocks`), in the tokenizer's frame, the end token last, and is
never framed as two texts. A token sees its own segment alone. The loss is over all tokens but a segment's first, by the
backbone's own output layer.
Shape suffixes: T tokens, A tokens predicted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor, nn

from xstilts.backbones.backbone import Backbone
from xstilts.backbones.coder import Coder, Segment
from xstilts.backbones.text import log_probabilities
from xstilts.core.errors import BackboneError
from xstilts.data.examples import PlainText
from xstilts.task_types.base import Batch, Limits
from xstilts.task_types.features import Array, Features
from xstilts.task_types.raw_text import RawText, blocks, pieces_of
from xstilts.task_types.text.base import TextHead


@dataclass(frozen=True)
class CausalLM(RawText):
    """Causal language modelling; the loss is cross-entropy per predicted token."""

    name: ClassVar[str] = "causal_lm"

    def suited(self, backbone: Backbone) -> Self:
        if not (backbone.writes and backbone.decoder):
            raise BackboneError(
                f"causal_lm is for decoders with `output: text`; {type(backbone.model).__name__} is none"
            )
        return self

    def record(self, coder: Coder) -> dict[str, Any]:
        return {"end": coder.end_id}

    def instances(
        self, texts: Iterable[PlainText], count: int, coder: Coder, limits: Limits
    ) -> Iterator[Sequence[Segment]]:
        room = limits.max_length - sum(len(part) for part in coder.single)
        for block in blocks(pieces_of(texts, coder), room, limits.join):
            yield [coder.one(block, limits.max_length)]

    def head(self, backbone: Backbone, labels: Sequence[str], dropout: float) -> nn.Module:
        return TextHead(backbone, labels)

    def collate(self, features: Features, rows: Array, rng: np.random.Generator) -> Batch:
        packed, _ = features.packed(rows)
        before_T = torch.ones(len(packed.ids_T), dtype=torch.bool)
        before_T[packed.ends_S] = False
        place_A = before_T.nonzero().squeeze(1)
        targets = {"place_A": place_A, "token_A": packed.ids_T[place_A + 1]}
        return Batch(packed, targets, len(place_A), rows)

    def loss(self, head: nn.Module, states_TH: Tensor, batch: Batch) -> Tensor:
        assert isinstance(head, TextHead)
        return -log_probabilities(head.backbone, states_TH, batch.packed, batch.targets).sum()
