"""What holds for every architecture of every family: packed, padded and alone are one, on random weights of toy size.

The reference is transformers' own model with its eager attention. Weights are float64, but some architectures compute
norms and rotations in float32, hence the tolerance.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import AutoModel, AutoModelForTextEncoding

from backbones.tiny_models import (
    ARCHS,
    BY_NAME,
    OF_FAMILIES,
    WINDOW,
    Arch,
    alone,
    assert_close,
    bpe_tokenizer,
    library_model,
    sequences,
    tiny_backbone,
    together,
)
from xstilts.backbones import layout
from xstilts.backbones.backbone import TOLERANCE as CHECKED
from xstilts.backbones.backbone import check_packing, packing_error
from xstilts.backbones.families import FAMILIES, family_of
from xstilts.backbones.load import ENCODER_OF, describe, load_backbone, save_backbone
from xstilts.backbones.names import Backend
from xstilts.backbones.packing import pack

TOLERANCE = 1e-5
TOKENIZER = bpe_tokenizer()
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


@pytest.fixture(autouse=True)
def _small_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Among a few short segments there are joined and separate runs, as among long ones in earnest."""
    monkeypatch.setattr(layout, "CALL_COST", 40)


def padded(model: Any, rows: Sequence[np.ndarray], more: int = 0) -> list[Tensor]:
    """transformers' model on the batch padded to `more` than its longest row, with its default attention.

    Eager attention gives NaN behind short windows; architectures that cannot be packed have no other.
    """
    model.set_attn_implementation("sdpa" if family_of(model.config.model_type).route == "packed" else "eager")
    pad = model.config.pad_token_id or 0
    ids = torch.full((len(rows), max(map(len, rows)) + more), pad)
    mask = torch.zeros_like(ids)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = torch.from_numpy(row)
        mask[i, : len(row)] = 1
    states = model(input_ids=ids, attention_mask=mask).last_hidden_state
    return [states[i, : len(row)] for i, row in enumerate(rows)]


def gradients(model: Any, states: Sequence[Tensor]) -> dict[str, Tensor]:
    """Of a loss in which every entry of every state counts differently."""
    model.zero_grad()
    weighted = [
        (state * torch.linspace(-1, 1, state.numel(), dtype=state.dtype).reshape(state.shape)).sum() for state in states
    ]
    torch.stack(weighted).sum().backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def test_every_family_with_checkpoints_is_among_the_architectures() -> None:
    there = {arch.model_type for arch in OF_FAMILIES}
    assert there == {one.model_type for family in FAMILIES for one in family.checkpoints}
    assert {family.name for family in FAMILIES if not family.checkpoints} == {"canine"}, "has no fast tokenizer"


@pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS.keys())
@pytest.mark.parametrize(("arch", "backend"), CASES, ids=str)
def test_packed_padded_and_alone_agree_forward_and_in_all_gradients(
    arch: Arch, backend: Backend, lengths: tuple[int, ...]
) -> None:
    rows = sequences(lengths)
    precision = torch.float32 if arch.model_type == "xglm" else torch.float64  # its code writes float32 limits
    library = library_model(arch).to(precision)
    ours = tiny_backbone(arch, backend=backend).to(precision)
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


@every_arch
def test_padding_never_changes_a_state(arch: Arch) -> None:
    rows = sequences(LENGTHS["uneven"])
    library, ours = library_model(arch), tiny_backbone(arch, route="padded")
    assert ours.route == "padded"
    one_by_one = alone(library, rows)
    assert_close(together(ours, rows), one_by_one)
    assert_close(padded(library, rows, more=9), one_by_one)


@every_arch
def test_the_route_is_what_the_family_allows_and_is_said(arch: Arch) -> None:
    ours = tiny_backbone(arch)
    about = describe(ours)
    assert about["route"] == ours.route == ("packed" if arch.packed else "padded")
    decoder = arch.model_type in ("qwen3", "llama", "gemma3_text", "xglm", "bloom")
    assert ours.decoder == decoder
    assert ("attention" in about) == decoder
    assert about.get("attention") in (None, "causal", "bidirectional for tags, spans and masked LM, else causal")
    assert (about.get("attention") == "causal") == (decoder and not arch.packed)


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


WINDOWED = {"modernbert": "local_attention", "gemma3_text": "sliding_window"}


@pytest.mark.parametrize("name", WINDOWED)
def test_windows_are_shorter_than_the_segments_and_matter(name: str) -> None:
    rows = sequences((14,))
    narrow, wide = tiny_backbone(name), tiny_backbone(name, **{WINDOWED[name]: 60})
    assert WINDOW < 14
    assert_close(together(narrow, rows), alone(library_model(BY_NAME[name]), rows))
    difference = (together(narrow, rows)[0] - together(wide, rows)[0]).abs().amax(-1)
    assert difference.max() > 1e-3


@every_arch
def test_the_check_at_start_up_lets_it_pass_on_its_own_route(arch: Arch) -> None:
    backbone = tiny_backbone(arch)
    assert packing_error(backbone) < CHECKED / 10
    check_packing(backbone)


@every_arch
def test_a_saved_backbone_loads_exactly_here_and_in_transformers(arch: Arch, tmp_path: Path) -> None:
    backbone = tiny_backbone(arch, tokenizer=TOKENIZER)
    save_backbone(backbone, tmp_path)
    loaded = load_backbone(str(tmp_path)).eval()
    assert (loaded.route, loaded.layers, loaded.hidden_size) == (backbone.route, backbone.layers, 32)
    ours, theirs = backbone.model.state_dict(), loaded.model.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert loaded.tokenizer.get_vocab() == TOKENIZER.get_vocab()
    auto = AutoModelForTextEncoding if arch.model_type in ENCODER_OF else AutoModel
    library = auto.from_pretrained(tmp_path, attn_implementation="eager").eval()
    rows = sequences((7, 4))
    assert_close(together(loaded, rows), alone(library, rows))
