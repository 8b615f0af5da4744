"""Our heads against transformers' own on the same weights: outputs, loss, and gradient of the backbone."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from torch import Tensor, nn

from backbones.tiny_models import BY_NAME, tiny_backbone
from task_types.samples import (
    BERT_CODER,
    CHOICES,
    CODER,
    LABELS,
    LIMITS,
    LINES,
    PAIRS,
    QUESTIONS,
    SENTENCES,
    TAGS,
    config_of,
    padded_inputs,
    whole,
)
from xstilts.backbones.backbone import Backbone
from xstilts.backbones.coder import Coder
from xstilts.stages.predicting import Predictor
from xstilts.task_types import TASK_TYPES
from xstilts.task_types.base import Batch, TaskType
from xstilts.task_types.features import Features

CLOSE = {"rtol": 1e-5, "atol": 1e-5}
PREFIX = {
    "xlm-roberta": "XLMRoberta",
    "xlm-roberta-xl": "XLMRobertaXL",
    "bert": "Bert",
    "rembert": "RemBert",
    "deberta-v2": "DebertaV2",
    "gte": "Gte",
    "eurobert": "EuroBert",
    "mt5": "MT5",
    "qwen3": "Qwen3",
    "llama": "Llama",
    "bloom": "Bloom",
}
CODERS = {"bert": BERT_CODER, "rembert": BERT_CODER}
OF_BERT = ("xlm-roberta", "xlm-roberta-xl", "bert", "rembert")
# Heads of the same form as ours. Left out: ModernBERT puts a layer of its own before each head; EuroBERT classifies
# from a mean; DeBERTa's pooler has GELU; mT5 classifies with its decoder; decoders have a bare projection.
SAME_FORM = {
    "SequenceClassification": (*OF_BERT, "gte"),
    "MultipleChoice": OF_BERT,
    "TokenClassification": tuple(PREFIX),
    "QuestionAnswering": (*OF_BERT, "deberta-v2", "qwen3", "llama", "bloom"),
    "MaskedLM": ("xlm-roberta", "xlm-roberta-xl", "bert"),
}
LACKING = {
    "MultipleChoice": ("gte", "eurobert", "mt5", "qwen3", "llama", "bloom"),
    "QuestionAnswering": ("gte", "eurobert"),
}
"""Where transformers has no head and ours serves."""


def having(suffix: str) -> pytest.MarkDecorator:
    """Over the architectures of which transformers has this head in our form."""
    return pytest.mark.parametrize("name", SAME_FORM[suffix])


@dataclass(frozen=True)
class Pair:
    """transformers' model with its head, and ours around a copy of the same weights."""

    library: Any
    backbone: Backbone
    task_type: TaskType
    features: Features
    head: nn.Module
    batch: Batch

    def loss(self) -> Tensor:
        return self.task_type.loss(self.head, self.backbone(self.batch.packed), self.batch) / self.batch.count

    @torch.no_grad()
    def outputs(self) -> list[Any]:
        return self.task_type.outputs(self.head, [self.backbone(self.batch.packed)], self.batch)

    def inputs(self) -> dict[str, Tensor]:
        config = self.library.config
        return padded_inputs(self.features, config.pad_token_id or 0, types=getattr(config, "type_vocab_size", 0) > 1)


def build(name: str, suffix: str, kind: str, data: Any, labels: tuple[str, ...] = (), **fields: Any) -> Pair:
    coder = CODERS.get(name, CODER)
    config = transformers.AutoConfig.for_model(name, **_fields(name, coder, **fields))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        library = getattr(transformers, f"{PREFIX[name]}For{suffix}")(config).eval()
        for parameter in library.parameters():
            nn.init.normal_(parameter, std=0.3)
    backbone = Backbone(copy.deepcopy(library.base_model), coder.tokenizer).eval()
    task_type = TASK_TYPES.get(kind)
    features = task_type.encode(data, coder, LIMITS, labels)
    head = task_type.head(backbone, labels, 0.0).eval()
    return Pair(library, backbone, task_type, features, head, whole(task_type, features))


