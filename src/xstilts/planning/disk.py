"""Bytes on disk of a finished stage, and what it takes besides while it runs.

Weights are fp32, token ids int32; the rest follows the files that stages write. Text in `records.jsonl` and predictions
is an assumption per task type, from the files of the microworld and of XTREME.
"""

from __future__ import annotations

from xstilts.data.readers.types import TYPES
from xstilts.planning.amounts import Amount
from xstilts.planning.counts import Counts, Tuning

TOKENIZER_PIECE = 65.0
"""Bytes of `tokenizer.json` per piece: its text, its number, its layout."""
WORLD = 22_000_000.0


def prepared(kind: str, amount: Amount) -> float:
    """Features: 4 bytes a token, offsets of segments and instances, columns, and records."""
    usual = TYPES.get(kind).usual
    per_instance = 12.0 * amount.segments + 24.0
    return amount.instances * (usual.feature * amount.tokens + per_instance) + usual.record * amount.rows


def trained(counts: Counts, tuning: Tuning, heads: int) -> tuple[float, float]:
    """(when finished, besides while it runs): weights and heads, or adapters and heads; two checkpoints at a time.

    A checkpoint holds what is trained with both moments, 12 bytes a parameter, and is replaced when the next is whole.
    """
    final = 4.0 * (counts.adapters if tuning.rank else counts.total) + 4.0 * heads
    if not tuning.rank:
        final += TOKENIZER_PIECE * counts.vocabulary
    return final, 2.0 * 12.0 * (counts.trained + heads)


def started(counts: Counts, copied: bool) -> float:
    """A random backbone, or a copy of a local one; a pointer takes nothing."""
    return 4.0 * counts.total + TOKENIZER_PIECE * counts.vocabulary if copied else 0.0


def predicted(kind: str, rows: float, layers: int) -> float:
    """One line an example; retrieval writes one for each layer, raw and centred."""
    lines = rows * 2 * (layers + 1) if kind == "retrieval" else rows
    return lines * TYPES.get(kind).usual.prediction


def evaluated(rows: float) -> float:
    """Scores and one compressed row an example."""
    return 6000.0 + 12.0 * rows
