"""The planner's counts against what real models, real backward passes and real optimizers do."""

from __future__ import annotations

from typing import Any

import pytest
from benchmarks.activations import kept_bytes
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from backbones.tiny_models import ARCHS, Arch
from planning.sizes import backbone, even_pack, fields, shape, total_lengths
from training.phases import CODER, QUIET, tiny_model, tiny_phase
from xstilts.backbones.adapters import adapters_of, add_adapter, train_only
from xstilts.backbones.names import LoRA
from xstilts.core.machine import Machine
from xstilts.planning.costing import MicroBatch, head_parameters, training_flops, training_memory
from xstilts.planning.counts import Tuning, counts_of
from xstilts.training.loop import make_optimizer, train


@pytest.mark.parametrize("arch", ARCHS, ids=str)
def test_parameters_are_those_of_the_real_model(arch: Arch) -> None:
    made = backbone(arch.model_type, fields(arch.model_type))
    counts = counts_of(shape(arch.model_type, fields(arch.model_type)))
    named = dict(made.model.named_parameters())
    assert counts.total == sum(p.numel() for p in named.values())
    assert counts.trained == sum(p.numel() for name, p in named.items() if "pooler" not in name)
    assert counts.embeddings == made.embeddings.numel()
    assert 0 < counts.linear < counts.total


def test_parameters_of_a_published_model_are_the_published_number() -> None:
    from xstilts.backbones.families import checkpoint_of

    known = checkpoint_of("xlm-r-base")
    assert known is not None
    counts = counts_of({**known.shape, "model_type": known.model_type})
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
    counted = FlopCounterMode(display=False)
    with counted, sdpa_kernel(SDPBackend.MATH):  # fused kernels compute scores twice
        made(even_pack(segments, length)).sum().backward()
    planned = segments * length * training_flops(counts_of(shape(model_type, changes)), length)
    assert planned == pytest.approx(counted.get_total_flops(), rel=0.05)


def test_flops_of_uneven_segments_follow_the_mean_number_of_keys() -> None:
    lengths = [300, 200, 100]
    made = backbone("xlm-roberta", fields("xlm-roberta"), "block_mask")
    counts = counts_of(shape("xlm-roberta", fields("xlm-roberta")))
    tokens, keys = total_lengths(lengths)
    assert keys == pytest.approx(140_000 / 600)
    each = 0.0
    for length in lengths:
        counted = FlopCounterMode(display=False)
        with counted, sdpa_kernel(SDPBackend.MATH):
            made(even_pack(1, length)).sum().backward()
        each += counted.get_total_flops()
    assert tokens * training_flops(counts, keys) == pytest.approx(each, rel=0.01)


def test_flops_under_adapters_leave_out_the_gradients_of_frozen_weights() -> None:
    changes = fields("qwen3")
    made = backbone("qwen3", changes)
    add_adapter(made, LoRA(rank=4, dropout=0.0))
    train_only(made, adapters_of(made)[-1])
    counted = FlopCounterMode(display=False)
    with counted, sdpa_kernel(SDPBackend.MATH):
        made(even_pack(8, 64)).sum().backward()
    planned = 8 * 64 * training_flops(counts_of(shape("qwen3", changes), Tuning(rank=4)), 64)
    assert planned == pytest.approx(counted.get_total_flops(), rel=0.05)
    assert planned < 0.9 * 8 * 64 * training_flops(counts_of(shape("qwen3", changes)), 64)


BROAD = {"hidden_size": 384, "num_hidden_layers": 2, "num_attention_heads": 6, "intermediate_size": 1536}


@pytest.mark.parametrize("model_type", ["xlm-roberta", "modernbert", "rembert"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_activations_are_about_the_bytes_that_autograd_keeps(model_type: str, precision: str) -> None:
    changes = {**fields(model_type), **BROAD}
    real = kept_bytes(backbone(model_type, changes), even_pack(4, 128), precision)
    counts = counts_of(shape(model_type, changes))
    planned = training_memory(counts, Tuning(), Machine(), MicroBatch(4 * 128), precision == "bf16")
    assert planned.activations + planned.copies == pytest.approx(real, rel=0.25)


def test_adapters_frozen_layers_and_16_bits_change_what_is_kept() -> None:
    asked, micro = shape("xlm-roberta", fields("xlm-roberta", wide=True)), MicroBatch(1000)
    full, lower, half = (
        training_memory(counts_of(asked, tuning), tuning, Machine(), micro, True)
        for tuning in (Tuning(), Tuning(frozen_layers=2), Tuning(rank=8))
    )
    assert full.copies == 2 * counts_of(asked).linear
    assert lower.activations < 0.7 * full.activations
    assert half.copies == 0
    assert half.gradients < 0.2 * full.gradients


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
    counts = counts_of(asked)
    head = head_parameters("masked_lm", 0, counts)
    planned = training_memory(counts, Tuning(), Machine(), MicroBatch(100), bf16=False)
    assert planned.gradients + 4 * head == sum(gradients.values())
    assert planned.moments + 8 * head == sum(v.numel() * v.element_size() for v in moments)
    assert planned.weights == 4 * counts.total
