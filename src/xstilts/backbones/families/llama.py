"""Llama: decoders. The tokenizer puts a token before a text and none behind it, and has no padding token."""

from __future__ import annotations

from typing import Any

from xstilts.backbones.family import Checkpoint, Family

LLAMA_3 = "Grattafiori et al. 2024, The Llama 3 Herd of Models, arXiv 2407.21783"
LLAMA_1 = "Touvron et al. 2023, LLaMA: Open and Efficient Foundation Language Models, arXiv 2302.13971"
GATED = "Gated: accept the licence on the hub, then log in with `hf auth login`."


def _shape(hidden: int, layers: int, heads: int, inner: int, factor: float) -> dict[str, Any]:
    return {
        "vocab_size": 128_256,
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": 8,
        "intermediate_size": inner,
        "max_position_embeddings": 131_072,
        "rms_norm_eps": 1e-5,
        "rope_parameters": {
            "rope_type": "llama3",
            "rope_theta": 500_000.0,
            "factor": factor,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 8192,
        },
        "bos_token_id": 128_000,
        "eos_token_id": 128_001,
    }


FAMILY = Family(
    "llama",
    ("llama",),
    kind="decoder",
    checkpoints=(
        Checkpoint(
            "llama-3.2-1b",
            "meta-llama/Llama-3.2-1B",
            "4e20de362430cd3b72f300e6b0f18e50e7166e08",
            1_235_814_400,
            "Llama 3.2 Community",
            LLAMA_3,
            "llama",
            _shape(2048, 16, 32, 8192, 32.0),
            note=GATED,
        ),
        Checkpoint(
            "llama-3.2-3b",
            "meta-llama/Llama-3.2-3B",
            "13afe5124825b4f3751f836b40dafda64c1ed062",
            3_212_749_824,
            "Llama 3.2 Community",
            LLAMA_3,
            "llama",
            _shape(3072, 28, 24, 8192, 32.0),
            note=GATED,
        ),
        Checkpoint(
            "llama-3.1-8b",
            "meta-llama/Llama-3.1-8B",
            "d04e592bb4f6aa9cfee91e2e20afa771667e1d4b",
            7_504_924_672,
            "Llama 3.1 Community",
            LLAMA_3,
            "llama",
            _shape(4096, 32, 32, 14_336, 8.0),
            note=GATED,
        ),
        Checkpoint(
            "llama-30b",
            "huggyllama/llama-30b",
            "2b1edcdb3c7ced7bce6c1aa75c94545777c3118b",
            32_315_951_616,
            "LLaMA, non-commercial",
            LLAMA_1,
            "llama",
            {
                "vocab_size": 32_000,
                "hidden_size": 6656,
                "num_hidden_layers": 60,
                "num_attention_heads": 52,
                "intermediate_size": 17_920,
                "max_position_embeddings": 2048,
                "rms_norm_eps": 1e-6,
                "bos_token_id": 1,
                "eos_token_id": 2,
            },
            note="A copy by a third party, under a licence for research only. Trained on twenty languages in Latin and "
            "Cyrillic script; later Llamas have no model of this size.",
        ),
    ),
)
