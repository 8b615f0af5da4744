"""Packed = padded = one by one, forward and gradients, for every architecture and back end.

The reference is transformers' own model with its eager attention. Weights are float64, but some architectures compute
norms and rotations in float32, hence the tolerance.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from backbones.tiny_models import ARCHS, BY_NAME, WINDOW, Arch, alone, library_model, sequences, tiny_backbone
from xstilts.backbones import attention
from xstilts.backbones.attention import Layout
from xstilts.backbones.backbone import Backbone
from xstilts.backbones.names import Backend
from xstilts.backbones.packing import pack

TOLERANCE = 1e-5
LENGTHS = {
    "uneven": (9, 3, 3, 1, 14, 7, 7, 2, 1),
    "even": (6, 6, 6, 6),
    "one token each": (1, 1, 1),
    "one": (12,),
}
BACKENDS: tuple[Backend, ...] = ("segments", "block_mask")
PACKED = tuple(arch for arch in ARCHS if arch.packed)
CASES = [(arch, backend) for arch in ARCHS for backend in (BACKENDS if arch.packed else BACKENDS[:1])]
every_arch = pytest.mark.parametrize("arch", ARCHS, ids=str)
every_packed = pytest.mark.parametrize("arch", PACKED, ids=str)


@pytest.fixture(autouse=True)
def _small_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Among a few short segments there are joined and separate runs, as among long ones in earnest."""
    monkeypatch.setattr(attention, "CALL_COST", 40)


def together(backbone: Backbone, rows: Sequence[np.ndarray]) -> list[Tensor]:
    batch = pack(rows)
    states = backbone(batch)
    return [states[start : start + len(row)] for row, start in zip(rows, batch.starts_S.tolist(), strict=True)]


def padded(model: Any, rows: Sequence[np.ndarray]) -> list[Tensor]:
    """transformers' model on the padded batch, with its default attention: eager gives NaN behind short windows."""
    model.set_attn_implementation("sdpa" if model.config.model_type not in ("deberta-v2", "rembert") else "eager")
    pad = model.config.pad_token_id
    ids = torch.full((len(rows), max(map(len, rows))), pad)
    mask = torch.zeros_like(ids)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = torch.from_numpy(row)
        mask[i, : len(row)] = 1
    states = model(input_ids=ids, attention_mask=mask).last_hidden_state
    return [states[i, : len(row)] for i, row in enumerate(rows)]


def gradients(model: Any, states: Sequence[Tensor]) -> dict[str, Tensor]:
    """Of a loss in which every entry of every state counts differently."""
    model.zero_grad(set_to_none=True)
    rng = torch.Generator().manual_seed(1)
    weighted = [(state * torch.randn(state.shape, generator=rng, dtype=state.dtype)).sum() for state in states]
    torch.stack(weighted).sum().backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def assert_close(found: Sequence[Tensor], expected: Sequence[Tensor]) -> None:
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=TOLERANCE, atol=TOLERANCE)


@pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS.keys())
@pytest.mark.parametrize(("arch", "backend"), CASES, ids=str)
def test_packed_padded_and_alone_agree_forward_and_in_all_gradients(
    arch: Arch, backend: Backend, lengths: tuple[int, ...]
) -> None:
    rows = sequences(lengths)
    library = library_model(arch).double()
    ours = tiny_backbone(arch, backend=backend).double()
    assert ours.route == ("packed" if arch.packed else "padded")
    one_by_one, packed = alone(library, rows), together(ours, rows)
    assert_close(packed, one_by_one)
    assert_close(padded(library, rows), one_by_one)
    expected = gradients(library, one_by_one)
    found = gradients(ours.model, packed)
    assert found.keys() == expected.keys()
    for name in expected:
        scale = max(1.0, float(expected[name].abs().max()))
        torch.testing.assert_close(
            found[name] / scale, expected[name] / scale, rtol=TOLERANCE, atol=TOLERANCE, msg=name
        )


@every_packed
def test_the_padded_route_gives_the_same_where_packing_is_possible(arch: Arch) -> None:
    rows = sequences(LENGTHS["uneven"])
    ours = tiny_backbone(arch, route="padded")
    assert ours.route == "padded"
    assert_close(together(ours, rows), alone(library_model(arch), rows))


@every_arch
def test_hidden_states_of_every_layer_are_the_librarys(arch: Arch) -> None:
    rows = sequences(LENGTHS["uneven"])
    library, ours = library_model(arch), tiny_backbone(arch)
    batch = pack(rows)
    layers = ours.hidden_states(batch)
    assert len(layers) == ours.layers + 1
    torch.testing.assert_close(layers[-1], ours(batch), rtol=TOLERANCE, atol=TOLERANCE)
    for row, start in zip(rows, batch.starts_S.tolist(), strict=True):
        expected = library(input_ids=torch.from_numpy(row)[None], output_hidden_states=True).hidden_states
        assert_close([layer[start : start + len(row)] for layer in layers], [state[0] for state in expected])


@given(st.lists(st.integers(1, 12), min_size=1, max_size=14), st.sampled_from([0, 20, 200, 16_384]))
@settings(max_examples=25, deadline=None)
def test_any_lengths_and_any_joining_of_runs_agree(lengths: list[int], cost: int) -> None:
    rows = sequences(lengths)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attention, "CALL_COST", cost)
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
        patch.setattr(attention, "CALL_COST", cost)
        runs = Layout(ordered, torch.device("cpu")).runs
    assert tuple(n for run in runs for n in run.lengths) == ordered
    assert [run.begin for run in runs] == [0, *(run.end for run in runs[:-1])]
    assert all(run.padded - sum(n**2 for n in run.lengths) <= cost for run in runs)


@pytest.mark.parametrize("name", ["modernbert", "gemma3_text"])
def test_windows_are_shorter_than_the_segments_and_matter(name: str) -> None:
    rows = sequences((14,))
    narrow, wide = tiny_backbone(name), tiny_backbone(name, **{WIDE[name]: 60})
    assert WINDOW < 14
    difference = (together(narrow, rows)[0] - together(wide, rows)[0]).abs().amax(-1)
    assert difference.max() > 1e-3


WIDE = {"modernbert": "local_attention", "gemma3_text": "sliding_window"}


@every_packed
def test_positions_begin_anew_in_every_segment(arch: Arch) -> None:
    ours = tiny_backbone(arch)
    batch = pack(sequences((3, 5, 3)))
    given_ids = ours._packed_inputs(batch).get("position_ids")
    if arch.model_type in ("t5", "mt5"):
        assert given_ids is None  # positions are relative
    else:
        p = arch.position
        assert given_ids.tolist() == [[p, p + 1, p + 2, p + 3, p + 4, p, p + 1, p + 2, p, p + 1, p + 2]]


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
    batch = pack(sequences(LENGTHS["uneven"]))

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
    batch = pack(sequences(LENGTHS["uneven"]))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        low = ours(batch).float()
    full = ours(batch)
    assert torch.isfinite(low).all()
    assert (low - full).abs().mean() < 0.05 * full.abs().mean()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="varlen attention needs CUDA")
@pytest.mark.parametrize("arch", [arch for arch in PACKED if "t5" not in arch.model_type], ids=str)
def test_varlen_attention_agrees_on_a_gpu(arch: Arch) -> None:
    rows = sequences(LENGTHS["uneven"])
    ours = tiny_backbone(arch, backend="varlen").to("cuda", torch.bfloat16)
    expected = tiny_backbone(arch).to("cuda", torch.bfloat16)
    batch = pack(rows).to("cuda")
    assert (ours(batch) - expected(batch)).abs().mean() < 0.02 * expected(batch).abs().mean()
