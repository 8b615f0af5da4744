"""Masked language modelling of raw text (Devlin et al. 2019) and of translation pairs (Conneau and Lample 2019).

15 % of the tokens are predicted: 80 % of these become the mask token, 10 % a random token, 10 % stay. They are drawn
for each batch from the plan's generator; special tokens are never masked. The bias of the output layer starts at the
log frequency of each token, so that the first steps need not learn the unigram distribution.
Shape suffixes: T tokens, M masked tokens, E embedding size, V vocabulary.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import MODEL_FOR_MASKED_LM_MAPPING, AutoModelForMaskedLM

from xstilts.backbones.backbone import Backbone
from xstilts.backbones.coder import Coder, Ids, Segment
from xstilts.backbones.load import from_pretrained
from xstilts.backbones.packing import Packed
from xstilts.core.seeds import generator
from xstilts.data.examples import Encoding, ParallelExample
from xstilts.task_types.base import Batch, Labels, Rng, TaskType, indices, init_head
from xstilts.task_types.features import Array, Features, FeaturesBuilder
from xstilts.task_types.raw_text import RawText, blocks

COUNTED = 2**24
"""Tokens to count at a time."""


class MaskedLMHead(nn.Module):
    """Dense, GELU, layer norm, transposed input embeddings and a bias (RoBERTa's `lm_head`), from [M, H] to [M, V]."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        vocabulary, size = backbone.embeddings.shape
        self.dense = nn.Linear(backbone.hidden_size, size)
        self.norm = nn.LayerNorm(size, eps=float(getattr(backbone.config, "layer_norm_eps", None) or 1e-5))
        self.bias = nn.Parameter(torch.zeros(vocabulary))
        # In a tuple the backbone is no part of the head: the tied weight is saved and counted with the backbone. It is
        # looked up at each use, because sharding replaces it.
        self._tied = (backbone,)

    @property
    def embeddings(self) -> nn.Parameter:
        """The tied weight of the output layer, [V, E]; `training.model` asks for it, so that it keeps all rows."""
        return self._tied[0].embeddings

    def forward(self, states_MH: Tensor) -> Tensor:
        return F.linear(self.norm(F.gelu(self.dense(states_MH))), self.embeddings, self.bias)


@dataclass(frozen=True)
class Masking(TaskType):
    """A type that masks tokens; the loss is cross-entropy per masked token.

    Attributes:
        rate: share of tokens to predict.
        masked: of these, the share replaced by the mask token; `scrambled`: by a random token.
    """

    right_context: ClassVar[bool] = True
    pretrained_head: ClassVar[bool] = True
    rate: float = 0.15
    masked: float = 0.8
    scrambled: float = 0.1

    def record(self, coder: Coder) -> dict[str, Any]:
        """Facts about the tokenizer that masking needs, for the first record of the features."""
        return {"mask_id": coder.mask_id, "vocabulary": coder.vocabulary, "special": sorted(coder.special_ids)}

    def head(self, backbone: Backbone, labels: Labels, dropout: float) -> nn.Module:
        return init_head(MaskedLMHead(backbone), backbone)

    def collate(self, features: Features, rows: Array, rng: Rng) -> Batch:
        packed, _ = features.packed(rows)
        about = features.records[0]
        ids_T = packed.ids_T.numpy()
        eligible = np.flatnonzero(~np.isin(ids_T, about["special"]))
        count = min(len(eligible), max(1, round(len(eligible) * self.rate)))  # none where all tokens are unknown
        place_M = np.sort(rng.choice(eligible, size=count, replace=False))
        chance_M = rng.random(count)
        corrupted = ids_T.copy()
        corrupted[place_M[chance_M < self.masked]] = about["mask_id"]
        scramble = place_M[(chance_M >= self.masked) & (chance_M < self.masked + self.scrambled)]
        corrupted[scramble] = rng.integers(about["vocabulary"], size=len(scramble))
        targets = {"place_M": indices(place_M), "token_M": indices(ids_T[place_M])}
        return Batch(replace(packed, ids_T=torch.from_numpy(corrupted)), targets, count, rows)

    def micro_batches(self, features: Features, rows: Array, groups: Sequence[Array], rng: Rng) -> Iterator[Batch]:
        """Draws masks for the whole batch and then splits it: masks must not depend on the size of micro-batches."""
        whole = self.collate(features, rows, rng)
        place_M, token_M = whole.targets["place_M"], whole.targets["token_M"]
        first, begin = 0, 0
        for positions in groups:
            lengths = whole.packed.lengths[first : first + len(positions)]
            end = begin + sum(lengths)
            inside = (place_M >= begin) & (place_M < end)
            ids_T, types_T = whole.packed.ids_T[begin:end], whole.packed.types_T[begin:end]
            part = Packed(ids_T, lengths, types_T, indices(np.cumsum([0, *lengths[:-1]])))
            targets = {"place_M": place_M[inside] - begin, "token_M": token_M[inside]}
            yield Batch(part, targets, len(targets["place_M"]), rows[positions])
            first, begin = first + len(positions), end

    def loss(self, head: nn.Module, states_TH: Tensor, batch: Batch) -> Tensor:
        logits_MV = head(states_TH[batch.targets["place_M"]]).float()
        return F.cross_entropy(logits_MV, batch.targets["token_M"], reduction="sum")


class MaskedLM(Masking, RawText):
    """Masked language modelling of raw text; lines are joined up to the length limit, in their order (`Encoding.join`).

    A share of the sequences (`Encoding.paired`) is cut after a sentence and framed as two texts.
    """

    def instances(self, lines: Iterable[Ids], count: int, coder: Coder, limits: Encoding) -> Iterator[list[Segment]]:
        frame = coder.pair if limits.paired else coder.single
        rng = generator(0, "paired", count)
        ends = coder.sentence_ends if limits.paired else np.zeros(0, dtype=np.int32)
        for block in blocks(lines, limits.max_length - frame.tokens, limits.join):
            cuts = np.flatnonzero(np.isin(block[:-1], ends)) + 1
            if len(cuts) and rng.random() < limits.paired:
                cut = int(rng.choice(cuts))
                yield [coder.two(block[:cut], block[cut:], limits.max_length)]
            else:
                yield [coder.one(block, limits.max_length)]


class TranslationLM(Masking):
    """Masked language modelling over a sentence and its translation together, with the head of masked LM.

    The order of the two is drawn for each pair when features are made. Positions continue over the border, as in any
    pair of texts (XLM restarts them, and adds embeddings of the language).
    """

    head_of: ClassVar[str] = "masked_lm"

    def encode(self, examples: Sequence[ParallelExample], coder: Coder, limits: Encoding, labels: Labels) -> Features:
        builder = FeaturesBuilder()
        index = builder.record(id="text", gold=None, **self.record(coder))
        sources = coder.pieces([example.source for example in examples])
        targets = coder.pieces([example.target for example in examples])
        turned = generator(0, "translation_lm", len(examples)).random(len(examples)) < 0.5
        for source, target, turn in zip(sources, targets, turned, strict=True):
            first, second = (target, source) if turn else (source, target)
            builder.add(index, [coder.two(first, second, limits.max_length)])
        return builder.build()


@torch.no_grad()
def set_unigram_bias(head: MaskedLMHead, features: Sequence[Features]) -> None:
    """Set the output bias to the log frequency of each token in the phase's data, counted from 1."""
    vocabulary = len(head.bias)
    counts = np.ones(vocabulary)
    for each in features:
        values = each.tokens.values
        for begin in range(0, len(values), COUNTED):  # a corpus may be larger than memory
            counts += np.bincount(values[begin : begin + COUNTED], minlength=vocabulary)[:vocabulary]
    head.bias.copy_(torch.from_numpy(np.log(counts / counts.sum())))


def published_head(source: str, revision: str | None, backbone: Backbone) -> dict[str, Tensor] | None:
    """The masked-LM head that was pretrained with a model, under our names; None if it has another form.

    XLM-R, BERT, ELECTRA's generator, DeBERTa and ModernBERT have our form. EuroBERT has an untied output layer and
    RemBERT an embedding of its own: they get a new head.
    """
    if type(backbone.config) not in MODEL_FOR_MASKED_LM_MAPPING:
        return None
    options = {"revision": revision, "dtype": torch.float32, "output_loading_info": True}
    model, info = from_pretrained(AutoModelForMaskedLM, source, **options)
    shared = {id(parameter) for parameter in model.base_model.parameters()}
    own = {name: value.detach() for name, value in model.named_parameters() if id(value) not in shared}
    if own.keys() & info["missing_keys"]:  # E5, LaBSE: transformers drew a random head
        return None
    head = MaskedLMHead(backbone).state_dict()
    forms = {"bias": r"(cls\.predictions|lm_head|decoder|generator_lm_head)\.bias"}
    for kind in ("weight", "bias"):
        forms[f"dense.{kind}"] = rf"(.*\.)?dense\.{kind}"
        forms[f"norm.{kind}"] = rf"(.*\.)?(layer_norm|LayerNorm|norm)\.{kind}"
    found = {
        name: value
        for name, form in forms.items()
        for theirs, value in own.items()
        if re.fullmatch(form, theirs) and value.shape == head[name].shape
    }
    if len(found) != len(own) or not {"dense.weight", "norm.weight", "bias"} <= found.keys():
        return None
    return {name: found.get(name, torch.zeros_like(value)) for name, value in head.items()}
