"""Evaluate stages: gold and predictions in, scores and per-example values out. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from xstilts.core.errors import DataError
from xstilts.core.files import read_json, read_jsonl, write_jsonl
from xstilts.evaluation.evaluate import Measurement, Question, best_layer, measure, protocol_of, write_examples
from xstilts.graph import environment
from xstilts.graph.record import Record


def run_evaluate(config: Mapping[str, Any], directory: Path, inputs: Mapping[str, Path]) -> None:
    """Write `scores.jsonl` and `examples.parquet`.

    Where the layer of retrieval is to be chosen (`validate_on`), it is the one that is best for these very predictions
    in the mean over those languages.

    Raises:
        DataError: gold and predictions are not of the same languages and examples.
    """
    split, metric, main, role = (config[name] for name in ("split", "metric", "main", "role"))
    notes, layer = protocol_of(inputs["predictions"])
    notes += environment.notes(Record.read(inputs["predictions"]).environment)
    question = Question(config["task"], "", split, metric, main, role, notes, layer)
    if "validate_on" in config:
        chosen_on = tuple(config["validate_on"])
        scores = [m.score for m in _measured(question, chosen_on, inputs) if m.score.metric == main]
        question = replace(question, layer=best_layer(scores), chosen_on=chosen_on)
    languages = Record.read(inputs["data"]).config["languages"]
    _check_languages(languages, inputs)
    measurements = _measured(question, languages, inputs)
    write_jsonl(directory / "scores.jsonl", (m.score.row() for m in measurements))
    write_examples(directory / "examples.parquet", measurements)


def _check_languages(languages: Sequence[str], inputs: Mapping[str, Path]) -> None:
    prepared = read_json(inputs["data"] / "languages.json")
    answered = [path.stem for path in (inputs["predictions"] / "predictions").glob("*.jsonl")]
    for found, place in ((prepared, inputs["data"]), (answered, inputs["predictions"])):
        if set(found) != set(languages):
            expected, there = (", ".join(sorted(codes)) or "none" for codes in (languages, found))
            raise DataError(
                f"expected the languages {expected}, found {there}: remove this folder and run again", place
            )


def _measured(question: Question, languages: Sequence[str], inputs: Mapping[str, Path]) -> list[Measurement]:
    """All values of some languages."""
    measurements: list[Measurement] = []
    for language in languages:
        answers = [row for _, row in read_jsonl(inputs["predictions"] / "predictions" / f"{language}.jsonl")]
        measurements += measure(replace(question, language=language), golds_of(inputs["data"], language), answers)
    return measurements


def golds_of(data: Path, language: str) -> list[Mapping[str, Any]]:
    """Objects with `id` and `gold` of a prepare stage's language, in file order."""
    records = read_jsonl(data / language / "records.jsonl")
    return [row for _, row in records if "gold" in row]  # candidates of a pool have none
