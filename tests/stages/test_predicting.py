"""The prediction loop: every example gets its prediction, in file order, whatever the micro-batches."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from stages.predictors import encoded, predictor, values
from task_types.samples import CHOICES, CODER, LIMITS, PAIRS, PARALLEL, QUESTIONS, SENTENCES
from training.phases import DATA, tiny_model
from xstilts.stages.predicting import Predictor
from xstilts.task_types import TASK_TYPES

EXAMPLES: dict[str, Any] = {"nli": PAIRS, "choice": CHOICES, "pos": SENTENCES, "qa": QUESTIONS}
every_task = pytest.mark.parametrize("task", EXAMPLES)


def with_tokens(one: Predictor, tokens: int) -> Predictor:
    return Predictor(one.backbone, one.head, one.task_type, one.labels, tokens=tokens)


@every_task
def test_predictions_follow_the_file_and_not_the_micro_batches(task: str) -> None:
    one = predictor(task)
    features = encoded(task, EXAMPLES[task])
    expected = values(one(features, LIMITS))
    assert [name for name, _ in expected] == [example.id for example in EXAMPLES[task]]
    assert values(with_tokens(one, 1)(features, LIMITS)) == expected
    assert values(with_tokens(one, 60)(features, LIMITS)) == expected


@every_task
def test_each_example_is_predicted_as_it_would_be_alone(task: str) -> None:
    one = predictor(task)
    together = values(one(encoded(task, EXAMPLES[task]), LIMITS))
    alone = [values(one(encoded(task, [example]), LIMITS))[0] for example in EXAMPLES[task]]
    assert together == alone


@every_task
def test_dropout_is_off_and_no_gradient_is_kept(task: str) -> None:
    one = predictor(task)
    one.backbone.train()
    features = encoded(task, EXAMPLES[task])
    first, second = one(features, LIMITS), one(features, LIMITS)
    assert first == second
    assert not one.backbone.training
    assert all(parameter.grad is None for parameter in one.backbone.parameters())


def test_bf16_predicts_too() -> None:
    kind, _, labels = DATA["nli"]
    model = tiny_model("nli")
    low = Predictor(model.backbone, model.heads["nli"], TASK_TYPES.get(kind), labels, precision="bf16")
    predictions = low(encoded("nli", PAIRS), LIMITS)
    assert len(predictions) == len(PAIRS)
    sums = [
        sum(map(torch.tensor(p.extra["log_probabilities"]).exp().tolist().__getitem__, range(3))) for p in predictions
    ]
    assert sums == pytest.approx([1.0] * len(PAIRS), abs=0.02)


def test_every_variant_of_retrieval_predicts_every_sentence() -> None:
    model = tiny_model("nli")
    task_type = TASK_TYPES.get("retrieval")
    features = task_type.encode(PARALLEL, CODER, LIMITS, ())
    one = Predictor(model.backbone, torch.nn.Identity(), task_type, (), tokens=30)
    predictions = one(features, LIMITS)
    assert len(predictions) == len(PARALLEL) * 2 * 3
    assert {p.value for p in predictions} <= {example.id for example in PARALLEL}