def _fields(name: str, coder: Coder, **fields: Any) -> dict[str, Any]:
    if name in ("xlm-roberta", "bert"):
        return config_of(name, coder, **fields)
    return {**BY_NAME[name].fields, "vocab_size": coder.vocabulary, **fields}


def copy_weights(head: nn.Module, **modules: nn.Module) -> None:
    for name, module in modules.items():
        head.get_submodule(name).load_state_dict(module.state_dict())


def assert_same_loss(pair: Pair, expected: Tensor) -> None:
    """Loss, and its gradient at the embeddings, through all of the model."""
    found = pair.loss()
    torch.testing.assert_close(found, expected, **CLOSE)
    found.backward()
    expected.backward()
    theirs = pair.library.base_model.get_input_embeddings().weight.grad
    ours = pair.backbone.embeddings.grad
    assert theirs is not None
    assert ours is not None
    padding = pair.library.config.pad_token_id
    rest = np.delete(
        np.arange(len(ours)), [] if padding is None else padding
    )  # a padded batch has no gradient there by decree, ours no token
    torch.testing.assert_close(ours[rest], theirs[rest], **CLOSE)


@having("SequenceClassification")
def test_text_classification(name: str) -> None:
    pair = build(name, "SequenceClassification", "classification", PAIRS, LABELS, num_labels=3)
    if name in ("bert", "rembert", "gte"):
        copy_weights(pair.head, dense=pair.library.base_model.pooler.dense, out=pair.library.classifier)
    else:
        copy_weights(pair.head, dense=pair.library.classifier.dense, out=pair.library.classifier.out_proj)
    gold = torch.tensor([LABELS.index(example.label) for example in PAIRS])
    theirs = pair.library(**pair.inputs(), labels=gold)
    ours = pair.outputs()
    torch.testing.assert_close(torch.from_numpy(np.stack(ours)), theirs.logits.log_softmax(-1), **CLOSE)
    assert_same_loss(pair, theirs.loss)


@having("MultipleChoice")
def test_multiple_choice(name: str) -> None:
    data = [example for example in CHOICES if len(example.choices) == 3]
    pair = build(name, "MultipleChoice", "multiple_choice", data)
    copy_weights(pair.head, dense=pair.library.base_model.pooler.dense, out=pair.library.classifier)
    inputs = {key: value.reshape(len(data), 3, -1) for key, value in pair.inputs().items()}
    theirs = pair.library(**inputs, labels=torch.tensor([example.label for example in data]))
    ours = pair.outputs()
    torch.testing.assert_close(torch.from_numpy(np.stack(ours)), theirs.logits, **CLOSE)
    assert_same_loss(pair, theirs.loss)


@having("TokenClassification")
def test_token_classification(name: str) -> None:
    pair = build(name, "TokenClassification", "tagging", SENTENCES, TAGS, num_labels=len(TAGS))
    copy_weights(pair.head, out=getattr(pair.library, "classifier", None) or pair.library.score)
    inputs = pair.inputs()
    labels = torch.full_like(inputs["input_ids"], -100)
    for row, example in enumerate(SENTENCES):
        starts = pair.features.columns["word_start"][row]
        labels[row, starts] = torch.tensor([TAGS.index(tag) for tag in example.tags or ()])
    theirs = pair.library(**inputs, labels=labels)
    words = pair.outputs()
    for row, best in enumerate(words):
        assert best.tolist() == theirs.logits[row, pair.features.columns["word_start"][row]].argmax(-1).tolist()
    assert_same_loss(pair, theirs.loss)


