"""`--set` and `--limit` replace values of a file, also in keys and the report; wrong ones are one-line errors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stages.tiny_experiment import tiny_experiment
from xstilts.core.errors import ConfigError
from xstilts.expand import Expansion
from xstilts.experiment import Experiment
from xstilts.graph.stage import graph
from xstilts.session.loading import load

FILE = """\
name: own
title: Mine
backbones:
  - name: tiny
    architecture: xlm-roberta
    config: {hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 24,
             max_position_embeddings: 400}
    tokenizer: {tasks: [texts], languages: [en], vocabulary: 200, characters: 5000}
seeds: [1]
recipes: [[]]
targets: [mine]
tasks:
  texts: {type: masked_lm, files: {train: train.csv}, columns: {text: text}, languages: [en]}
  mine: {type: classification, files: {train: train.csv, test: "{language}.csv"}, languages: [en, de], holdout: 10}
train: {epochs: 1, batch_size: 4}
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    rows = [f"some words of number {i},{'ab'[i % 2]}" for i in range(60)]
    (tmp_path / "own.yaml").write_text(FILE)
    (tmp_path / "train.csv").write_text("\n".join(["text,label", *rows, ""]))
    for code in ("en", "de"):
        (tmp_path / f"{code}.csv").write_text("\n".join(["text,label", *rows[:20], ""]))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def changed(place: Path, *sets: str) -> Experiment:
    return load(place / "own.yaml", sets)


def test_values_are_replaced_in_any_depth_and_the_name_tells(place: Path) -> None:
    found = changed(place, "train.learning_rate=1e-4", "backbones.0.config.hidden_size=32", "languages=[de]", "limit=5")
    assert found.options(found.recipes[0].phases[0] if found.recipes[0].phases else _target()).learning_rate == 1e-4
    assert found.backbones[0].config["hidden_size"] == 32
    assert (found.languages, found.limit, found.title.startswith("Mine (train.learning_rate=1e-4, ")) == (
        ("de",),
        5,
        True,
    )
    assert found.name.startswith("own_train.learning_rate-1e-4_backbones.0.config.hidden_size-32_languages-de-_limit-5")
    assert changed(place, "name=other").name == "other"
    assert found.folder == place
    assert load(place / "own.yaml").name == "own"


def _target():
    from xstilts.recipes import Component, PhaseSpec

    return PhaseSpec(tasks=(Component(task="mine"),))


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("train.epoch=1", "train: unknown key 'epoch': did you mean 'epochs'?"),
        ("train.epochs=-1", "train: epochs: Input should be greater than 0 (found: -1)"),
        ("limit=many", "limit: Input should be a valid integer, unable to parse string as an integer (found: 'many')"),
        ("limits=5", "unknown key 'limits': did you mean 'limit'?"),
        ("targets=[your]", "unknown task 'your'"),
        ("targets.1.limit=5", "targets is a list of 1: give the number of an item, from 0"),
        ("targets.0.limit=5", "targets.0 is 'mine', and has no 'limit'"),
        ("train.epochs", "give a place in the file and a value, as in --set train.epochs=1"),
        (".epochs=1", "give a place in the file and a value, as in --set train.epochs=1"),
        ("languages=[de", "not YAML: "),
    ],
)
def test_mistakes_are_one_line_that_names_the_option(said: str, told: str, place: Path, typed) -> None:
    with pytest.raises(ConfigError) as caught:
        changed(place, "seeds=[2]", said)
    assert f"--set {said}: {told}" in str(caught.value)
    for verb in ("run", "check", "plan"):
        code, _, err = typed(verb, "own.yaml", "--set", said)
        assert (code, err.count("\n")) == (2, 1)
        assert err.startswith(f"error: --set {said}: {told}")
    assert sorted(path.name for path in place.iterdir()) == ["de.csv", "en.csv", "own.yaml", "train.csv"]


def test_a_limit_is_in_the_key_of_all_data_and_leaves_that_of_none_alone() -> None:
    def prepared(**more: int) -> dict[str, int]:
        stages = graph(
            Expansion(tiny_experiment(worlds=[1], targets=[{"task": "micro_topic", "limit": 7}], **more)).stages()
        )
        return {stage.key: stage.config["limit"] for stage in stages if stage.kind == "prepare"}

    whole, limited = prepared(), prepared(limit=5)
    assert prepared(limit=0) == whole
    assert set(limited.values()) == {5}
    assert set(prepared(limit=9).values()) == {9, 7}
    assert not set(limited) & set(whole)


def test_a_limited_run_stands_beside_the_whole_one_and_says_what_it_is(place: Path, typed) -> None:
    words = "only a sample of 8 examples of each split and language is read"
    code, out, _ = typed("check", "own.yaml", "--limit", 8)
    assert (code, f"note: {words}" in out) == (0, True)
    assert "2 steps of 4 examples, drawn from 8 (1 epoch)" in out
    code, out, err = typed("run", "own.yaml", "--limit", 8, "--set", "train.head_dropout=0.0", "--workers", 0)
    assert (code, f"note: {words}" in err) == (0, True)
    assert "on cpu\n" in out
    (folder,) = (place / "runs/reports").iterdir()
    assert folder.name == "own_train.head_dropout-0.0_limit-8"
    page = (folder / "report.md").read_text()
    for said in (words, "Mine (train.head\\_dropout=0.0, limit=8)", "mine: rate 0.0003"):
        assert said in page or said.replace("\\", "") in page
    assert "--set limit=8" in (folder / "index.html").read_text()
    code, out, _ = typed("status", "own.yaml", "--json")
    assert all(row["finished"] == 0 for row in json.loads(out)["stages"] if row["kind"] in ("prepare", "train"))
