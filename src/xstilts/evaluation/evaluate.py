"""Evaluation: from gold and predictions to scores and per-example values, without a model."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np

from xstilts import __version__
from xstilts.core.errors import DataError
from xstilts.core.files import read_json, read_jsonl, write_jsonl
from xstilts.core.scores import FREE, Score
from xstilts.graph import environment
from xstilts.graph.job import Job
from xstilts.graph.record import Record
from xstilts.metrics import METRICS, Ratio
from xstilts.metrics.retrieval import protocol_layer
from xstilts.metrics.span import english_shares


@dataclass(frozen=True)
class Measurement:
    """A score with what each example added to it."""

    score: Score
    ids: tuple[str, ...]
    ratio: Ratio


@dataclass(frozen=True)
class Evaluation:
    """One task in one language to evaluate.

    Attributes:
        notes: choices behind the predictions, `name=value`, for the signature.
        layer: the layer whose retrieval enters means; None: the protocol's.
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


def run_evaluate(job: Job) -> None:
    """Write `scores.jsonl` and `examples.parquet` of an evaluate stage.

    With `validate_on`, the layer of retrieval is the one with the best mean over those languages. Raises `DataError` if
    gold and predictions differ in languages or examples.
    """
    config, directory, inputs = job.config, job.directory, job.inputs
    notes, layer = protocol_of(inputs["predictions"])
    notes += environment.notes(Record.read(inputs["predictions"]).environment)
    fields = {name: config[name] for name in ("task", "split", "metric", "main", "role")}
    asked = Evaluation(**fields, language="", notes=notes, layer=layer)
    languages = Record.read(inputs["data"]).config["languages"]
    answered = [path.stem for path in (inputs["predictions"] / "predictions").glob("*.jsonl")]
    for role, found in (("data", read_json(inputs["data"] / "languages.json")), ("predictions", answered)):
        if set(found) != set(languages):
            expected, there = (", ".join(sorted(codes)) or "none" for codes in (languages, found))
            problem = f"expected the languages {expected}, found {there}: remove this folder and run again"
            raise DataError(problem, inputs[role])
    if "validate_on" in config:
        chosen_on = tuple(config["validate_on"])
        scores = [m.score for m in _measured(asked, chosen_on, inputs) if m.score.metric == asked.main]
        asked = replace(asked, layer=best_layer(scores), chosen_on=chosen_on)
    measurements = _measured(asked, languages, inputs)
    write_jsonl(directory / "scores.jsonl", (m.score.row() for m in measurements))
    write_examples(directory / "examples.parquet", measurements)


def _measured(asked: Evaluation, languages: Sequence[str], inputs: Mapping[str, Path]) -> list[Measurement]:
    measurements: list[Measurement] = []
    for language in languages:
        answers = [row for _, row in read_jsonl(inputs["predictions"] / "predictions" / f"{language}.jsonl")]
        measurements += measure(replace(asked, language=language), golds_of(inputs["data"], language), answers)
    return measurements


def golds_of(data: Path, language: str) -> list[Mapping[str, Any]]:
    """Objects with `id` and `gold` of one language of a prepare stage, in file order; a pool's candidates have none."""
    return [row for _, row in read_jsonl(data / language / "records.jsonl") if "gold" in row]


def measure(
    asked: Evaluation, golds: Sequence[Mapping[str, Any]], predictions: Sequence[Mapping[str, Any]]
) -> list[Measurement]:
    """Every value of the task's metric, for every variant among the predictions.

    Golds have `id` and `gold`; predictions `id`, `prediction` and, where something was chosen, `variant`. Raises
    `DataError` for withheld gold, an example without prediction or with two, and a prediction for no example.
    """
    metric = METRICS.get(asked.metric)
    gold = [row["gold"] for row in golds]
    if None in gold:
        bare = f"{gold.count(None)} of {len(golds)} examples have no gold, so nothing can be scored"
        problem = f"{asked.task} ({asked.split}, {asked.language}): {bare}"
        raise DataError(f"{problem}; put the official labelled file into the data folder")
    majority = {name: baseline(gold) for name, baseline in metric.baselines.items()}
    ids = [row["id"] for row in golds]
    where = f"{asked.task} ({asked.language})"
    variants = _by_variant(predictions, where) or {"": {}}
    chosen = default_variant(list(variants), asked.layer)
    measurements = []
    for variant, answers in variants.items():
        if missing := [name for name in ids if name not in answers]:
            raise DataError(f"{where}: no prediction for example '{missing[0]}'")
        if len(answers) > len(ids):
            strange = next(iter(answers.keys() - set(ids)))
            raise DataError(f"{where}: a prediction for '{strange}', which is not an example with gold")
        predicted = [answers[name] for name in ids]
        values = metric.function(gold, predicted, asked.language)
        if variant == FREE and asked.language != "en":
            values |= english_shares(gold, predicted, asked.language)
        noted = signature(asked, metric.script, len(golds), variant)
        for name, ratio in values.items():
            score = Score(
                task=asked.task, language=asked.language, split=asked.split, metric=name, value=ratio.value,
                n=len(golds), majority=majority.get(name, 0.0), seed=0, recipe="", backbone="",
                role=asked.role, main=name in majority and variant == chosen, variant=variant, signature=noted,
                chosen_on=asked.language in asked.chosen_on,
            )  # fmt: skip
            measurements.append(Measurement(score, tuple(ids), ratio))
    return measurements


