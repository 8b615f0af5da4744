"""RemBERT: small input embeddings under a deep model. It takes a registered attention and ignores it without a word."""

from __future__ import annotations

from xstilts.backbones.family import Checkpoint, Family, table

FAMILY = Family(
    "rembert",
    ("rembert",),
    packed=False,
    why_padded="transformers accepts a registered attention and never calls it",
    room=table,
    checkpoints=(
        Checkpoint(
            "rembert",
            "google/rembert",
            "65da5133da36e29dfca67d4f0dd9f7f9db21b563",
            575_920_384,
            "Apache-2.0",
            "Chung et al. 2021, Rethinking Embedding Coupling in Pre-trained Language Models, arXiv 2010.12821",
            "rembert",
            {
                "vocab_size": 250_300,
                "hidden_size": 1152,
                "num_hidden_layers": 32,
                "num_attention_heads": 18,
                "intermediate_size": 4608,
                "input_embedding_size": 256,
                "output_embedding_size": 1664,
                "max_position_embeddings": 512,
                "type_vocab_size": 2,
                "pad_token_id": 0,
                "bos_token_id": 312,
                "eos_token_id": 313,
                "tie_word_embeddings": False,
            },
            note="Its published mean over XTREME leaves the retrieval tasks out.",
        ),
    ),
)
