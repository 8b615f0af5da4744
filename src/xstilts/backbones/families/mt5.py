"""mT5: the encoder of an encoder-decoder. Its position bias is built once, for the longest segment of a pack."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from xstilts.backbones.family import Checkpoint, Family

MT5 = "Xue et al. 2021, mT5: A Massively Multilingual Pre-trained Text-to-Text Transformer, arXiv 2010.11934"
FP16 = "Overflows in half precision (fp16); bf16 and fp32 are safe."


def _bias_of_longest(model: Any, longest: int | None) -> None:
    """T5 builds its relative position bias for the whole row, tokens x tokens; the longest segment's is enough."""
    for module in model.modules():
        if not getattr(module, "has_relative_attention_bias", False):
            continue
        module.__dict__.pop("compute_bias", None)
        if longest is not None:
            module.__dict__["compute_bias"] = partial(_build_bias, module.compute_bias, longest)


def _build_bias(build: Callable[..., Any], longest: int, *_: Any, device: Any = None, **__: Any) -> Any:
    return build(longest, longest, device=device)


def _checkpoint(size: str, revision: str | None, parameters: int, shape: tuple[int, int, int, int]) -> Checkpoint:
    hidden, inner, layers, heads = shape
    fields = {
        "vocab_size": 250_112,
        "d_model": hidden,
        "d_kv": 64,
        "d_ff": inner,
        "num_layers": layers,
        "num_heads": heads,
        "feed_forward_proj": "gated-gelu",
        "tie_word_embeddings": False,
        "pad_token_id": 0,
        "eos_token_id": 1,
    }
    note = f"Parameters of the encoder alone. {FP16}"
    hub = f"google/mt5-{size}"
    return Checkpoint(f"mt5-{size}", hub, revision, parameters, "Apache-2.0", MT5, "mt5", fields, note=note)


FAMILY = Family(
    "mt5",
    ("t5", "mt5", "umt5"),
    kind="encoder-decoder",
    on_pack=_bias_of_longest,
    checkpoints=(
        _checkpoint("small", "73fb5dbe4756edadc8fbe8c769b0a109493acf7a", 146_940_608, (512, 1024, 8, 6)),
        _checkpoint("base", "2eb15465c5dd7f72a8f7984306ad05ebc3dd1e1f", 277_040_256, (768, 2048, 12, 12)),
        _checkpoint("large", "50b7223e98fcd124b0cabb1ec81bc6324c7df107", 564_446_720, (1024, 2816, 24, 16)),
        _checkpoint("xl", "63fc6450d80515b48e026b69ef2fbbd426433e84", 1_669_958_656, (2048, 5120, 24, 32)),
        _checkpoint("xxl", None, 5_655_173_120, (4096, 10_240, 24, 64)),
    ),
)