def _by_variant(predictions: Iterable[Mapping[str, Any]], where: str) -> dict[str, dict[str, Any]]:
    variants: dict[str, dict[str, Any]] = {}
    for row in predictions:
        answers = variants.setdefault(row.get("variant", ""), {})
        if row["id"] in answers:
            raise DataError(f"{where}: two predictions for example '{row['id']}'")
        answers[row["id"]] = row["prediction"]
    return variants


def signature(asked: Evaluation, script: str, n: int, variant: str) -> str:
    """The protocol of a number in one line, as in sacreBLEU."""
    parts = [asked.task, asked.language, asked.split, f"n={n}", f"metric={asked.metric}", f"script={script}"]
    notes = asked.notes if layer_of(variant) is None else _reading(asked)
    return " | ".join([*parts, *([variant] if variant else []), *notes, f"xstilts={__version__}"])


def _reading(asked: Evaluation) -> list[str]:
    """The retrieval settings in full, defaults included."""
    said = dict(note.split("=", 1) for note in asked.notes)
    usual = {"pooling": "mean", "special_tokens": "true", "similarity": "cosine"}
    if said.get("pooling", "mean") != "mean":
        del usual["special_tokens"]
    layer = said.pop("layer", "7/12 of the depth")
    if asked.chosen_on:
        layer = f"{asked.layer} chosen on {', '.join(asked.chosen_on)}"
    return [f"{name}={value}" for name, value in {**usual, **said, "main layer": layer}.items()]


def layer_of(variant: str) -> int | None:
    """The layer that a variant names (`layer=7 raw`, `layer=7 centred`); else None."""
    match = re.fullmatch(r"layer=(\d+) (raw|centred)", variant)
    return int(match[1]) if match else None


def default_variant(variants: Sequence[str], layer: int | None = None) -> str:
    """The variant that enters means: of retrieval, raw states at `layer`, by default at `protocol_layer`."""
    layers = [found for variant in variants if (found := layer_of(variant)) is not None]
    if not layers:
        return variants[0]
    return f"layer={protocol_layer(max(layers)) if layer is None else layer} raw"


def best_layer(scores: Iterable[Score]) -> int:
    """The layer whose raw states have the highest mean score; the lowest layer among equals."""
    by_layer: dict[int, list[float]] = {}
    for score in scores:
        if (layer := layer_of(score.variant)) is not None and score.variant.endswith("raw"):
            by_layer.setdefault(layer, []).append(score.value)
    return max(sorted(by_layer), key=lambda layer: mean(by_layer[layer]))


def protocol_of(predictions: Path) -> tuple[tuple[str, ...], int | None]:
    """Notes and layer (see `Evaluation`) that the predict stage in this directory left in `protocol.json`."""
    path = predictions / "protocol.json"
    said = read_json(path) if path.exists() else {"notes": [], "layer": None}
    return tuple(said["notes"]), said["layer"]


def write_examples(path: Path, measurements: Sequence[Measurement]) -> None:
    """Per-example values of main metrics and variants as Parquet, for the statistics."""
    import pyarrow as pa  # scoring prediction files does not need it
    import pyarrow.parquet as pq

    kept = [m for m in measurements if m.score.main]
    counts = [len(m.ids) for m in kept]
    columns: dict[str, Any] = {
        name: pa.array(np.repeat([getattr(m.score, name) for m in kept], counts)).dictionary_encode()
        for name in ("task", "language", "split", "metric", "variant")
    }
    columns["id"] = pa.array([i for m in kept for i in m.ids])
    for name in ("numerator", "denominator"):
        columns[name] = np.concatenate([getattr(m.ratio, name) for m in kept])
    pq.write_table(pa.table(columns), path)
