"""Evaluate stages: gold and predictions in, scores and per-example values out. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xstilts.core.files import read_json, read_jsonl, write_jsonl
from xstilts.evaluation.evaluate import Measurement, Question, measure, protocol_of, write_examples


def run_evaluate(config: Mapping[str, Any], directory: Path, inputs: Mapping[str, Path]) -> None:
    """Write `scores.jsonl` and `examples.parquet`."""
    measurements: list[Measurement] = []
    notes, layer = protocol_of(inputs["predictions"])
    for language in read_json(inputs["data"] / "languages.json"):
        split, metric, main, role = (config[name] for name in ("split", "metric", "main", "role"))
        question = Question(config["task"], language, split, metric, main, role, notes, layer)
        records = read_jsonl(inputs["data"] / language / "records.jsonl")
        golds = [row for _, row in records if "gold" in row]  # candidates of a pool have none
        answers = [row for _, row in read_jsonl(inputs["predictions"] / "predictions" / f"{language}.jsonl")]
        measurements += measure(question, golds, answers)
    write_jsonl(directory / "scores.jsonl", (m.score.row() for m in measurements))
    write_examples(directory / "examples.parquet", measurements)
