"""Bytes on disk of a finished stage, and what it takes besides while it runs.

Weights are fp32, token ids int32; the rest follows the files that stages write. Text in `records.jsonl` and predictions
is an assumption per task type, from the files of the microworld and of XTREME.
"""

from __future__ import annotations

from collections.abc import Mapping

from xstilts.planning.amounts import Amount
from xstilts.planning.formulas import Counts, Tuning
from xstilts.stages.rows import RAW_TEXT

TOKENIZER_PIECE = 65.0
"""Bytes of `tokenizer.json` per piece: its text, its number, its layout."""
RECORD: Mapping[str, float] = {"span_qa": 1000.0, "ranking": 100.0, "tagging": 150.0}
"""Bytes per example in `records.jsonl`; 70 for other types: id and gold. Passages are kept for span QA."""
PREDICTION: Mapping[str, float] = {"span_qa": 300.0, "tagging": 200.0}
"""Bytes per example in a file of predictions; 110 for other types."""
WORLD = 22_000_000.0


def prepared(kind: str, amount: Amount) -> float:
    """Features: 4 bytes a token, offsets of segments and instances, columns, and records."""
    per_token = {"span_qa": 12.0, "tagging": 9.0}.get(kind, 4.0)  # offsets into the passage; words and their tags
    per_instance = 12.0 * amount.segments + 24.0
    records = 0.0 if kind in (*RAW_TEXT, "translation_lm", "simcse") else RECORD.get(kind, 70.0) * amount.rows
    return amount.instances * (per_token * amount.tokens + per_instance) + records


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
    return lines * PREDICTION.get(kind, 110.0)


def evaluated(rows: float) -> float:
    """Scores and one compressed row an example."""
    return 6000.0 + 12.0 * rows
