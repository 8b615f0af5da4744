"""ModernBERT: rotary positions, and local attention of 128 tokens in two of three layers."""

from __future__ import annotations

from typing import Any

from xstilts.backbones.family import Checkpoint, Family

MMBERT = "Marone et al. 2025, mmBERT: A Modern Multilingual Encoder with Annealed Language Learning, arXiv 2509.06888"
# Both thetas are in the published config.json; the class's default is 10,000 for local layers.
THETA = {
    "full_attention": {"rope_type": "default", "rope_theta": 160_000.0},
    "sliding_attention": {"rope_type": "default", "rope_theta": 160_000.0},
}


def _shape(hidden: int, heads: int) -> dict[str, Any]:
    return {
        "vocab_size": 256_000,
        "hidden_size": hidden,
        "num_hidden_layers": 22,
        "num_attention_heads": heads,
        "intermediate_size": 1152,
        "max_position_embeddings": 8192,
        "local_attention": 128,
        "rope_parameters": THETA,
        "pad_token_id": 0,
    }


FAMILY = Family(
    "modernbert",
    ("modernbert",),
    checkpoints=(
        Checkpoint(
            "mmbert-small",
            "jhu-clsp/mmBERT-small",
            "abc32620dd4f6ab06f5fbe905dc25f310618e09f",
            140_493_696,
            "MIT",
            MMBERT,
            "modernbert",
            _shape(384, 6),
        ),
        Checkpoint(
            "mmbert-base",
            "jhu-clsp/mmBERT-base",
            "c5955035435e2bf121cde7f3c8863ef52ff35d82",
            306_939_648,
            "MIT",
            MMBERT,
            "modernbert",
            _shape(768, 12),
            note="Its published scores are the best of a sweep over learning rates and epochs for each task.",
        ),
    ),
)
