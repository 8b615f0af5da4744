"""DeBERTa: attention from tables of relative positions, which no packed attention can stand in for."""

from __future__ import annotations

from xstilts.backbones.family import Checkpoint, Family, table

FAMILY = Family(
    "deberta",
    ("deberta", "deberta-v2"),
    packed=False,
    why_padded="attention adds scores of relative positions inside the model",
    room=lambda fields: table(fields) if fields.get("position_biased_input", True) else None,
    checkpoints=(
        Checkpoint(
            "mdeberta-v3-base",
            "microsoft/mdeberta-v3-base",
            "a0484667b22365f84929a935b5e50a51f71f159d",
            278_218_752,
            "MIT",
            "He et al. 2023, DeBERTaV3: Improving DeBERTa using ELECTRA-Style Pre-Training with Gradient-Disentangled "
            "Embedding Sharing, arXiv 2111.09543",
            "deberta-v2",
            {
                "vocab_size": 251_000,
                "hidden_size": 768,
                "num_hidden_layers": 12,
                "num_attention_heads": 12,
                "intermediate_size": 3072,
                "max_position_embeddings": 512,
                "type_vocab_size": 0,
                "relative_attention": True,
                "position_buckets": 256,
                "max_relative_positions": -1,
                "norm_rel_ebd": "layer_norm",
                "share_att_key": True,
                "pos_att_type": ["p2c", "c2p"],
                "position_biased_input": False,
                "layer_norm_eps": 1e-7,
                "pad_token_id": 0,
            },
            note="Overflows in half precision (fp16); bf16 and fp32 are safe. Trained as a discriminator, so it brings "
            "no masked-LM head of use.",
        ),
    ),
)