@having("QuestionAnswering")
@pytest.mark.parametrize("row", range(len(QUESTIONS)))
def test_question_answering(name: str, row: int) -> None:
    # One window at a time: transformers lets padding take part in the softmax, ours has none.
    pair = build(name, "QuestionAnswering", "span_qa", QUESTIONS[row : row + 1])
    copy_weights(pair.head, out=pair.library.qa_outputs)
    first = pair.task_type.collate(pair.features, np.arange(1), np.random.default_rng(0))
    pair = replace(pair, batch=first)
    inputs = {key: value[:1, : int(pair.features.lengths[0])] for key, value in pair.inputs().items()}
    start, end = (torch.from_numpy(pair.features.columns[key][:1].astype(np.int64)) for key in ("start", "end"))
    theirs = pair.library(**inputs, start_positions=start, end_positions=end)
    ((ours_start, ours_end, *_),) = pair.outputs()
    torch.testing.assert_close(torch.from_numpy(ours_start), theirs.start_logits[0], **CLOSE)
    torch.testing.assert_close(torch.from_numpy(ours_end), theirs.end_logits[0], **CLOSE)
    assert_same_loss(pair, theirs.loss)


@having("MaskedLM")
def test_masked_language_modelling(name: str) -> None:
    pair = build(name, "MaskedLM", "masked_lm", LINES)
    if name == "bert":
        theirs = pair.library.cls.predictions
        copy_weights(pair.head, dense=theirs.transform.dense, norm=theirs.transform.LayerNorm)
    else:
        theirs = pair.library.lm_head
        copy_weights(pair.head, dense=theirs.dense, norm=theirs.layer_norm)
    with torch.no_grad():
        pair.head.get_parameter("bias").copy_(theirs.bias)
    assert theirs.decoder.weight is pair.library.get_input_embeddings().weight, "the library's head is not tied"
    inputs = pair.inputs()
    labels = torch.full_like(inputs["input_ids"], -100)
    for segment, start in enumerate(pair.batch.packed.starts_S.tolist()):
        length = len(pair.features.tokens[segment])
        inputs["input_ids"][segment, :length] = pair.batch.packed.ids_T[start : start + length]
        for place, token in zip(pair.batch.targets["place_M"], pair.batch.targets["token_M"], strict=True):
            if start <= place < start + length:
                labels[segment, place - start] = token
    assert int((labels >= 0).sum()) == pair.batch.count
    assert_same_loss(pair, pair.library(**inputs, labels=labels).loss)


@pytest.mark.parametrize(
    ("suffix", "name"), [(suffix, name) for suffix, names in LACKING.items() for name in names], ids=str
)
def test_where_transformers_has_no_head_ours_trains_and_predicts(suffix: str, name: str) -> None:
    assert not hasattr(transformers, f"{PREFIX[name]}For{suffix}"), "it has one now: compare with it"
    kind, data = {"MultipleChoice": ("multiple_choice", CHOICES), "QuestionAnswering": ("span_qa", QUESTIONS)}[suffix]
    backbone = tiny_backbone(name, tokenizer=CODER.tokenizer)
    task_type = TASK_TYPES.get(kind)
    features = task_type.encode(data, CODER, LIMITS, ())
    head = task_type.head(backbone, (), 0.0)
    nn.init.normal_(head.get_parameter("out.weight"))
    batch = whole(task_type, features)
    task_type.loss(head, backbone(batch.packed, task_type.right_context), batch).backward()
    for path, parameter in (*head.named_parameters(), ("embeddings", backbone.embeddings)):
        assert parameter.grad is not None
        assert torch.isfinite(parameter.grad).all()
        if path != "out.bias":  # a softmax over choices or tokens is blind to it, but for rounding
            assert parameter.grad.abs().max() > 0
    outputs = Predictor(backbone, head, task_type, ()).outputs(features)
    predictions = task_type.decode(features, outputs, (), LIMITS)
    assert [prediction.id for prediction in predictions] == [example.id for example in data]


def test_heads_are_initialised_as_the_model_was() -> None:
    pair = build("xlm-roberta", "SequenceClassification", "classification", PAIRS, LABELS, num_labels=3)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        head = pair.task_type.head(pair.backbone, LABELS, 0.1)
    assert 0.17 < float(head.get_parameter("dense.weight").detach().std()) < 0.23
    assert not head.get_parameter("dense.bias").any()
    assert not head.get_parameter("out.bias").any()
