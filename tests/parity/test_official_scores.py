"""Our metrics give the numbers that the official scripts gave (`record.py`), on inputs made again from their seeds."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import pytest
import synthetic
from seqeval.metrics import f1_score, precision_score, recall_score

from xstilts.evaluation.score import score_files
from xstilts.metrics import METRICS
from xstilts.metrics.retrieval import group_pairs
from xstilts.metrics.tagging import span_f1, span_f1_seqeval_1

HERE = Path(__file__).parent
RECORDS = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(HERE.glob("*.json"))}
CASES = [(name, case) for name, record in RECORDS.items() for case in record["cases"]]
# As the official evaluate_test.py expects them, languages averaged with equal weight.
MOCK_AVERAGES = {
    "pawsx": {"accuracy": 51.42857142857143},
    "xnli": {"accuracy": 30.666666666666668},
    "panx": {"f1": 57.50793650793652, "precision": 54.729166666666664, "recall": 62.750000000000014},
    "udpos": {"f1": 70.21746048354693, "precision": 71.02232625883823, "recall": 69.54982073976082},
    "bucc2018": {"f1": 55.0, "precision": 55.0, "recall": 55.0},
    "tatoeba": {"accuracy": 53.611111111111114},
    "xquad": {"exact_match": 77.27272727272727, "f1": 79.9586776859504},
    "mlqa": {"exact_match": 57.142857142857146, "f1": 81.76870748299321},
    "tydiqa": {"exact_match": 88.88888888888889, "f1": 97.22222222222223},
    "mewslix": {"map_at_20": 14.39025156130419},
}


def ours(metric: str, inputs: synthetic.Inputs, language: str) -> dict[str, float]:
    golds, predictions = inputs
    if metric == "bitext_f1":
        golds, predictions = group_pairs(golds, predictions)
    elif metric == "squad_v2":
        predictions = [guess or "" for guess in predictions]
    ratios = METRICS.get(metric).function(golds, predictions, language)
    return {name: ratio.value for name, ratio in ratios.items()}


@pytest.mark.parametrize(("metric", "case"), CASES, ids=[f"{name}-{i}" for i, (name, _) in enumerate(CASES)])
def test_our_number_is_the_recorded_official_number(metric: str, case: dict[str, Any]) -> None:
    inputs = getattr(synthetic, RECORDS[metric]["generator"])(**case["inputs"])
    values = ours(metric, inputs, case["inputs"].get("language", "en"))
    for name, expected in case["expected"].items():
        assert values[name] == pytest.approx(expected, abs=1e-9), name


def test_every_metric_with_an_official_script_has_a_record() -> None:
    same_function = {"bitext_accuracy"}  # evaluate.py scores Tatoeba with `accuracy`
    own = {"token_accuracy"}  # reported beside XTREME's F1; no official script
    installed = {"entity_f1"}  # compared with the installed seqeval on random tags (test_entity_f1.py)
    assert set(METRICS.names()) - set(RECORDS) == same_function | own | installed


def test_records_name_script_commit_and_command() -> None:
    for record in RECORDS.values():
        assert all(record[key] for key in ("script", "repository", "commit", "command", "generator"))


@pytest.mark.parametrize("kind", ["bio", "broken", "upos"])
def test_span_f1_is_that_of_the_installed_seqeval(kind: str) -> None:
    for seed in range(100, 110):
        golds, predictions = synthetic.tags(seed, 60, kind)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = [100 * score(golds, predictions) for score in (f1_score, precision_score, recall_score)]
        values = span_f1_seqeval_1(golds, predictions)
        assert [values[name].value for name in ("f1", "precision", "recall")] == pytest.approx(expected, abs=1e-9)


def test_both_versions_of_seqeval_agree_on_prefixed_tags_and_differ_on_upos() -> None:
    bio, upos = synthetic.tags(7, 200, "bio"), synthetic.tags(7, 200, "upos")
    assert span_f1(*bio)["f1"].value == span_f1_seqeval_1(*bio)["f1"].value
    assert span_f1(*upos)["f1"].value != span_f1_seqeval_1(*upos)["f1"].value


@pytest.mark.parametrize("task", MOCK_AVERAGES)
def test_mock_files_give_the_official_averages(task: str, data_dir: Path) -> None:
    folder = data_dir / "xtreme_mock_test_data"
    found: dict[str, list[float]] = {}
    for gold in sorted((folder / "labels" / task).iterdir()):
        language = gold.stem.removeprefix("test-")
        for score in score_files(task, language, gold, folder / "predictions" / task / gold.name):
            found.setdefault(score.metric, []).append(score.value)
    for metric, expected in MOCK_AVERAGES[task].items():
        assert sum(found[metric]) / len(found[metric]) == pytest.approx(expected, abs=1e-9)
