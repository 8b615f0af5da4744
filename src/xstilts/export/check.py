"""A written folder against the model it was made of: the same logits, or the same vectors, on the same inputs.

Inputs are texts of random pieces of the tokenizer, so that they fit any vocabulary.
Shape suffixes: T tokens, C outputs, S segments, L longest segment.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from xstilts.backbones.backbone import Backbone, autocast
from xstilts.backbones.coder import Coder, Segment
from xstilts.backbones.names import Pooling
from xstilts.core.errors import BackboneError
from xstilts.core.seeds import generator
from xstilts.data.examples import ChoiceExample, Example, PlainText, SpanExample, TaggedExample, TextExample
from xstilts.data.readers.types import asked_type
from xstilts.task_types import TASK_TYPES
from xstilts.task_types.features import Features, FeaturesBuilder
from xstilts.task_types.sentences import pool
from xstilts.tasks import Encoding

BY_TOKEN = ("tagging", "span_qa", "masked_lm")
"""Head types whose logits are those of every token."""
TOLERANCE = 1e-5
"""Largest difference, times the largest value where that is above 1."""


def sample_texts(coder: Coder, count: int = 6) -> list[str]:
    """Texts of 2 to 24 random pieces, the same for the same tokenizer."""
    rng = generator(0, "export")
    ordinary = np.setdiff1d(np.arange(coder.vocabulary), sorted(coder.special_ids))
    drawn = [rng.choice(ordinary, size=size) for size in np.linspace(2, 24, count).astype(int)]
    return [" ".join(coder.tokenizer.decode(ids.tolist()).split()) or "a" for ids in drawn]


def sample_examples(kind: str, texts: Sequence[str]) -> list[Example]:
    """Unlabelled examples of a task type; of classification single texts and pairs."""
    following = [*texts[1:], texts[0]]
    made: list[Example] = []
    for i, (text, other) in enumerate(zip(texts, following)):
        if kind == "classification":
            made.append(TextExample(str(i), text, other if i % 2 else None, None))
        elif kind == "tagging":
            made.append(TaggedExample(str(i), tuple(text.split()), None))
        elif kind == "span_qa":
            made.append(SpanExample(str(i), other, text, None))
        elif kind == "masked_lm":
            made.append(PlainText(str(i), text))
        else:
            made.append(ChoiceExample(str(i), text, "", (other, text, "a"), None))
    return made


def sample_features(coder: Coder, kind: str, limits: Encoding, labels: Sequence[str]) -> Features:
    """Tokenised inputs of a task type."""
    examples = sample_examples(asked_type(kind).name, sample_texts(coder))
    return TASK_TYPES.get(kind).encode(examples, coder, limits, labels)


def sample_sentences(coder: Coder, length: int) -> Features:
    """Tokenised texts, one segment each."""
    builder = FeaturesBuilder()
    for i, pieces in enumerate(coder.pieces(sample_texts(coder))):
        builder.add(builder.record(id=str(i)), [coder.one(pieces, length)])
    return builder.build()


@torch.inference_mode()
def our_logits(
    backbone: Backbone, head: nn.Module, kind: str, features: Features, precision: str = "fp32"
) -> list[Tensor]:
    """For each instance [C] of a text, [S] of choices; [T, C] of tags, [T, 2] of spans, [T, V] of masked words."""
    task_type: Any = TASK_TYPES.get(kind)
    backbone.eval()
    head.eval()
    found = []
    with autocast(precision, "cpu"):
        for row in range(len(features)):
            packed, _ = features.packed([row])
            states_TH = backbone(packed, task_type.right_context)
            if kind in BY_TOKEN:
                found.append(head(states_TH))
            else:
                batch = task_type.collate(features, np.asarray([row]), generator(0, "export"))
                found.append(task_type.logits(head, states_TH, batch)[0])
    return [logits.float() for logits in found]


@torch.inference_mode()
def their_logits(model: Any, kind: str, features: Features) -> list[Tensor]:
    """The same of a transformers model."""
    choices = type(model).__name__.endswith("ForMultipleChoice")
    found = []
    for inputs in padded(model, features):
        output = model.eval()(**{name: value[None] for name, value in inputs.items()} if choices else inputs)
        if kind == "span_qa" and "start_logits" in output:
            found.append(torch.stack([output.start_logits, output.end_logits], dim=-1)[0])
        else:
            found.append(output.logits[:, 0] if kind == "multiple_choice" and not choices else output.logits[0])
    return [logits.float() for logits in found]


def padded(model: Any, features: Features) -> Iterator[dict[str, Tensor]]:
    """The segments of each instance as transformers takes them, [S, L]: ids, mask and, where it reads them, types."""
    pad = model.config.pad_token_id or 0
    for row in range(len(features)):
        segments, splits, _ = features.segments([row])
        ids = torch.full((len(segments), max(map(len, segments))), pad)
        mask, types = torch.zeros_like(ids), torch.zeros_like(ids)
        for i, (segment, split) in enumerate(zip(segments, splits, strict=True)):
            ids[i, : len(segment)] = torch.from_numpy(segment.astype(np.int64))
            mask[i, : len(segment)] = 1
            types[i, int(split) : len(segment)] = 1
        inputs = {"input_ids": ids, "attention_mask": mask}
        yield {**inputs, "token_type_ids": types} if reads_types(model) else inputs


@torch.inference_mode()
def our_vectors(
    backbone: Backbone, features: Features, pooling: Pooling, layer: int, precision: str = "fp32"
) -> list[Tensor]:
    """One layer's states as a vector [H] for each instance of one segment."""
    backbone.eval()
    packed = [features.packed([row])[0] for row in range(len(features))]
    with autocast(precision, "cpu"):
        return [pool(backbone.hidden_states(one)[layer], one, pooling)[0].float() for one in packed]


