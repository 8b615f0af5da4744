"""The interface of task types: features, head, loss and predictions.

Heads read packed hidden states, [T, H], through the index vectors of `collate`; no head knows about padding. A loss is
a sum, and the number of its items is known before the forward pass (`Batch.count`). So accumulation, packing and any
number of devices give the same gradient.
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
"""A task's classes or tags, in a fixed order."""
Outputs = Sequence[Any]
"""Raw outputs of all instances, in instance order."""
Rng = np.random.Generator


@dataclass(frozen=True)
class Batch:
    """A collated micro-batch.

    Attributes:
        targets: index vectors and gold for the loss and the outputs of the task type.
        count: items of the loss (examples, tagged words, masked tokens).
        rows: the instances, in the order of the outputs.
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
    """The prediction for one example.

    Attributes:
        value: label, index of the choice, answer text, list of tags, or id of the nearest sentence.
        extra: scores to keep (n-best answers, probabilities).
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
    """One kind of task."""

    splits_batches: ClassVar[bool] = True
    """Whether a batch may be computed in micro-batches; false if its examples see each other."""
    pretrained_head: ClassVar[bool] = False
    """Whether the pretrained model has the head: it is loaded with the model and carried through other phases."""
    head_of: ClassVar[str] = ""
    """The other type whose head this type trains; in one phase both share it."""
    right_context: ClassVar[bool] = False
    """Whether outputs of tokens need the tokens that follow: decoders then attend to both sides (`Backbone.sees`)."""
    all_layers: ClassVar[bool] = False
    """Whether prediction reads the hidden states of every layer."""
    reads_states: ClassVar[bool] = True
    """Whether prediction reads hidden states; false if answers are generated."""
    protocol: ClassVar[str] = ""
    """How answers are made, for the signature of scores; empty: by a head."""
    pooled: ClassVar[bool] = False
    """Whether the queries of all languages search one pool of candidates."""

    def suited(self, backbone: Backbone) -> Self:
        """The type adapted to a backbone. Raises `BackboneError` if it cannot work with it."""
        return self

    @abstractmethod
    def encode(self, examples: Sequence[Any], coder: Coder, limits: Encoding, labels: Labels) -> Features:
        """Tokenised instances. Withheld gold becomes -1 or empty; such instances cannot be trained on."""

    def encode_apart(self, examples: Sequence[Any], coder: Coder, limits: Encoding, labels: Labels) -> Features:
        """Instances for prediction; they differ from those of `encode` if queries and candidates are separate."""
        return self.encode(examples, coder, limits, labels)

    def head(self, backbone: Backbone, labels: Labels, dropout: float) -> nn.Module:
        """A new head, initialised from torch's generator; by default without layers."""
        return nn.Identity()

    def collate(self, features: Features, rows: Array, rng: Rng) -> Batch:
        """Some instances as one micro-batch, by default without targets; `rng` is for random masking."""
        packed, _ = features.packed(rows)
        return Batch(packed, {}, len(rows), rows)

    def micro_batches(self, features: Features, rows: Array, groups: Sequence[Array], rng: Rng) -> Iterator[Batch]:
        """The batch `rows` in parts; each of `groups` has positions in `rows`, longest instances first."""
        for positions in groups:
            yield self.collate(features, rows[positions], rng)

    def loss(self, head: nn.Module, states_TH: Tensor, batch: Batch) -> Tensor:
        """The sum of the losses of all items, a scalar."""
        raise NotImplementedError(f"{type(self).__name__} is not trained on")

    def outputs(self, head: nn.Module, states: Sequence[Tensor], batch: Batch) -> list[Any]:
        """Raw outputs, one per instance of `batch.rows`; `states`: the last layer, or all layers with `all_layers`."""
        raise NotImplementedError(f"{type(self).__name__} predicts nothing")

    def decode(self, features: Features, outputs: Outputs, labels: Labels, limits: Encoding) -> list[Prediction]:
        """Predictions for all examples, from the raw outputs of all instances."""
        raise NotImplementedError(f"{type(self).__name__} predicts nothing")


def indices(values: Sequence[int] | Array) -> Tensor:
    """An int64 tensor."""
    return torch.from_numpy(np.asarray(values, dtype=np.int64))


def init_head(module: nn.Module, backbone: Backbone) -> nn.Module:
    """Draw normal weights with the backbone's standard deviation and set biases to zero, as in BERT and RoBERTa."""
    std = float(getattr(backbone.config, "initializer_range", None) or 0.02)
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=std)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return module
