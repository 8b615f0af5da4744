"""Text classification and multiple choice: encoding, losses, predictions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from backbones.tiny_models import tiny_backbone
from task_types.samples import CHOICES, CODER, LABELS, LIMITS, PAIRS, whole
from xstilts.data.examples import ChoiceExample, TextExample
from xstilts.task_types import TASK_TYPES
from xstilts.task_types.classification import Classification, MultipleChoice
from xstilts.tasks.base import Encoding

CLASSIFICATION, CHOICE = Classification(), MultipleChoice()


def test_one_text_and_pairs_are_framed_as_the_tokenizer_does() -> None:
    examples = [TextExample("a", "the house", None, "neutral"), TextExample("b", "the house", "a dog", None)]
    features = CLASSIFICATION.encode(examples, CODER, LIMITS, LABELS)
    assert features.tokens[0].tolist() == CODER.tokenizer("the house")["input_ids"]
    assert features.tokens[1].tolist() == CODER.tokenizer("the house", "a dog")["input_ids"]
    assert features.columns["label"].tolist() == [1, -1]
    assert [record["gold"] for record in features.records] == ["neutral", None]


def test_an_empty_second_text_is_still_a_pair() -> None:
    features = CLASSIFICATION.encode([TextExample("a", "the house", "", "neutral")], CODER, LIMITS, LABELS)
    pieces = CODER.pieces(["the house"])[0].tolist()
    assert features.tokens[0].tolist() == [0, *pieces, 2, 2, 2]


def test_long_texts_are_cut_to_the_limit() -> None:
    examples = [
        TextExample("a", "the house " * 40, "a dog " * 40, "neutral"),
        TextExample("b", "dog " * 99, None, None),
    ]
    features = CLASSIFICATION.encode(examples, CODER, LIMITS, LABELS)
    assert features.lengths.tolist() == [LIMITS.max_length, LIMITS.max_length]


def test_labels_are_decoded_in_file_order() -> None:
    features = CLASSIFICATION.encode(PAIRS, CODER, LIMITS, LABELS)
    outputs = np.log(np.full((4, 3), 0.1) + 0.7 * np.eye(3)[[2, 0, 1, 1]])
    predictions = CLASSIFICATION.decode(features, list(outputs), LABELS, LIMITS)
    assert [(p.id, p.value) for p in predictions] == [
        ("p0", "contradiction"),
        ("p1", "entailment"),
        ("p2", "neutral"),
        ("p3", "neutral"),
    ]
    assert predictions[0].extra["log_probabilities"][2] == pytest.approx(np.log(0.8), abs=1e-4)


def test_each_choice_is_a_segment_behind_its_context() -> None:
    features = CHOICE.encode(CHOICES, CODER, LIMITS, ())
    assert np.diff(features.first_segment).tolist() == [3, 2, 4]
    assert features.tokens[4].tolist() == CODER.tokenizer("Anna wrote what ?", "a cat")["input_ids"]
    assert features.tokens[0].tolist() == CODER.tokenizer("the house is", "old")["input_ids"]


def test_questions_with_different_numbers_of_choices_share_a_batch() -> None:
    features = CHOICE.encode(CHOICES, CODER, LIMITS, ())
    backbone = tiny_backbone(tokenizer=CODER.tokenizer)
    head = CHOICE.head(backbone, (), 0.0).eval()
    with torch.no_grad():
        batch = whole(CHOICE, features)
        states = backbone(batch.packed)
        logits = CHOICE.logits(head, states, batch)
        assert logits.shape == (3, 4)
        assert torch.isinf(logits).sum() == 3
        losses = []
        for row, example in enumerate(CHOICES):
            one = CHOICE.collate(features, np.array([row]), np.random.default_rng(0))
            alone = CHOICE.logits(head, backbone(one.packed), one)[0]
            torch.testing.assert_close(alone, logits[row, : len(example.choices)], rtol=1e-5, atol=1e-5)
            losses.append(F.cross_entropy(alone, torch.tensor(example.label)))
        torch.testing.assert_close(CHOICE.loss(head, states, batch), torch.stack(losses).sum())
        predictions = CHOICE.decode(features, CHOICE.outputs(head, [states], batch), (), LIMITS)
    assert [p.value for p in predictions] == [int(row.argmax()) for row in logits]
    assert [len(p.extra["scores"]) for p in predictions] == [3, 2, 4]


def test_a_withheld_choice_can_be_predicted() -> None:
    features = CHOICE.encode([ChoiceExample("a", "x", "", ("y", "z"), None)], CODER, Encoding(), ())
    assert features.columns["label"].tolist() == [-1]
    assert CHOICE.decode(features, [np.array([0.1, 0.2])], (), LIMITS)[0].value == 1


@pytest.mark.parametrize("name", ["masked_lm", "contrastive"])
def test_what_is_only_trained_on_predicts_nothing(name: str) -> None:
    task_type = TASK_TYPES.get(name)
    features = CLASSIFICATION.encode(PAIRS, CODER, LIMITS, LABELS)
    with pytest.raises(NotImplementedError, match="predicts nothing"):
        task_type.decode(features, [], (), LIMITS)
    with pytest.raises(NotImplementedError, match="predicts nothing"):
        task_type.outputs(torch.nn.Identity(), [], whole(CLASSIFICATION, features))
