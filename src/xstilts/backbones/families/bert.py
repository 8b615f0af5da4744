"""BERT: multilingual BERT, the contrastive encoder LaBSE, and multilingual E5 small, which is a BERT as well."""

from __future__ import annotations

from typing import Any

from xstilts.backbones.families.xlm_roberta import E5, E5_NOTE, e5_pooling
from xstilts.backbones.family import Checkpoint, Family, Retrieval, table


def _shape(pieces: int, hidden: int, inner: int) -> dict[str, Any]:
    return {
        "vocab_size": pieces,
        "hidden_size": hidden,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "intermediate_size": inner,
        "max_position_embeddings": 512,
        "type_vocab_size": 2,
        "pad_token_id": 0,
    }


FAMILY = Family(
    "bert",
    ("bert",),
    room=table,
    checkpoints=(
        Checkpoint(
            "mbert",
            "google-bert/bert-base-multilingual-cased",
            "3f076fdb1ab68d5b2880cb87a0886f315b8146f8",
            177_853_440,
            "Apache-2.0",
            "Devlin et al. 2019, BERT: Pre-training of Deep Bidirectional Transformers, arXiv 1810.04805",
            "bert",
            _shape(119_547, 768, 3072),
            Retrieval(
                layer=8,
                source="hidden state 8, mean: XTREME (Hu et al. 2020), scripts/run_tatoeba.sh, which counts the twelve "
                "layers from 0 and says 7",
            ),
        ),
        Checkpoint(
            "labse",
            "sentence-transformers/LaBSE",
            "836121a0533e5664b21c7aacc5d22951f2b8b25b",
            470_926_848,
            "Apache-2.0",
            "Feng et al. 2022, Language-agnostic BERT Sentence Embedding, arXiv 2007.01852",
            "bert",
            _shape(501_153, 768, 3072),
            Retrieval("first", 12, "the repository's 1_Pooling/config.json: pooling_mode_cls_token"),
            "Its published vectors pass a dense layer with tanh behind the pooling (2_Dense), which is not part of the "
            "backbone: ours are the states below it.",
        ),
        Checkpoint(
            "me5-small",
            "intfloat/multilingual-e5-small",
            "fd1525a9fd15316a2d503bf26ab031a61d056e98",
            117_653_760,
            "MIT",
            E5,
            "bert",
            _shape(250_037, 384, 1536),
            e5_pooling(12),
            f"BERT's architecture under XLM-R's tokenizer, unlike E5 base and large. {E5_NOTE}",
        ),
    ),
)
