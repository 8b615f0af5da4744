"""The training loop: gradients, mixtures, the optimizer, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from backbones.tiny_models import tiny_backbone
from task_types.samples import CODER
from training.phases import CONFIG, DATA, FEATURES, same, spec, tiny_model, tiny_phase, trained, weights
from xstilts.backbones.backbone import Backbone
from xstilts.backbones.packing import Packed
from xstilts.core.errors import FailedRun
from xstilts.core.machine import Machine
from xstilts.task_types.base import TaskType
from xstilts.training.config import TrainConfig
from xstilts.training.loop import Losses, accumulate, collate, make_optimizer, train
from xstilts.training.model import TaskModel

LABELLED = ("nli", "choice", "pos", "qa")


def gradients(task: str, tokens: int) -> tuple[Tensor, dict[str, Tensor], int]:
    """Loss and gradients of one batch of all instances, and how many micro-batches it took."""
    size = len(FEATURES[task])
    phase = tiny_phase(task, config=CONFIG.model_copy(update={"batch_size": size}))
    model = tiny_model(task).double()
    batches = list(collate(phase, 0, Machine(micro_batch_tokens=tokens)))
    loss = accumulate(Losses(model, phase), phase, 0, batches, "cpu")
    grads = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    return loss, grads, len(batches)


@pytest.mark.parametrize("task", [*LABELLED, "parallel"])
def test_the_gradient_does_not_depend_on_the_micro_batches(task: str) -> None:
    loss, expected, one = gradients(task, 10**6)
    other_loss, found, many = gradients(task, 40)
    assert one == 1
    assert many == 1 if task == "parallel" else many > 1
    assert float(other_loss) == pytest.approx(float(loss), rel=1e-6)
    assert found.keys() == expected.keys()
    for name in expected:
        torch.testing.assert_close(found[name], expected[name], rtol=1e-6, atol=1e-7)


def test_masked_tokens_are_counted_over_the_whole_batch() -> None:
    phase = tiny_phase("text", config=CONFIG.model_copy(update={"batch_size": 12}))
    one, many = (list(collate(phase, 0, Machine(micro_batch_tokens=tokens))) for tokens in (10**6, 60))
    assert len(one) == 1
    assert len(many) > 2
    model = tiny_model("text")
    mean = accumulate(Losses(model, phase), phase, 0, many, "cpu")
    with torch.no_grad():
        sums = [phase.types[0].loss(model.heads["text"], model.backbone(b.packed), b) for b in many]
    assert float(mean) == pytest.approx(float(torch.stack(sums).sum()) / sum(b.count for b in many), rel=1e-5)


def test_masks_do_not_depend_on_the_micro_batches() -> None:
    phase = tiny_phase("text", config=CONFIG.model_copy(update={"batch_size": 12}))

    def tokens(budget: int) -> list[int]:
        batches = collate(phase, 0, Machine(micro_batch_tokens=budget))
        return [int(i) for batch in batches for i in batch.packed.ids_T]

    def golds(budget: int) -> list[int]:
        batches = collate(phase, 0, Machine(micro_batch_tokens=budget))
        return [int(i) for batch in batches for i in batch.targets["token_M"]]

    assert tokens(10**6) == tokens(60)
    assert golds(10**6) == golds(60)


def test_masked_lm_gives_one_loss_however_the_batch_is_cut() -> None:
    phase = tiny_phase("text", config=CONFIG.model_copy(update={"batch_size": 12}))
    losses = []
    for budget in (10**6, 60):
        batches = list(collate(phase, 0, Machine(micro_batch_tokens=budget)))
        losses.append(float(accumulate(Losses(tiny_model("text"), phase), phase, 0, batches, "cpu")))
    assert len(batches) > 1
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_a_loss_weight_scales_the_gradient_and_not_the_logged_loss() -> None:
    phase = tiny_phase("nli")
    losses, norms = [], []
    for weight in (1.0, 0.25):
        model = tiny_model("nli")
        weighted = replace(phase, parts=(replace(phase.parts[0], weight=weight),))
        losses.append(accumulate(Losses(model, weighted), weighted, 0, list(collate(phase, 0, Machine())), "cpu"))
        norms.append(torch.nn.utils.get_total_norm([p.grad for p in model.parameters() if p.grad is not None]))
    assert float(losses[0]) == float(losses[1])
    assert float(norms[1] / norms[0]) == pytest.approx(0.25, rel=1e-4)


def test_each_step_sees_the_rows_of_the_plan() -> None:
    phase = tiny_phase("nli", "pos")
    for step in range(CONFIG.steps or 0):
        planned = phase.plan[step]
        batches = list(collate(phase, step, Machine(micro_batch_tokens=30)))
        assert sorted(np.concatenate([b.rows for b in batches]).tolist()) == sorted(planned.rows.tolist())


def test_a_mixture_in_which_one_task_is_never_drawn_trains_as_that_task_alone_bit_for_bit() -> None:
    single, joint = tiny_model("nli", dropout=0.1), tiny_model("nli", "text", dropout=0.1)
    untouched = weights(joint.heads["text"])
    trained(single, tiny_phase("nli"))
    trained(joint, tiny_phase("nli", "text", probabilities=[1.0, 0.0]))
    assert same(weights(single.backbone), weights(joint.backbone))
    assert same(weights(single.heads["nli"]), weights(joint.heads["nli"]))
    assert same(weights(joint.heads["text"]), untouched)


def test_training_twice_is_the_same_and_another_seed_is_not() -> None:
    def run(seed: int) -> dict[str, Tensor]:
        model = tiny_model("nli", dropout=0.1, seed=seed, hidden_dropout_prob=0.1)
        trained(model, tiny_phase("nli", seed=seed))
        return weights(model)

    assert same(run(1), run(1))
    assert not same(run(1), run(2))


def test_dropout_of_a_step_does_not_depend_on_what_was_drawn_before() -> None:
    config = CONFIG.model_copy(update={"steps": 3})
    model, again = (tiny_model("nli", dropout=0.5, hidden_dropout_prob=0.3) for _ in range(2))
    trained(model, tiny_phase("nli", config=config))
    with torch.random.fork_rng(devices=[]):
        for _ in train(again, tiny_phase("nli", config=config), make_optimizer(again, config), Machine()):
            torch.randn(17)
    assert same(weights(model), weights(again))


@pytest.mark.parametrize("task", DATA)
def test_every_kind_of_task_learns_a_small_batch_by_heart(task: str) -> None:
    config = TrainConfig(steps=40, batch_size=len(FEATURES[task]), learning_rate=5e-3, head_dropout=0.0)
    losses = [float(record.loss) for record in trained(tiny_model(task), tiny_phase(task, config=config))]
    assert losses[-1] < 0.7 * losses[0]


def test_bf16_trains_too() -> None:
    config = CONFIG.model_copy(update={"precision": "bf16"})
    model = tiny_model("nli")
    records = trained(model, tiny_phase("nli", config=config))
    reference = trained(tiny_model("nli"), tiny_phase("nli"))
    assert all(p.dtype == torch.float32 for p in model.parameters())
    assert float(records[0].loss) == pytest.approx(float(reference[0].loss), rel=0.05)
    assert float(records[0].loss) != float(reference[0].loss)


def test_the_optimizer_is_adamw_with_decay_on_matrices_alone() -> None:
    config = TrainConfig(steps=6, batch_size=4, learning_rate=1e-2, weight_decay=0.1, clip=0.5, head_dropout=0.0)
    phase = tiny_phase("nli", config=config)
    model, reference = tiny_model("nli"), tiny_model("nli")
    first, second = ({name: torch.zeros_like(p) for name, p in reference.named_parameters()} for _ in range(2))
    records = trained(model, phase)
    for step in range(6):
        reference.train().zero_grad(set_to_none=True)
        accumulate(Losses(reference, phase), phase, 0, list(collate(phase, step, Machine())), "cpu")
        grads = {name: p.grad for name, p in reference.named_parameters() if p.grad is not None}
        norm = torch.sqrt(sum((g.square().sum() for g in grads.values()), torch.zeros(())))
        assert float(norm) == pytest.approx(float(records[step].grad_norm), rel=1e-3)
        rate = config.rate(step, 6)
        for name, parameter in reference.named_parameters():
            if name not in grads:
                continue
            g = grads[name] * min(1.0, 0.5 / (float(norm) + 1e-6))
            first[name] = 0.9 * first[name] + 0.1 * g
            second[name] = 0.999 * second[name] + 0.001 * g.square()
            m, v = first[name] / (1 - 0.9 ** (step + 1)), second[name] / (1 - 0.999 ** (step + 1))
            with torch.no_grad():
                if parameter.ndim > 1:
                    parameter.mul_(1 - rate * 0.1)
                parameter.sub_(rate * m / (v.sqrt() + 1e-8))
    for (name, found), expected in zip(model.named_parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=2e-4, msg=name)


def test_records_say_what_happened() -> None:
    phase = tiny_phase("nli")
    records = trained(tiny_model("nli"), phase)
    assert [record.step for record in records] == list(range(8))
    row = records[0].row()
    assert set(row) == {"step", "task", "loss", "grad_norm", "rate", "tokens", "count"}
    assert (row["task"], row["count"]) == ("nli", 4)
    assert row["tokens"] == int(FEATURES["nli"].lengths[phase.plan[0].rows].sum())
    assert row["rate"] == CONFIG.rate(0, 8)


def test_a_loss_that_is_no_number_stops_the_run() -> None:
    model = tiny_model("nli")
    with torch.no_grad():
        model.backbone.embeddings.fill_(float("nan"))
    steps = train(model, tiny_phase("nli"), make_optimizer(model, CONFIG), Machine(log_every=3))
    line = r"the loss of nli is nan at step 0: lower the learning rate \(now 0.001\), use fp32, or let other seeds"
    with pytest.raises(FailedRun, match=line):
        list(steps)


@pytest.mark.parametrize("log_every", [1, 4, 50])
def test_the_step_that_diverged_is_named_with_the_last_finite_loss(log_every: int) -> None:
    model = tiny_model("nli")
    steps = train(model, tiny_phase("nli"), make_optimizer(model, CONFIG), Machine(log_every=log_every))
    losses = [round(float(record.loss), 2) for record in islice(steps, 5)]
    with torch.no_grad():
        model.backbone.embeddings.fill_(float("inf"))
    line = rf"the loss of nli is nan at step 5 \(the last finite loss was {losses[-1]}\d*\): lower"
    with pytest.raises(FailedRun, match=line) as failed:
        list(steps)
    assert failed.value.kind == "diverged"


class _Nothing(TaskType):
    """A batch in which there is nothing to predict."""

    name = "nothing"

    def encode(self, *_: Any) -> Any:
        raise NotImplementedError

    def head(self, *_: Any) -> Any:
        raise NotImplementedError

    def collate(self, features: Any, rows: Any, rng: Any) -> Any:
        from dataclasses import replace

        from xstilts.task_types.masked_lm import MaskedLM

        batch = MaskedLM().collate(features, rows, rng)
        none = torch.zeros(0, dtype=torch.long)
        return replace(batch, targets={"place_M": none, "token_M": none}, count=0)

    def loss(self, head: Any, states_TH: Tensor, batch: Any) -> Tensor:
        from xstilts.task_types.masked_lm import MaskedLM

        return MaskedLM().loss(head, states_TH, batch)


def test_a_batch_with_nothing_to_predict_changes_nothing_but_by_decay() -> None:
    phase = tiny_phase("text", config=TrainConfig(steps=1, batch_size=2, weight_decay=0.0))
    model = tiny_model("text")
    before = weights(model)
    (record,) = trained(model, type(phase)(**{**vars(phase), "types": (_Nothing(),)}))
    assert float(record.loss) == 0.0
    assert same(weights(model), before)


def test_losses_are_as_they_always_were_golden(golden: Callable[[str, Any], None]) -> None:
    """Three digits: enough to see another order, mask, schedule or head; few enough for another machine."""
    losses = {}
    for task in DATA:
        config = TrainConfig(steps=6, batch_size=3, learning_rate=1e-3)
        model = tiny_model(task, dropout=0.1, hidden_dropout_prob=0.1)
        losses[task] = [round(float(record.loss), 3) for record in trained(model, tiny_phase(task, config=config))]
    golden("losses", losses)


def test_each_batch_of_a_joint_phase_sees_what_its_type_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    backbone = tiny_backbone("qwen3", tokenizer=CODER.tokenizer)
    model = TaskModel(backbone, [spec("nli"), spec("pos")], 0.0, 1)
    asked: list[bool] = []
    forward = Backbone.forward

    def noting(self: Backbone, batch: Packed, right_context: bool = False) -> torch.Tensor:
        asked.append(right_context)
        return forward(self, batch, right_context)

    monkeypatch.setattr(Backbone, "forward", noting)
    phase = tiny_phase("nli", "pos")
    settings = Machine()
    records = list(train(model, phase, make_optimizer(model, phase.config), settings))
    assert {record.task for record in records} == {"nli", "pos"}
    assert asked == [record.task == "pos" for record in records]
