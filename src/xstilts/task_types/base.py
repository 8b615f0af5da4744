"""What a task type is: how examples become features, a head, a loss and predictions.

Heads read packed hidden states, [T, H], through index vectors made by `collate`; no head knows about padding. A loss is
returned as a sum; the number of items it sums over is known before the forward pass (`Batch.count`), so accumulation,
packing and any number of devices give the same gradient.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor, nn

from xstilts.backbones.backbone import Backbone
from xstilts.backbones.coder import Coder
from xstilts.backbones.packing import Packed
from xstilts.data.examples import Encoding
from xstilts.task_types.features import Array, Features

Labels = Sequence[str]
"""A task's classes or tags in their fixed order."""
Outputs = Sequence[Any]
"""Raw outputs of all instances, in instance order."""


@dataclass(frozen=True)
class Batch:
    """A collated micro-batch.

    Attributes:
        packed: the tokens.
        targets: index vectors and gold, as the task type's loss and outputs read them.
        count: items the loss sums over (examples, tagged words, masked tokens).
        rows: the instances, in the order in which outputs are returned.
    """

    packed: Packed
    targets: Mapping[str, Tensor]
    count: int
    rows: Array

    def to(self, device: torch.device | str) -> Batch:
        moved = {name: value.to(device) for name, value in self.targets.items()}
        return Batch(self.packed.to(device), moved, self.count, self.rows)


@dataclass(frozen=True)
class Prediction:
    """What is predicted for one example.

    Attributes:
        value: label, index of the choice, answer text, list of tags, or id of the nearest sentence.
        extra: scores that are worth keeping (n-best answers, probabilities).
    """

    id: str
    value: Any
    variant: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)

    def row(self) -> dict[str, Any]:
        """A line of a file of predictions."""
        variant = {"variant": self.variant} if self.variant else {}
        return {"id": self.id, "prediction": self.value, **variant, **self.extra}


class TaskType(ABC):
    """One kind of task. Subclasses are final; variants are fields, not subclasses of subclasses."""

    name: ClassVar[str]
    splits_batches: ClassVar[bool] = True
    """Whether a batch may be computed in micro-batches; not where examples of a batch see each other."""
    pretrained_head: ClassVar[bool] = False
    """Whether the head is part of the pretrained model: loaded with it, and carried through other phases."""
    head_of: ClassVar[str] = ""
    """The other type whose head is trained: shared with it in a phase, loaded and carried on as that type's."""
    right_context: ClassVar[bool] = False
    """Whether a token's output depends on what follows it: decoders then attend to both sides (`Backbone.sees`)."""
    all_layers: ClassVar[bool] = False
    """Whether prediction reads every layer's hidden states."""
    reads_states: ClassVar[bool] = True
    """Whether prediction reads hidden states at all; not where answers are generated."""
    protocol: ClassVar[str] = ""
    """How answers were made, for the signature of scores; empty: by a head."""
    pooled: ClassVar[bool] = False
    """Whether the queries of all languages search one pool of candidates, which is encoded once."""

    def suited(self, backbone: Backbone) -> Self:
        """The same type, adapted to this backbone. Raises `BackboneError` for one it cannot work with."""
        return self

    @abstractmethod
    def encode(self, examples: Sequence[Any], coder: Coder, limits: Encoding, labels: Labels) -> Features:
        """Tokenised instances; gold that is withheld becomes -1 or empty, and can be predicted but not trained on."""

    def encode_apart(self, examples: Sequence[Any], coder: Coder, limits: Encoding, labels: Labels) -> Features:
        """What prediction reads; differs from `encode`, for training, where queries and candidates are separate."""
        return self.encode(examples, coder, limits, labels)

    def head(self, backbone: Backbone, labels: Labels, dropout: float) -> nn.Module:
        """A fresh head on `backbone.hidden_size`, initialised from torch's generator; by default none."""
        return nn.Identity()

    def collate(self, features: Features, rows: Array, rng: np.random.Generator) -> Batch:
        """The given instances as one micro-batch, by default without targets; `rng` is for random masking."""
        packed, _ = features.packed(rows)
        return Batch(packed, {}, len(rows), rows)

    def micro_batches(
        self, features: Features, rows: Array, groups: Sequence[Array], rng: np.random.Generator
    ) -> Iterator[Batch]:
        """The batch `rows` in parts, one for each of `groups`: positions in `rows`, longest instances first."""
        for positions in groups:
            yield self.collate(features, rows[positions], rng)

    def loss(self, head: nn.Module, states_TH: Tensor, batch: Batch) -> Tensor:
        """Sum of the losses of the batch's items, a scalar."""
        raise NotImplementedError(f"{self.name} is not trained on")

    def outputs(self, head: nn.Module, states: Sequence[Tensor], batch: Batch) -> list[Any]:
        """Raw outputs, one per instance of `batch.rows`; `states` holds the last layer, or all where `all_layers`."""
        raise NotImplementedError(f"{self.name} predicts nothing")

    def decode(self, features: Features, outputs: Outputs, labels: Labels, limits: Encoding) -> list[Prediction]:
        """Predictions for every example from the raw outputs of all instances."""
        raise NotImplementedError(f"{self.name} predicts nothing")


def indices(values: Sequence[int] | Array) -> Tensor:
    """An int64 tensor."""
    return torch.from_numpy(np.asarray(values, dtype=np.int64))


def init_head(module: nn.Module, backbone: Backbone) -> nn.Module:
    """Normal weights with the backbone's own standard deviation and zero biases, as BERT and RoBERTa start heads."""
    std = float(getattr(backbone.config, "initializer_range", None) or 0.02)
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=std)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return module
