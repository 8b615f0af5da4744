"""Training the rows that a phase can touch gives what training all rows gives; a stage keeps what it changed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from task_types.samples import CODER
from training.phases import (
    CONFIG,
    FEATURES,
    Killed,
    component,
    run,
    same,
    tiny_model,
    tiny_phase,
    train_stage,
    write_inputs,
)
from xstilts.backbones.adapters import add_adapter, train_only
from xstilts.backbones.backbone import Backbone
from xstilts.backbones.names import LoRA
from xstilts.core.machine import Machine
from xstilts.stages import training
from xstilts.stages.models import FILE, ROWS, chain, open_backbone
from xstilts.task_types.features import tokens_of
from xstilts.training.config import TrainConfig
from xstilts.training.loop import make_optimizer, train
from xstilts.training.model import TaskModel, decay, narrow

WORDS = "embeddings.word_embeddings.weight"
VOCABULARY = 3 * len(CODER.tokenizer)  # most rows are of no token
SETTINGS = {
    "clipped, linear": {"clip": 0.01},
    "decay, constant rate": {"weight_decay": 0.3, "schedule": "constant", "clip": 1e9},
    "other moments": {"betas": (0.5, 0.9), "epsilon": 1e-3, "warmup": 0.5},
}


def tokens(*tasks: str) -> np.ndarray:
    return tokens_of([FEATURES[task] for task in tasks])


def model_of(*tasks: str) -> TaskModel:
    return tiny_model(*tasks, dropout=0.1, vocab_size=VOCABULARY, hidden_dropout_prob=0.1)


@pytest.mark.parametrize("tasks", [("nli",), ("nli", "pos")], ids="+".join)
@pytest.mark.parametrize("setting", SETTINGS)
def test_all_weights_are_those_of_training_every_row(setting: str, tasks: tuple[str, ...]) -> None:
    config = CONFIG.model_copy(update={"steps": 40, **SETTINGS[setting]})
    phase = tiny_phase(*tasks, config=config)
    full, compact = model_of(*tasks), model_of(*tasks)
    before = full.backbone.embeddings.detach().clone()
    active = narrow(compact, tokens(*tasks))
    assert active is not None
    assert len(active) < VOCABULARY / 3
    records = [
        list(train(model, phase, make_optimizer(model, config), Machine(micro_batch_tokens=128)))
        for model in (full, compact)
    ]
    assert [record.row() for record in records[0]] == [record.row() for record in records[1]]
    ours, theirs = dict(compact.named_parameters()), dict(full.named_parameters())
    words, rows = ours.pop(f"backbone.model.{WORDS}"), theirs.pop(f"backbone.model.{WORDS}")
    assert same(ours, theirs)
    together = before * decay(config, [40], 40)
    together[active] = words.detach()
    torch.testing.assert_close(together, rows.detach(), rtol=40 * 2**-24, atol=0)  # 40 products in fp32, or one
    assert (rows.detach() - before).abs().max() > 1e-3


def test_padding_in_the_padded_route_is_active() -> None:
    phase = tiny_phase("nli")
    losses = []
    for compact in (False, True):
        model = model_of("nli")
        model.backbone.route = "padded"
        model.backbone.body.set_attn_implementation("eager")
        assert not compact or narrow(model, tokens("nli")) is not None
        losses.append([record.row() for record in train(model, phase, make_optimizer(model, CONFIG), Machine())])
    assert losses[0] == losses[1]


def test_a_token_that_was_not_said_fails() -> None:
    model = model_of("nli")
    active = narrow(model, tokens("nli"))
    assert active is not None
    with pytest.raises(IndexError):
        model.backbone.model.get_input_embeddings()(torch.tensor([VOCABULARY - 1]))


def _frozen(backbone: Backbone) -> None:
    train_only(backbone, embeddings=True)


def _adapted(backbone: Backbone) -> None:
    add_adapter(backbone, LoRA(rank=2))
    train_only(backbone, "phase0")


@pytest.mark.parametrize(
    ("tasks", "change"),
    [(("nli", "text"), None), (("nli",), _frozen), (("nli",), _adapted)],
    ids=["masked LM reads all rows", "frozen embeddings", "adapters"],
)
def test_all_rows_stay_where_they_are_read_or_not_trained(tasks: tuple[str, ...], change: Any) -> None:
    model = model_of(*tasks)
    if change is not None:
        change(model.backbone)
    assert narrow(model, tokens(*tasks)) is None
    assert len(model.backbone.embeddings) == VOCABULARY


# Stages.

MEAN = {"selection": {"by": "average", "checkpoints": 5, "average": 3, "judges": []}}


class Store:
    """Train stages twice from the same start: as they are, and with every row trained."""

    def __init__(self, root: Path) -> None:
        self.root = root
        found = write_inputs(root, "nli", "pos", "text", vocab_size=VOCABULARY, hidden_dropout_prob=0.1)
        self.data = {"nli": found["data0"], "pos": found["data1"], "text": found["data2"]}

    def run(
        self, name: str, task: str, after: str = "model", full: bool = False, stop: int | None = None,
        more: Mapping[str, Any] | None = None, **options: Any,
    ) -> Path:  # fmt: skip
        inputs = {"model": self.root / ("" if after == "model" else "ours") / after, "data0": self.data[task]}
        stage = train_stage(component(task), **{"steps": 10, "weight_decay": 0.1, **options})
        return run(self.root / ("full" if full else "ours") / name, inputs, {**stage, **(more or {})}, stop)

    def both(self, name: str, *given: Any, **options: Any) -> tuple[Path, Path]:
        ours = self.run(name, *given, **options)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(training, "narrow", lambda model, tokens: None)
            return ours, self.run(name, *given, full=True, **options)


def check(ours: Path, full: Path) -> None:
    one, other = (dict(open_backbone(each).model.named_parameters()) for each in (ours, full))
    torch.testing.assert_close(one.pop(WORDS), other.pop(WORDS), rtol=10 * 2**-24, atol=1e-8)
    assert same(one, other)
    assert same(load_file(ours / "heads.safetensors"), load_file(full / "heads.safetensors"))


def size(folder: Path) -> int:
    return (folder / FILE).stat().st_size


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def first(store: Store) -> tuple[Path, Path]:
    return store.both("first", "nli")


def test_a_stage_keeps_the_rows_it_trained_and_points_to_the_rest(store: Store, first: tuple[Path, Path]) -> None:
    check(*first)
    held = load_file(first[0] / FILE)
    assert len(held[ROWS]) == len(held[WORDS]) < VOCABULARY / 3
    assert not (first[0] / "backbone").exists()
    assert chain(first[0]) == [(store.root / "model").resolve(), first[0]]
    assert size(first[0]) < size(first[1])


def test_phases_after_each_other_hold_all_changes_and_need_no_stage_between(
    store: Store, first: tuple[Path, Path]
) -> None:
    ours, full = store.both("second", "pos", "first")
    check(ours, full)
    assert chain(ours) == [(store.root / "model").resolve(), ours]
    rows = [load_file(each / FILE)[ROWS] for each in (first[0], ours)]
    assert torch.isin(rows[0], rows[1]).all()
    assert len(rows[0]) < len(rows[1])


def test_a_phase_after_masked_lm_points_to_its_stage(store: Store, first: tuple[Path, Path]) -> None:
    lm, whole = store.both("lm", "text", "first")
    check(lm, whole)
    assert ROWS not in load_file(lm / FILE)
    ours, full = store.both("after lm", "nli", "lm")
    check(ours, full)
    assert chain(ours) == [(store.root / "model").resolve(), lm.resolve(), ours]
    check(*store.both("later", "pos", "after lm"))


def test_frozen_parts_are_not_kept_again(store: Store, first: tuple[Path, Path]) -> None:
    check(*store.both("frozen", "pos", "first", frozen_layers=1))
    bare = store.run("bare", "pos", frozen_layers=1)
    assert not any("layer.0" in name or "embeddings" in name for name in load_file(bare / FILE))


def test_adapters_over_changed_weights_and_a_phase_after_them(store: Store, first: tuple[Path, Path]) -> None:
    lora = {"lora": {"rank": 2, "alpha": 8}, "learning_rate": 1e-2}
    ours, full = store.both("adapted", "pos", "first", **lora)
    states = [open_backbone(each).eval()(FEATURES["pos"].packed([0, 1])[0]) for each in (ours, full, first[0])]
    torch.testing.assert_close(states[0], states[1], rtol=0, atol=1e-5)
    assert (states[0] - states[2]).abs().max() > 1e-3
    check(*store.both("merged", "nli", "adapted", frozen_layers=1))
    half = store.run("half", "pos", "first", **lora, precision="bf16")
    assert open_backbone(half).embeddings.dtype == torch.bfloat16


def test_the_mean_of_snapshots_scales_rows_by_the_mean(store: Store) -> None:
    check(*store.both("mean", "nli", more=MEAN, learning_rate=1e-2, weight_decay=0.9))


def test_a_kill_in_the_middle_changes_nothing(store: Store, first: tuple[Path, Path]) -> None:
    with pytest.raises(Killed):
        store.run("killed", "nli", stop=6)
    saved = load_file(store.root / "ours" / "killed" / "checkpoint" / "weights.safetensors")
    assert len(saved[f"backbone.model.{WORDS}"]) < VOCABULARY / 3
    again = store.run("killed", "nli")
    assert same(load_file(first[0] / FILE), load_file(again / FILE))


def test_rows_without_gradient_shrink_by_every_step_s_rate() -> None:
    config = TrainConfig(steps=4, learning_rate=0.5, weight_decay=0.1, warmup=0.0, schedule="constant")
    assert decay(config, [0], 4) == 1.0
    assert decay(config, [2], 4) == pytest.approx(0.95**2)
    assert decay(config, [2, 4], 4) == pytest.approx((0.95**2 + 0.95**4) / 2)


def test_only_rows_that_will_be_looked_up_are_made(store: Store, first: tuple[Path, Path]) -> None:
    given = torch.from_numpy(tokens("pos"))
    whole, part = (open_backbone(first[0], tokens=each).embeddings for each in (None, given))
    assert torch.equal(whole[given], part[given])
    assert not torch.equal(whole, part)
