"""Extractive question answering: python -m benchmarks.hf.span_qa --model M --train_file F --max_length 384 ...

The passage in overlapping windows; the answer is the best span of all windows, of at most 30 tokens.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
from transformers import AutoModelForQuestionAnswering, DataCollatorWithPadding

from benchmarks.hf.common import Row, start

MAX_ANSWER, N_BEST = 30, 20


def main() -> None:
    script = start()
    model, rows, given = script.model(AutoModelForQuestionAnswering), script.rows, script.given
    coded = script.tokenizer(
        [row["question"].strip() for row in rows],
        [row["passage"] for row in rows],
        truncation="only_second",
        max_length=given.max_length,
        stride=given.doc_stride,
        padding=given.padding,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )
    owners = coded.pop("overflow_to_sample_mapping")
    spans = [_spans(coded, i) for i in range(len(owners))]
    coded.pop("offset_mapping")
    features: list[Row] = [{name: coded[name][i] for name in coded} for i in range(len(owners))]
    if given.train_file:
        for feature, owner, span in zip(features, owners, spans, strict=True):
            feature["start_positions"], feature["end_positions"] = _gold(rows[owner], span)

    def decode(logits: Any) -> list[str]:
        found: dict[int, list[tuple[float, int, int]]] = defaultdict(list)
        for owner, span, start_logits, end_logits in zip(owners, spans, *logits, strict=True):
            found[owner].append(_best(span, start_logits, end_logits))
        best = [max(found[i]) for i in range(len(rows))]
        return [row["passage"][begin:end].strip() for row, (_, begin, end) in zip(rows, best, strict=True)]

    script.carry_out(model, features, DataCollatorWithPadding(script.tokenizer), decode)


def _spans(coded: Any, i: int) -> np.ndarray:
    """Code points of each token of a window, [tokens, 2]; -1 outside the passage."""
    offsets = np.array(coded["offset_mapping"][i])
    offsets[[part != 1 for part in coded.sequence_ids(i)]] = -1
    return offsets


def _gold(row: Row, span: np.ndarray) -> tuple[int, int]:
    """First and last token of the first answer; the first token of the window twice where it is not inside."""
    if not row["answers"]:
        return 0, 0
    answer = row["answers"][0]
    begin, end = answer["start"], answer["start"] + len(answer["text"])
    inside = span[:, 0] >= 0
    touching = np.flatnonzero(inside & (span[:, 1] > begin) & (span[:, 0] < end))
    whole = inside.any() and span[inside][0, 0] <= begin and span[inside][-1, 1] >= end
    return (int(touching[0]), int(touching[-1])) if whole and len(touching) else (0, 0)


def _best(span: np.ndarray, start_logits: np.ndarray, end_logits: np.ndarray) -> tuple[float, int, int]:
    """Score and code points of the best span of a window."""
    inside = np.flatnonzero(span[:, 0] >= 0)
    starts = inside[np.argsort(-start_logits[inside])[:N_BEST]]
    ends = inside[np.argsort(-end_logits[inside])[:N_BEST]]
    found = [
        (float(start_logits[i] + end_logits[j]), int(span[i, 0]), int(span[j, 1]))
        for i in starts
        for j in ends
        if i <= j < i + MAX_ANSWER
    ]
    return max(found, default=(float("-inf"), 0, 0))


if __name__ == "__main__":
    main()
