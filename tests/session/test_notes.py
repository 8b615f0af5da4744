"""What `check` notes about an experiment that can be run and may not be meant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import xstilts as xs
from stages.tiny_experiment import tiny_experiment
from xstilts.experiment.oddities import oddities

TASK = {"type": "classification", "files": {"train": "train.csv", "test": "test-{language}.csv"}, "labels": ["a", "b"]}
NLI = {"like": "mnli", "files": {"train": "train.tsv"}, "holdout": 2}

TOKENIZER = {"tasks": ["text_ud"], "languages": ["en"]}


def experiment(**changes: Any) -> xs.Experiment:
    fields = {"name": "mine", "seeds": [1], "backbones": [{"name": "tiny", "source": "xlm-r-base"}], "recipes": [[]]}
    fields |= {"targets": ["t"], "tasks": {"t": TASK}}
    return xs.Experiment(**fields | changes)


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        (
            {"recipes": [["t"]]},
            "target t is trained on t, and so is [t]: this adds epochs on the same data and does not",
        ),
        ({"train": {"steps": 2, "epochs": 1}}, "`train`: `steps` and `epochs` are both given: `epochs` is ignored"),
        ({"targets": [{"task": "t", "seeds": 5}]}, "target t: `seeds: 5`, but the experiment has 1: all are used"),
        (
            {
                "recipes": [[{"tasks": [{"task": "xnli_mt", "languages": ["de", "tr"]}]}]],
                "targets": ["xnli"],
                "holdout": 9,
            },
            "[xnli_mt] is trained on labels of xnli_mt in de, tr: its scores in these languages are not zero-shot",
        ),
        (
            {"backbones": [{"architecture": "bert", "tokenizer": TOKENIZER, "controls": {"random": "auto"}}]},
            "backbone 'bert' is a random start itself: its control `random` is the same model",
        ),
        ({"worlds": [1, 1]}, "`worlds` names a world twice"),
        (
            {"tasks": {"t": TASK, "mnli": NLI}, "targets": ["t", "xnli"]},
            "your task 'mnli' replaces the registered task of that name, also as training data of xnli",
        ),
    ],
)
def test_what_is_seldom_meant_is_noted(changes: dict[str, Any], note: str) -> None:
    assert not list(oddities(experiment()))
    assert [line[: len(note)] for line in oddities(experiment(**changes))] == [note]


def test_a_revision_of_a_folder_is_noted(tmp_path: Path) -> None:
    backbone = {"name": "tiny", "source": str(tmp_path), "revision": "abc"}
    (line,) = oddities(experiment(backbones=[backbone]))
    assert line == "backbone 'tiny': `revision` applies to models on the hub; it is ignored for a folder"


@pytest.mark.parametrize(
    ("source", "end"),
    [
        ("nobody/nothing", "hub"),
        ("xlmr-base", "hub; did you mean xlm-r-base or xlm-v-base or infoxlm-base? (`xstilts list backbones`)"),
    ],
)
def test_a_model_that_only_the_hub_may_have_is_noted(source: str, end: str, tmp_path: Path) -> None:
    files = {"train": "a,b", "test-en": "c,a"}
    for name, row in files.items():
        (tmp_path / f"{name}.csv").write_text(f"text,label\n{row}\n", encoding="utf-8")
    asked = {"backbones": [{"name": "tiny", "source": source}], "train": {"steps": 1, "select": "last"}}
    notes = xs.check(experiment(**asked).placed(tmp_path / "mine.yaml")).notices
    line = (
        f"backbone 'tiny': '{source}' is neither in `xstilts list backbones` nor a folder; a run will look for it on "
    )
    assert any(note.startswith(line) and note.endswith(end) for note in notes)


def test_a_limit_that_leaves_nothing_out_makes_no_sample(tiny_world: Path) -> None:
    for limit, sample in ((5, True), (1_000_000, False)):
        found = xs.check(tiny_experiment(limit=limit, targets=["micro_topic"]), tiny_world)
        assert any("only a sample" in note for note in found.notices) == sample


def test_languages_that_no_target_has_are_noted() -> None:
    asked = tiny_experiment(worlds=[1], targets=["micro_topic"], languages=["de", "qaa"])
    assert "no target has a test set in de, which `languages` names" in xs.check(asked).notices
