"""The planner's counts against what real models, real backward passes and real optimizers do."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from backbones.tiny_models import ARCHS, Arch
from planning.sizes import backbone, even_pack, fields, forward_bytes, shape, total_lengths
from training.phases import CODER, QUIET, tiny_model, tiny_phase
from xstilts.backbones.adapters import adapters_of, add_adapter, train_only
from xstilts.backbones.names import LoRA
from xstilts.backbones.packing import pack
from xstilts.core.machine import Machine
from xstilts.planning.formulas import (
    MicroBatch,
    Tuning,
    head_parameters,
    layer_bytes,
    training_flops,
    training_memory,
)
from xstilts.planning.survey import Conditions, survey
from xstilts.training.loop import make_optimizer, train

UNTRACED = {"xmod": 0.15}
"""Architectures whose code reads numbers, and by how much the closed form may miss."""


@pytest.mark.parametrize("arch", ARCHS, ids=str)
def test_parameters_are_those_of_the_real_model(arch: Arch) -> None:
    made = backbone(arch.model_type, fields(arch.model_type))
    counts = survey(shape(arch.model_type, fields(arch.model_type)), Tuning(), Conditions()).counts
    named = dict(made.model.named_parameters())
    assert counts.total == sum(p.numel() for p in named.values())
    assert counts.unused == sum(p.numel() for name, p in named.items() if "pooler" in name)
    assert counts.embeddings == made.embeddings.numel()
    assert 0 < counts.linear < counts.total


def test_parameters_of_a_published_model_are_the_published_number() -> None:
    from xstilts.backbones.families import checkpoint_of

    known = checkpoint_of("xlm-r-base")
    assert known is not None
    counts = survey({**known.shape, "model_type": known.model_type}, Tuning(), Conditions()).counts
    assert counts.total == known.parameters == 278_043_648
    assert counts.linear == 12 * 12 * 768**2


TWICE = ("xlm-roberta", "modernbert", "qwen3")
"""Measured at two sizes; the other architectures at one, to keep the tests short."""
SIZES = [(arch.model_type, wide) for arch in ARCHS for wide in (False, True) if not wide or arch.model_type in TWICE]


@pytest.mark.parametrize(("model_type", "wide"), [size for size in SIZES if size[0] != "xmod"])
def test_flops_of_a_forward_and_backward_pass_are_the_formulas(model_type: str, wide: bool) -> None:
    changes, length, segments = fields(model_type, wide), 64 + 64 * wide, 8
    if model_type == "deberta-v2":
        changes["position_buckets"] = 16  # the projection of positions, once a batch, is not counted: keep it small
    made = backbone(model_type, changes)
    surveyed = survey(shape(model_type, changes), Tuning(), Conditions())
    counted = FlopCounterMode(display=False)
    with counted, sdpa_kernel(SDPBackend.MATH):  # fused kernels compute scores twice
        made(even_pack(segments, length)).sum().backward()
    planned = segments * length * training_flops(surveyed.counts, surveyed.attention, length)
    assert planned == pytest.approx(counted.get_total_flops(), rel=0.05)


def test_flops_of_uneven_segments_follow_the_mean_number_of_keys() -> None:
    lengths = [300, 200, 100]
    made = backbone("xlm-roberta", fields("xlm-roberta"), "block_mask")
    surveyed = survey(shape("xlm-roberta", fields("xlm-roberta")), Tuning(), Conditions())
    tokens, keys = total_lengths(lengths)
    assert keys == pytest.approx(140_000 / 600)
    each = 0.0
    for length in lengths:
        counted = FlopCounterMode(display=False)
        with counted, sdpa_kernel(SDPBackend.MATH):
            made(even_pack(1, length)).sum().backward()
        each += counted.get_total_flops()
    assert tokens * training_flops(surveyed.counts, surveyed.attention, keys) == pytest.approx(each, rel=0.01)


def test_flops_under_adapters_leave_out_the_gradients_of_frozen_weights() -> None:
    changes, tuning = fields("qwen3"), Tuning(rank=4, dropout=0.0)
    made = backbone("qwen3", changes)
    add_adapter(made, LoRA(rank=4, dropout=0.0))
    train_only(made, adapters_of(made)[-1])
    surveyed = survey(shape("qwen3", changes), tuning, Conditions())
    counted = FlopCounterMode(display=False)
    with counted, sdpa_kernel(SDPBackend.MATH):
        made(even_pack(8, 64)).sum().backward()
    planned = 8 * 64 * training_flops(surveyed.counts, surveyed.attention, 64)
    assert planned == pytest.approx(counted.get_total_flops(), rel=0.05)
    full = survey(shape("qwen3", changes), Tuning(), Conditions())
    assert planned < 0.9 * 8 * 64 * training_flops(full.counts, full.attention, 64)


PRECISIONS = [(*size, precision) for size in SIZES for precision in ("fp32", "bf16")]
PRECISIONS.remove(("xmod", False, "bf16"))  # the library's adapters do not run under autocast


@pytest.mark.parametrize(("model_type", "wide", "precision"), PRECISIONS)
def test_activations_are_the_bytes_that_autograd_keeps(model_type: str, wide: bool, precision: str) -> None:
    changes, length, segments = fields(model_type, wide), 64 + 64 * wide, 6
    made = backbone(model_type, changes)
    packed = even_pack(segments, length)
    if made.route == "padded":  # with padding, or the library leaves out the mask that real batches need
        packed = pack([*([[7] * length] * (segments - 1)), [7] * (length - 1)])
    real = forward_bytes(made, packed, precision)
    surveyed = survey(shape(model_type, changes), Tuning(), Conditions(precision, engine=True, segment=length))
    planned = surveyed.kept.activations(segments * length, recompute=False) + surveyed.kept.copies
    assert surveyed.traced == (model_type not in UNTRACED)
    assert planned == pytest.approx(real, rel=UNTRACED.get(model_type, 0.02))


def test_a_fused_kernel_keeps_what_the_cpus_fused_kernel_keeps() -> None:
    for model_type in ("xlm-roberta", "qwen3", "modernbert"):
        asked = shape(model_type, fields(model_type))
        if model_type == "modernbert":
            asked["layer_types"] = ["full_attention"] * 3  # a window is a mask there, which is kept too
        fused = survey(asked, Tuning(), Conditions(segment=64)).kept
        engine = survey(asked, Tuning(), Conditions(segment=64, engine=True)).kept
        assert fused.per_token == pytest.approx(engine.per_token, rel=0.08), model_type


@pytest.mark.parametrize("bf16", [False, True])
def test_the_closed_form_of_a_layer_agrees_with_the_count(bf16: bool) -> None:
    large = {"hidden_size": 256, "num_hidden_layers": 12, "num_attention_heads": 4, "intermediate_size": 1024}
    dropped = {"hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.0}
    conditions = Conditions("bf16" if bf16 else "fp32")
    kept = survey(shape("xlm-roberta", {**large, **dropped}), Tuning(), conditions).kept
    assert kept.per_layer == pytest.approx(layer_bytes(256, 256, 1024, 4, bf16, dropout=True), rel=0.1)


def test_adapters_frozen_layers_and_16_bits_change_what_is_kept() -> None:
    asked = shape("xlm-roberta", fields("xlm-roberta", wide=True))
    full = survey(asked, Tuning(), Conditions("bf16"))
    lower = survey(asked, Tuning(frozen_layers=2), Conditions("bf16"))
    half = survey(asked, Tuning(rank=8, dropout=0.0), Conditions("bf16", held="bfloat16"))
    assert full.kept.copies == pytest.approx(
        2 * full.counts.linear, rel=0.03
    )  # autocast's copies of weights; biases are few
    assert lower.kept.per_token < 0.7 * full.kept.per_token
    assert half.kept.copies < 0.2 * full.kept.copies
    assert half.counts.trained == half.counts.adapters < 0.2 * full.counts.trained


def _trained(changes: dict[str, Any], **options: Any) -> tuple[Any, Any]:
    """A model after one step, and its optimizer; the last gradients are still there."""
    model = tiny_model("text", **changes)
    phase = tiny_phase("text")
    optimizer = make_optimizer(model, phase.config)
    gradients = {}
    for name, parameter in model.named_parameters():
        parameter.register_hook(lambda grad, name=name: gradients.__setitem__(name, grad.numel() * grad.element_size()))
    next(train(model, phase, optimizer, Machine()))
    return gradients, optimizer


def test_gradients_and_moments_are_those_of_a_real_optimizer() -> None:
    gradients, optimizer = _trained({})
    moments = [v for state in optimizer.state.values() for k, v in state.items() if k != "step"]
    asked = shape("xlm-roberta", {"vocab_size": len(CODER.tokenizer), **QUIET})
    surveyed = survey(asked, Tuning(), Conditions())
    head = head_parameters("masked_lm", surveyed.kept.hidden, 0, surveyed.counts)
    planned = training_memory(surveyed.counts, surveyed.kept, Tuning(), Machine(), MicroBatch(100), 4.0)
    assert planned.gradients + 4 * head == sum(gradients.values())
    assert planned.moments + 8 * head == sum(v.numel() * v.element_size() for v in moments)
    assert planned.weights == 4 * surveyed.counts.total


def test_autograd_is_left_as_it_was() -> None:
    survey(shape("bert", {}), Tuning(), Conditions("bf16", segment=32))
    assert not torch.is_autocast_enabled("cpu")
    assert torch.ones(1).device.type == "cpu"
