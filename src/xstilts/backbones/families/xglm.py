"""XGLM: decoders for thirty languages, trained with each language well represented."""

from __future__ import annotations

from xstilts.backbones.family import Checkpoint, Family

XGLM = "Lin et al. 2022, Few-shot Learning with Multilingual Generative Language Models, arXiv 2112.10668"


def _checkpoint(size: str, revision: str | None, parameters: int, shape: tuple[int, int, int, int]) -> Checkpoint:
    hidden, layers, heads, inner = shape
    fields = {
        "vocab_size": 256_008,
        "d_model": hidden,
        "num_layers": layers,
        "attention_heads": heads,
        "ffn_dim": inner,
        "max_position_embeddings": 2048,
        "activation_function": "gelu",
        "scale_embedding": True,
        "layerdrop": 0.0,
        "pad_token_id": 1,
        "bos_token_id": 0,
        "eos_token_id": 2,
    }
    hub = f"facebook/xglm-{size}"
    return Checkpoint(f"xglm-{size.lower()}", hub, revision, parameters, "MIT", XGLM, "xglm", fields)


FAMILY = Family(
    "xglm",
    ("xglm",),
    kind="decoder",
    packed=False,
    why_padded="its attention is written out in the model and cannot be replaced",
    checkpoints=(
        _checkpoint("564M", "f3059f01b98ccc877c673149e0178c0e957660f9", 564_463_616, (1024, 24, 16, 4096)),
        _checkpoint("1.7B", None, 1_732_907_008, (2048, 24, 16, 8192)),
        _checkpoint("7.5B", None, 7_492_771_840, (4096, 32, 32, 16_384)),
    ),
)
