"""mGTE: rotary positions and gated layers under XLM-R's tokenizer, for texts of up to 8,192 tokens."""

from __future__ import annotations

from xstilts.backbones.family import Checkpoint, Family, Retrieval

MGTE = (
    "Zhang et al. 2024, mGTE: Generalized Long-Context Text Representation and Reranking Models for Multilingual Text "
    "Retrieval, arXiv 2407.19669"
)
MIRROR = (
    "The weights of Alibaba-NLP/{name} under a config.json that transformers' own class reads; the original says "
    "`model_type: new` and would run code from the hub, which xstilts does not."
)
SHAPE = {
    "vocab_size": 250_048,
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "max_position_embeddings": 8192,
    "type_vocab_size": 1,
    "pad_token_id": 1,
}

FAMILY = Family(
    "gte",
    ("gte",),
    checkpoints=(
        Checkpoint(
            "mgte-base",
            "alibaba-nlp-community/gte-multilingual-base",
            None,
            305_368_320,
            "Apache-2.0",
            MGTE,
            "gte",
            SHAPE,
            Retrieval("first", 12, "`last_hidden_state[:, 0]` of its model card"),
            MIRROR.format(name="gte-multilingual-base") + " Its text vectors come from contrastive training.",
        ),
        Checkpoint(
            "mgte-mlm-base",
            "alibaba-nlp-community/gte-multilingual-mlm-base",
            None,
            305_368_320,
            "Apache-2.0",
            MGTE,
            "gte",
            SHAPE,
            note=MIRROR.format(name="gte-multilingual-mlm-base") + " The masked LM before any contrastive training.",
        ),
    ),
)
