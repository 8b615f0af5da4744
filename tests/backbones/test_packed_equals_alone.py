"""Joining of runs, token types, dropout, bf16, varlen attention. What holds for every family is in tests/contracts."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from backbones.tiny_models import (
    ARCHS,
    BY_NAME,
    Arch,
    alone,
    assert_close,
    library_model,
    sequences,
    tiny_backbone,
    together,
)
from xstilts.backbones import layout
from xstilts.backbones.layout import PackLayout
from xstilts.backbones.names import Backend
from xstilts.backbones.packing import pack

TOLERANCE = 1e-5
UNEVEN = (9, 3, 3, 1, 14, 7, 7, 2, 1)
BACKENDS: tuple[Backend, ...] = ("segments", "block_mask")
PACKED = tuple(arch for arch in ARCHS if arch.packed)


@given(st.lists(st.integers(1, 12), min_size=1, max_size=14), st.sampled_from([0, 20, 200, 16_384]))
@settings(max_examples=25)
def test_any_lengths_and_any_joining_of_runs_agree(lengths: list[int], cost: int) -> None:
    rows = sequences(lengths)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layout, "CALL_COST", cost)
        for name in ("modernbert", "gemma3_text", "mt5"):
            library, ours = LIBRARY[name], OURS[name]
            with torch.no_grad():
                assert_close(together(ours, rows), alone(library, rows))


LIBRARY = {name: library_model(BY_NAME[name]) for name in ("modernbert", "gemma3_text", "mt5")}
OURS = {name: tiny_backbone(name) for name in LIBRARY}


@given(st.lists(st.integers(1, 60), min_size=1, max_size=40), st.sampled_from([0, 100, 5000, 16_384]))
def test_runs_cover_all_segments_in_order_and_pad_less_than_a_call_costs(lengths: list[int], cost: int) -> None:
    ordered = tuple(sorted(lengths, reverse=True))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layout, "CALL_COST", cost)
        runs = PackLayout(ordered, torch.device("cpu")).runs
    assert tuple(n for run in runs for n in run.lengths) == ordered
    assert [run.begin for run in runs] == [0, *(run.end for run in runs[:-1])]
    assert all(len(run.lengths) * run.longest**2 - sum(n**2 for n in run.lengths) <= cost for run in runs)


@pytest.mark.parametrize("name", ["bert", "electra", "deberta-v2", "rembert"])
def test_token_types_reach_architectures_that_have_two(name: str) -> None:
    changes = {"type_vocab_size": 2}
    rows, splits = sequences((6, 4)), [3, 2]
    ours, library = tiny_backbone(name, **changes), library_model(BY_NAME[name], **changes)
    batch = pack(rows, splits)
    states = ours(batch)
    for row, split, start in zip(rows, splits, batch.starts_S.tolist(), strict=True):
        types = (torch.arange(len(row)) >= split).long()[None]
        expected = library(input_ids=torch.from_numpy(row)[None], token_type_ids=types).last_hidden_state[0]
        torch.testing.assert_close(states[start : start + len(row)], expected, rtol=TOLERANCE, atol=TOLERANCE)


def test_token_types_are_dropped_where_there_is_one_type_only() -> None:
    rows = sequences((6, 4))
    ours = tiny_backbone("xlm-roberta", type_vocab_size=1)
    torch.testing.assert_close(ours(pack(rows, [3, 2])), ours(pack(rows)))


@pytest.mark.parametrize("backend", BACKENDS)
def test_attention_dropout_is_applied_in_training_alone(backend: Backend) -> None:
    dropout = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.5}
    ours = tiny_backbone("xlm-roberta", backend=backend, **dropout)
    batch = pack(sequences(UNEVEN))

    def states(seed: int) -> Tensor:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return ours(batch)

    ours.train()
    assert not torch.allclose(states(1), states(2), atol=1e-3)
    torch.testing.assert_close(states(1), states(1))
    ours.eval()
    torch.testing.assert_close(states(1), states(2))


def _under_autocast(arch: Arch) -> Any:
    reason = "transformers' X-MOD adds bfloat16 into float32 and stops"
    return pytest.param(arch, marks=pytest.mark.xfail(reason=reason) if arch.model_type == "xmod" else ())


@pytest.mark.parametrize("arch", [_under_autocast(arch) for arch in ARCHS], ids=str)
def test_bf16_autocast_runs_and_is_near(arch: Arch) -> None:
    ours = tiny_backbone(arch)
    batch = pack(sequences(UNEVEN))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        low = ours(batch).float()
    full = ours(batch)
    assert torch.isfinite(low).all()
    assert (low - full).abs().mean() < 0.05 * full.abs().mean()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="varlen attention needs CUDA")
@pytest.mark.parametrize("arch", [arch for arch in PACKED if "t5" not in arch.model_type], ids=str)
def test_varlen_attention_agrees_on_a_gpu(arch: Arch) -> None:
    rows = sequences(UNEVEN)
    ours = tiny_backbone(arch, backend="varlen").to("cuda", torch.bfloat16)
    expected = tiny_backbone(arch).to("cuda", torch.bfloat16)
    batch = pack(rows).to("cuda")
    assert (ours(batch) - expected(batch)).abs().mean() < 0.02 * expected(batch).abs().mean()
