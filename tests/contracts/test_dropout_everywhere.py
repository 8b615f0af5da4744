"""What holds for every architecture: in training with dropout a token's state is a function of the plan alone.

However a step is cut into packs, by whatever route and whatever torch's generator draws, the states are the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import AutoConfig

from backbones.tiny_models import ARCHS, Arch, sequences, tiny_backbone
from contracts.writers import writer
from xstilts.backbones import attention, layout
from xstilts.backbones.adapters import add_adapter
from xstilts.backbones.backbone import Backbone
from xstilts.backbones.controlled import control_dropout, uncontrolled_dropout
from xstilts.backbones.dropout import Dropout
from xstilts.backbones.names import Backend, LoRA, Route
from xstilts.backbones.packing import Packed, pack
from xstilts.backbones.text import log_probabilities, pack_answers
from xstilts.training.distributed import recompute_layers

ROWS = sequences((9, 3, 3, 1, 14, 7, 7, 2, 1))
CUTS: tuple[tuple[Sequence[int], ...], ...] = (
    (range(9),),
    ([4, 0, 5], [6, 1, 2], [7, 3, 8]),
    tuple([i] for i in range(9)),
)
every_arch = pytest.mark.parametrize("arch", ARCHS, ids=str)


@pytest.fixture(autouse=True)
def _small_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "CALL_COST", 40)


def noisy(arch: Arch) -> dict[str, float]:
    """All kinds of dropout that the architecture has, switched on."""
    config = AutoConfig.for_model(arch.model_type, **arch.fields).to_dict()
    words = ("dropout", "dropout_prob", "dropout_rate", "attention_dropout", "activation_dropout", "resid_pdrop")
    return {name: 0.3 for name in config if name.endswith(words) and not name.startswith("classifier")}


def backbone_of(arch: Arch, route: Route | None = None, backend: Backend = "segments", **changes: Any) -> Backbone:
    backbone = tiny_backbone(arch, route=route, backend=backend, **{**noisy(arch), **changes})
    control_dropout(backbone, {})
    return backbone.train()


def planned(rows: Sequence[int], seed: int = 5) -> Packed:
    return pack([ROWS[row] for row in rows]).planned(seed, np.asarray(rows), np.zeros(len(rows), dtype=int))


def states(backbone: Backbone, cut: Sequence[Sequence[int]], seed: int = 5) -> list[Tensor]:
    """The states of each of `ROWS`, computed as `cut` says."""
    found: dict[int, Tensor] = {}
    for number, rows in enumerate(cut):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(number)
            batch = planned(rows, seed)
            output = backbone(batch)
        for row, start in zip(rows, batch.starts_S.tolist(), strict=True):
            found[row] = output[start : start + len(ROWS[row])]
    return [found[row] for row in range(len(ROWS))]


def near(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@every_arch
def test_states_in_training_do_not_depend_on_the_micro_batches(arch: Arch) -> None:
    backbone = backbone_of(arch)
    assert noisy(arch)
    assert not uncontrolled_dropout(backbone, "cpu")
    expected = torch.cat(states(backbone, CUTS[0]))
    for cut in CUTS[1:]:
        near(torch.cat(states(backbone, cut)), expected)
    assert not torch.allclose(torch.cat(states(backbone, CUTS[0], seed=6)), expected, atol=1e-3)
    assert not torch.allclose(torch.cat(states(backbone.eval(), CUTS[0])), expected, atol=1e-3)


@pytest.mark.parametrize("arch", [arch for arch in ARCHS if arch.packed], ids=str)
def test_packed_and_padded_are_one_in_training(arch: Arch) -> None:
    expected = torch.cat(states(backbone_of(arch), CUTS[0]))
    near(torch.cat(states(backbone_of(arch, backend="block_mask"), CUTS[1])), expected)
    near(torch.cat(states(backbone_of(arch, "padded"), CUTS[1])), expected)


@every_arch
def test_layers_computed_twice_have_the_same_gradients(arch: Arch) -> None:
    gradients = []
    for recompute in (False, True):
        backbone = backbone_of(arch)
        if recompute:
            recompute_layers(backbone)
        backbone(planned(range(9))).square().sum().backward()
        gradients.append(torch.cat([p.grad.flatten() for p in backbone.parameters() if p.grad is not None]))
    assert torch.equal(*gradients)


def test_dropout_of_adapters_is_under_control_too() -> None:
    backbone = tiny_backbone("xlm-roberta", hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    add_adapter(backbone, LoRA(rank=2, dropout=0.5))
    with torch.no_grad():
        for path, parameter in backbone.named_parameters():
            if "lora_B" in path:
                parameter.fill_(0.1)
    control_dropout(backbone, {})
    backbone.train()
    expected = torch.cat(states(backbone, CUTS[0]))
    near(torch.cat(states(backbone, CUTS[1])), expected)
    assert not torch.allclose(torch.cat(states(backbone.eval(), CUTS[0])), expected, atol=1e-3)


@pytest.mark.parametrize("kind", ["qwen3", "mt5"])
def test_probabilities_of_answers_do_not_depend_on_the_micro_batches(kind: str) -> None:
    backbone = writer(kind, **{"dropout_rate" if kind == "mt5" else "attention_dropout": 0.3})
    control_dropout(backbone, {})
    backbone.train()
    answers = [np.array([5, 6, 2]), np.array([7, 2]), np.array([4, 4, 9, 2])]

    def scores(rows: Sequence[int], seed: int = 1) -> Tensor:
        prompts = [ROWS[row] + 3 for row in rows]
        packed, targets = pack_answers(prompts, [answers[row] for row in rows], range(len(rows)), kind == "qwen3")
        packed = packed.planned(seed, np.asarray(rows), np.zeros(len(rows), dtype=int))
        return log_probabilities(backbone, backbone(packed), packed, targets)

    expected = scores([0, 1, 2])
    near(torch.cat([scores([0]), scores([1, 2])]), expected)
    assert not torch.allclose(scores([0, 1, 2], seed=2), expected, atol=1e-3)


def test_a_module_that_is_called_twice_drops_other_values_each_time() -> None:
    backbone = backbone_of(next(arch for arch in ARCHS if arch.model_type == "mt5"))
    twice = backbone.model.encoder.dropout if hasattr(backbone.model, "encoder") else backbone.model.dropout
    assert isinstance(twice, Dropout)
    assert twice.shared
    backbone.hashed.begin(1, planned(range(9)).identity_T[None])  # type: ignore[union-attr]
    ones = torch.ones(1, sum(map(len, ROWS)), 32)
    assert not torch.equal(twice(ones), twice(ones))


def test_draws_that_remain_are_found() -> None:
    backbone = backbone_of(next(arch for arch in ARCHS if arch.model_type == "xlm-roberta"))
    assert not uncontrolled_dropout(backbone, "cpu")
    assert uncontrolled_dropout(backbone, "cuda:0")  # its fused attention would draw
    backbone.backend = "block_mask"
    assert not uncontrolled_dropout(backbone, "cuda:0")
    draw = torch.nn.Module()
    draw.forward = lambda x, *_, **__: x + 0 * torch.rand(1)
    backbone.model.embeddings.LayerNorm = draw
    assert uncontrolled_dropout(backbone, "cpu")
    xglm = next(arch for arch in ARCHS if arch.model_type == "xglm")
    assert uncontrolled_dropout(backbone_of(xglm, layerdrop=0.5), "cpu")


@pytest.mark.parametrize("arch", [arch for arch in ARCHS if arch.packed], ids=str)
def test_attention_in_blocks_is_attention_step_by_step(arch: Arch, monkeypatch: pytest.MonkeyPatch) -> None:
    """States and gradients of `BlockAttention`, and those of autograd through each step."""
    found = []
    for in_blocks in (attention._Call.in_blocks, lambda *_: False):
        monkeypatch.setattr(attention._Call, "in_blocks", in_blocks)
        backbone = backbone_of(arch)
        output = backbone(planned(range(9)))
        output.square().sum().backward()
        gradients = [p.grad.flatten() for p in backbone.parameters() if p.grad is not None]
        found.append((output, torch.cat(gradients)))
    near(found[0][0], found[1][0])
    near(found[0][1], found[1][1])
