"""What a task type is: how examples become features, a head, a loss and predictions.

Heads read packed hidden states, [T, H], through index vectors made by `collate`; no head knows about padding. A loss is
returned as a sum; the number of items it sums over is known before the forward pass (`Batch.count`), so accumulation,
packing and any number of devices give the same gradient.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, Self

import numpy as np
import torch
from torch import Tensor, nn

from xstilts.backbones.backbone import Backbone
from xstilts.backbones.coder import Coder
from xstilts.backbones.names import Token
from xstilts.backbones.packing import Packed
from xstilts.task_types.features import Array, Features


class Limits(Protocol):
    """Lengths in sub-words with special tokens (`xstilts.tasks.base.Encoding` is one)."""

    @property
    def max_length(self) -> int: ...
    @property
    def stride(self) -> int: ...
    @property
    def max_question(self) -> int: ...
    @property
    def max_answer(self) -> int: ...
    @property
    def no_answer(self) -> bool: ...
    @property
    def join(self) -> bool: ...
    @property
    def paired(self) -> float: ...


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
    """Whether the head is part of the pretrained model: it is loaded with it, and carried through other phases."""
    head_of: ClassVar[str] = ""
    """The other type whose head this one trains on: shared with it in a phase, loaded and carried on as that type's."""
    right_context: ClassVar[bool] = False
    """Whether a token's output depends on what follows it: decoders then attend to both sides (`Backbone.sees`)."""
    all_layers: ClassVar[bool] = False
    """Whether prediction reads every layer's hidden states."""
    reads_states: ClassVar[bool] = True
    """Whether prediction reads hidden states at all; not where answers are generated."""
    protocol: ClassVar[str] = ""
    """What a score must say of how answers came about, where they are not a head's."""
    pooled: ClassVar[bool] = False
    """Whether all languages' queries search one pool of candidates, which is encoded once."""

    def suited(self, backbone: Backbone) -> Self:
        """The same type for this backbone; unless overridden, for any."""
        return self

    @abstractmethod
    def encode(self, examples: Sequence[Any], coder: Coder, limits: Limits, labels: Sequence[str]) -> Features:
        """Tokenised instances; gold that is withheld becomes -1 or empty, and can be predicted but not trained on."""

    def encode_apart(self, examples: Sequence[Any], coder: Coder, limits: Limits, labels: Sequence[str]) -> Features:
        """What is predicted on; differs from `encode`, which training reads, where queries and candidates are apart."""
        return self.encode(examples, coder, limits, labels)

    def head(self, backbone: Backbone, labels: Sequence[str], dropout: float) -> nn.Module:
        """A fresh head on `backbone.hidden_size`, initialised from torch's generator; unless overridden, none."""
        return nn.Identity()

    def collate(self, features: Features, rows: Array, rng: np.random.Generator) -> Batch:
        """The given instances as one micro-batch, by default without targets; `rng` serves random masking alone."""
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

    def labelled_states(self, head: nn.Module, states_TH: Tensor, batch: Batch) -> tuple[Tensor, Tensor] | None:
        """States that a head reads, [N, H], and the classes they stand for, [N]; None where gold is no class."""
        return None

    def outputs(self, head: nn.Module, states: Sequence[Tensor], batch: Batch) -> list[Any]:
        """Raw outputs, one per instance of `batch.rows`; `states` holds the last layer, or all where `all_layers`."""
        raise NotImplementedError(f"{self.name} predicts nothing")

    def decode(
        self, features: Features, outputs: Sequence[Any], labels: Sequence[str], limits: Limits
    ) -> list[Prediction]:
        """Predictions per example from the raw outputs of all instances, in instance order."""
        raise NotImplementedError(f"{self.name} predicts nothing")


def indices(values: Sequence[int] | Array) -> Tensor:
    """An int64 tensor."""
    return torch.from_numpy(np.asarray(values, dtype=np.int64))


def init_linear(module: nn.Module, std: float = 0.02) -> nn.Module:
    """Normal weights of the given standard deviation and zero biases, as BERT and RoBERTa initialise heads."""
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=std)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return module


def token_of(head: nn.Module) -> Token:
    """The token that a head reads of each segment."""
    token: Token = head.token  # type: ignore[assignment]
    return token


def head_std(backbone: Backbone) -> float:
    """The standard deviation the model itself was initialised with."""
    return float(getattr(backbone.config, "initializer_range", None) or 0.02)
