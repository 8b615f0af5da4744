"""EuroBERT: Llama's blocks with attention to both sides.

transformers has no head of it for span QA or multiple choice; ours serve.
"""

from __future__ import annotations

from typing import Any

from xstilts.backbones.family import Checkpoint, Family

EUROBERT = "Boizard et al. 2025, EuroBERT: Scaling Multilingual Encoders for European Languages, arXiv 2503.05500"


def _shape(hidden: int, layers: int, heads: int, key_heads: int, inner: int) -> dict[str, Any]:
    return {
        "vocab_size": 128_256,
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": key_heads,
        "intermediate_size": inner,
        "max_position_embeddings": 8192,
        "rope_parameters": {"rope_type": "default", "rope_theta": 250_000.0},
        "rms_norm_eps": 1e-5,
        "pad_token_id": 128_001,
        "bos_token_id": 128_000,
        "eos_token_id": 128_001,
    }


FAMILY = Family(
    "eurobert",
    ("eurobert",),
    checkpoints=(
        Checkpoint(
            "eurobert-210m",
            "EuroBERT/EuroBERT-210m",
            "39b51e15dd1f1a06f58b5cbf6a8a188cec60bd0e",
            211_766_016,
            "Apache-2.0",
            EUROBERT,
            "eurobert",
            _shape(768, 12, 12, 12, 3072),
        ),
        Checkpoint(
            "eurobert-610m",
            "EuroBERT/EuroBERT-610m",
            "d9af784ed20db6c2096e335ec6a67dd4a219924c",
            607_874_688,
            "Apache-2.0",
            EUROBERT,
            "eurobert",
            _shape(1152, 26, 18, 6, 4096),
        ),
        Checkpoint(
            "eurobert-2.1b",
            "EuroBERT/EuroBERT-2.1B",
            "81245a4d71f43452badf5e04458e4ddb831ff109",
            2_107_590_912,
            "Apache-2.0",
            EUROBERT,
            "eurobert",
            _shape(2304, 32, 18, 6, 6144),
            note="Fine-tuning is unstable: the model card of LFM2.5-Encoder reports 70.5 ± 14.2 on XNLI over five "
            "seeds. Take more seeds and a lower learning rate.",
        ),
    ),
)