@torch.inference_mode()
def their_vectors(model: Any, tokenizer: Any, texts: Sequence[str], pooling: Pooling) -> list[Tensor]:
    """What sentence-transformers computes of a model and pooling."""
    accepts = inspect.signature(model.forward).parameters
    found = []
    for text in texts:
        inputs = tokenizer(text, truncation=True, return_tensors="pt")
        states_TH = model.eval()(**{name: inputs[name] for name in inputs if name in accepts}).last_hidden_state[0]
        found.append(states_TH.mean(0) if pooling == "mean" else states_TH[0 if pooling == "first" else -1])
    return found


def framed_alike(tokenizer: Any, coder: Coder, pairs: bool, types: bool) -> bool:
    """Whether a tokenizer called on its own gives the inputs that `coder` makes: special tokens and, if read, types."""
    texts = sample_texts(coder)
    pieces = coder.pieces(texts)
    length = 10**6
    for text, ids in zip(texts, pieces):
        calls: list[tuple[tuple[str, ...], Segment]] = [((text,), coder.one(ids, length))]
        if pairs:
            calls.append(((text, texts[0]), coder.two(ids, pieces[0], length)))
        for words, segment in calls:
            given = tokenizer(*words)
            expected = (np.arange(len(segment.ids)) >= segment.type_split).astype(int).tolist()
            if given["input_ids"] != segment.ids.tolist() or (types and given.get("token_type_ids") != expected):
                return False
    return True


def reads_types(model: Any) -> bool:
    """Whether a model tells first texts from second ones."""
    accepts = inspect.signature(model.forward).parameters
    return "token_type_ids" in accepts and int(getattr(model.config, "type_vocab_size", None) or 1) > 1


def difference(ours: Sequence[Tensor], theirs: Sequence[Tensor]) -> float:
    """The largest difference, relative to the largest value where that is above 1; NaN where there is one."""
    apart = torch.stack([(one - other).abs().max() for one, other in zip(ours, theirs, strict=True)]).max()
    return float(apart) / max(1.0, *(float(one.abs().max()) for one in ours))


def refuse_different(found: float, what: str, reason: str, tolerance: float = TOLERANCE) -> None:
    """Raises `BackboneError` when a written folder computes something else."""
    if not found <= tolerance:
        raise BackboneError(f"{what} gives other values than the model in the store (by {found:.2g}): {reason}")
