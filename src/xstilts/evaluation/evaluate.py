"""From gold and predictions to scores: never loads a model, never imports torch."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from xstilts import __version__
from xstilts.core.errors import DataError
from xstilts.core.files import read_json
from xstilts.core.scores import FREE, Score
from xstilts.metrics import METRICS, Ratio
from xstilts.metrics.retrieval import protocol_layer


@dataclass(frozen=True)
class Measurement:
    """A score with what each example added to it."""

    score: Score
    ids: tuple[str, ...]
    ratio: Ratio


@dataclass(frozen=True)
class Question:
    """What is measured: one task in one language.

    Attributes:
        notes: what was chosen for the predictions, for the signature: `name=value`.
        layer: whose retrieval enters means; None: the protocol's.
        chosen_on: languages whose scores chose that layer.
    """

    task: str
    language: str
    split: str
    metric: str
    main: str
    role: str = "target"
    notes: tuple[str, ...] = ()
    layer: int | None = None
    chosen_on: tuple[str, ...] = ()


def measure(
    question: Question, golds: Sequence[Mapping[str, Any]], predictions: Sequence[Mapping[str, Any]]
) -> list[Measurement]:
    """Every value of the task's metric, for every variant among the predictions.

    Args:
        golds: objects with `id` and `gold`, in file order.
        predictions: objects with `id`, `prediction` and, where something was chosen, `variant`.

    Raises:
        DataError: gold that is withheld, an example without prediction or with two, or a prediction for no example.
    """
    metric = METRICS.get(question.metric)
    withheld = sum(row["gold"] is None for row in golds)
    if withheld:
        raise DataError(
            f"{question.task} ({question.split}, {question.language}): gold is withheld for {withheld} of {len(golds)} "
            "examples, so nothing can be scored; put the official labelled file into the data folder"
        )
    gold = [row["gold"] for row in golds]
    majority = metric.majority(gold)
    mains = (question.main, *(("exact_match",) if "exact_match" in metric.values else ()))
    ids = [row["id"] for row in golds]
    variants = _by_variant(predictions, f"{question.task} ({question.language})") or {"": {}}
    chosen = default_variant(list(variants), question.layer)
    measurements = []
    for variant, answers in variants.items():
        where = f"{question.task} ({question.language})"
        if missing := [name for name in ids if name not in answers]:
            raise DataError(f"{where}: no prediction for example '{missing[0]}'")
        if len(answers) > len(ids):
            strange = next(iter(answers.keys() - set(ids)))
            raise DataError(f"{where}: a prediction for '{strange}', which is no example with gold")
        predicted = [answers[row["id"]] for row in golds]
        values = metric.function(gold, predicted, question.language)
        if variant == FREE and question.language != "en":
            from xstilts.metrics.drift import english_shares  # reads a model of languages: only when asked

            values |= english_shares(gold, predicted, question.language)
        for name, ratio in values.items():
            score = Score(
                task=question.task,
                language=question.language,
                split=question.split,
                metric=name,
                value=ratio.value,
                n=len(golds),
                majority=majority if name == question.main else 0.0,
                seed=0,
                recipe="",
                backbone="",
                role=question.role,
                main=name in mains and variant == chosen,
                variant=variant,
                signature=signature(question, metric.script, len(golds), variant),
                chosen_on=question.language in question.chosen_on,
            )
            measurements.append(Measurement(score, tuple(ids), ratio))
    return measurements


def signature(question: Question, script: str, n: int, variant: str) -> str:
    """The protocol of a number in one line, after sacreBLEU's idea."""
    parts = [
        question.task,
        question.language,
        question.split,
        f"n={n}",
        f"metric={question.metric}",
        f"script={script}",
    ]
    if variant:
        parts.append(variant)
    notes = _reading(question) if layer_of(variant) is not None else question.notes
    return " | ".join([*parts, *notes, f"xstilts={__version__}"])


def _reading(question: Question) -> list[str]:
    """How retrieval read sentences: every choice, those of the protocol included."""
    said = dict(note.split("=", 1) for note in question.notes)
    usual = {"pooling": "mean", "special_tokens": "true", "similarity": "cosine"}
    if said.get("pooling", "mean") != "mean":
        del usual["special_tokens"]
    layer = said.pop("layer", "7/12 of the depth")
    if question.chosen_on:
        layer = f"{question.layer} chosen on {', '.join(question.chosen_on)}"
    return [f"{name}={value}" for name, value in {**usual, **said, "main layer": layer}.items()]


def layer_of(variant: str) -> int | None:
    """The layer of a variant of nearest-neighbour retrieval, `layer=7 raw` or `layer=7 centred`; else None."""
    match = re.fullmatch(r"layer=(\d+) (raw|centred)", variant)
    return int(match[1]) if match else None


def default_variant(variants: Sequence[str], layer: int | None = None) -> str:
    """The variant that enters means: for retrieval, raw states at `layer`, or else at `protocol_layer`."""
    layers = [found for variant in variants if (found := layer_of(variant)) is not None]
    if not layers:
        return variants[0]
    return f"layer={protocol_layer(max(layers)) if layer is None else layer} raw"


def best_layer(scores: Iterable[Score]) -> int:
    """The layer with the highest mean of the scores of raw states; the lowest among equals."""
    by_layer: dict[int, list[float]] = {}
    for score in scores:
        if (layer := layer_of(score.variant)) is not None and score.variant.endswith("raw"):
            by_layer.setdefault(layer, []).append(score.value)
    return max(sorted(by_layer), key=lambda layer: mean(by_layer[layer]))


def protocol_of(predictions: Path) -> tuple[tuple[str, ...], int | None]:
    """Notes and layer (see `Question`) that the predict stage in this directory left in `protocol.json`."""
    path = predictions / "protocol.json"
    said = read_json(path) if path.exists() else {"notes": [], "layer": None}
    return tuple(said["notes"]), said["layer"]


def _by_variant(predictions: Iterable[Mapping[str, Any]], where: str) -> dict[str, dict[str, Any]]:
    variants: dict[str, dict[str, Any]] = {}
    for row in predictions:
        answers = variants.setdefault(row.get("variant", ""), {})
        if row["id"] in answers:
            raise DataError(f"{where}: two predictions for example '{row['id']}'")
        answers[row["id"]] = row["prediction"]
    return variants


def write_examples(path: Path, measurements: Sequence[Measurement]) -> None:
    """Per-example values as Parquet: what the statistics resample. Only values of main metrics and variants."""
    kept = [m for m in measurements if m.score.main]
    columns: dict[str, Any] = {
        name: pa.array(
            np.repeat([getattr(m.score, name) for m in kept], [len(m.ids) for m in kept])
        ).dictionary_encode()
        for name in ("task", "language", "split", "metric", "variant")
    }
    columns["id"] = pa.array([i for m in kept for i in m.ids])
    columns["numerator"] = np.concatenate([m.ratio.numerator for m in kept])
    columns["denominator"] = np.concatenate([m.ratio.denominator for m in kept])
    pq.write_table(pa.table(columns), path)
