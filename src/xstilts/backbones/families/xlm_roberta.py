"""XLM-RoBERTa: masked language models of one hundred languages, and contrastive encoders that go on from them.

Positions are numbered from the padding index + 1, so XLM-R's first token has position 2. XL and XXL norm before each
block. There is one token type.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xstilts.backbones.family import Checkpoint, Family, Retrieval, table

XLM_R = "Conneau et al. 2020, Unsupervised Cross-lingual Representation Learning at Scale, arXiv 1911.02116"
XLM_R_XL = "Goyal et al. 2021, Larger-Scale Transformers for Multilingual Masked Language Modeling, arXiv 2105.00572"
XLM_V = (
    "Liang et al. 2023, XLM-V: Overcoming the Vocabulary Bottleneck in Multilingual Masked Language Models, "
    "arXiv 2301.10472"
)
INFOXLM = (
    "Chi et al. 2021, InfoXLM: An Information-Theoretic Framework for Cross-Lingual Language Model Pre-Training, "
    "arXiv 2007.07834"
)
E5 = "Wang et al. 2024, Multilingual E5 Text Embeddings: A Technical Report, arXiv 2402.05672"
E5_NOTE = (
    "Trained on texts behind `query: ` or `passage: `; we add neither, so its retrieval is below its published one."
)


def _shape(hidden: int, layers: int, heads: int, inner: int, pieces: int = 250_002) -> dict[str, Any]:
    return {
        "vocab_size": pieces,
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": inner,
        "max_position_embeddings": 514,
        "type_vocab_size": 1,
        "layer_norm_eps": 1e-5,
        "pad_token_id": 1,
        "bos_token_id": 0,
        "eos_token_id": 2,
    }


BASE, LARGE = _shape(768, 12, 12, 3072), _shape(1024, 24, 16, 4096)


def e5_pooling(layers: int) -> Retrieval:
    """The mean of the last layer."""
    return Retrieval("mean", layers, "`average_pool(last_hidden_state)` of its model card and 1_Pooling/config.json")


def _after_padding(config: Any) -> int:
    return int(config.pad_token_id) + 1


def _room(fields: Mapping[str, Any]) -> int | None:
    """514 rows hold 512 tokens."""
    usual = 514 if fields.get("model_type") == "xlm-roberta-xl" else 512
    rows, padding = table(fields, usual), fields.get("pad_token_id", 1)
    return rows - padding - 1 if rows is not None and isinstance(padding, int) else rows


FAMILY = Family(
    "xlm-roberta",
    ("xlm-roberta", "xlm-roberta-xl", "roberta", "camembert", "xmod", "data2vec-text"),
    first_position=_after_padding,
    room=_room,
    checkpoints=(
        Checkpoint(
            "xlm-r-base",
            "FacebookAI/xlm-roberta-base",
            "e73636d4f797dec63c3081bb6ed5c7b0bb3f2089",
            278_043_648,
            "MIT",
            XLM_R,
            "xlm-roberta",
            BASE,
        ),
        Checkpoint(
            "xlm-r-large",
            "FacebookAI/xlm-roberta-large",
            "c23d21b0620b635a76227c604d44e43a9f0ee389",
            559_890_432,
            "MIT",
            XLM_R,
            "xlm-roberta",
            LARGE,
            Retrieval(source="layer 14 of 24, mean: jiant, scripts/benchmarks/xtreme/xtreme_runconfig_writer.py"),
            "The model of X-STILTs (Phang et al. 2020).",
        ),
        Checkpoint(
            "xlm-r-xl",
            "facebook/xlm-roberta-xl",
            "aa5d120255845efeebc9b7f42822a1dd0f9ece9d",
            3_482_485_760,
            "MIT",
            XLM_R_XL,
            "xlm-roberta-xl",
            _shape(2560, 36, 32, 10_240, 250_880),
        ),
        Checkpoint(
            "xlm-r-xxl",
            "facebook/xlm-roberta-xxl",
            "03e0fb540c3c9afd4bdda0072e7cb82d2eafd060",
            10_712_735_744,
            "MIT",
            XLM_R_XL,
            "xlm-roberta-xl",
            _shape(4096, 48, 32, 16_384, 250_880),
        ),
        Checkpoint(
            "xlm-v-base",
            "facebook/xlm-v-base",
            "68c75dd7733d2640b3a98114e3e94196dc543fe1",
            778_493_184,
            "MIT",
            XLM_V,
            "xlm-roberta",
            _shape(768, 12, 12, 3072, 901_629),
            note="The body of XLM-R base under 901,629 embedding rows: nine tenths of its parameters are embeddings.",
        ),
        Checkpoint(
            "infoxlm-base",
            "microsoft/infoxlm-base",
            None,
            278_043_648,
            "MIT",
            INFOXLM,
            "xlm-roberta",
            BASE,
            note="Its contrastive loss was on layer 8 (microsoft/unilm, infoxlm/README.md): compare layers 7 and 8.",
        ),
        Checkpoint(
            "infoxlm-large",
            "microsoft/infoxlm-large",
            "d616d637f0720deda963cebbfc630657d2b7d3ae",
            559_890_432,
            "MIT",
            INFOXLM,
            "xlm-roberta",
            LARGE,
        ),
        Checkpoint(
            "me5-base",
            "intfloat/multilingual-e5-base",
            "d13f1b27baf31030b7fd040960d60d909913633f",
            278_043_648,
            "MIT",
            E5,
            "xlm-roberta",
            BASE,
            e5_pooling(12),
            E5_NOTE,
        ),
        Checkpoint(
            "me5-large",
            "intfloat/multilingual-e5-large",
            "ab10c1a7f42e74530fe7ae5be82e6d4f11a719eb",
            559_890_432,
            "MIT",
            E5,
            "xlm-roberta",
            LARGE,
            e5_pooling(24),
            E5_NOTE,
        ),
    ),
)
