"""How the choice of weights and learning rates becomes stages, and which keys it leaves alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from stages.tiny_experiment import BACKBONE, LANGUAGES, tiny_experiment
from xstilts.core.errors import ConfigError
from xstilts.expand import Expansion
from xstilts.graph.stage import Stage, graph
from xstilts.planning.costing import Hardware
from xstilts.planning.devices import device
from xstilts.planning.planner import Planner
from xstilts.session.loading import load
from xstilts.stages.selection import OPTIONS, in_words

OPTIONS_NOW = {"steps": 6, "batch_size": 4, "learning_rate": 1e-3}


def expand(train: Mapping[str, Any], **changes: Any) -> Expansion:
    fields = {"worlds": [0], "recipes": [[], ["micro_nli"]], "targets": ["micro_topic"], **changes}
    return Expansion(tiny_experiment(train={**OPTIONS_NOW, **train}, **fields), None)


def trains(expansion: Expansion, kind: str = "train") -> list[Stage]:
    return [stage for stage in graph(expansion.stages()) if stage.kind == kind]


def keys(expansion: Expansion) -> list[str]:
    return [cell.stage.key for cell in expansion.cells]


def test_the_last_weights_are_described_as_before_there_was_a_choice() -> None:
    for stage in trains(expand({"select": "last"})):
        assert "selection" not in stage.config
        assert not {*OPTIONS} & stage.config["train"].keys()
        assert set(stage.inputs) == {"model", "data0"}
    assert keys(expand({"select": "last", "checkpoints": 3, "average": 2, "subset": 7})) == keys(
        expand({"select": "last"})
    )


def test_weights_are_chosen_on_english_validation_unless_said_otherwise() -> None:
    for stage in trains(expand({})):
        (judge,) = stage.config["selection"]["judges"]
        assert stage.config["selection"]["by"] == "validation"
        assert judge["task"] == stage.config["components"][0]["task"]
        told = stage.inputs["dev0"].config
        assert (told["split"], told["languages"], told["limit"]) == ("validation", ["en"], 500)
    assert keys(expand({})) == keys(expand({"checkpoints": 10, "average": 3}))
    assert not {*keys(expand({}))} & {*keys(expand({"checkpoints": 5}))}
    assert not {*keys(expand({}))} & {*keys(expand({"subset": 5}))}


def test_raw_text_has_nothing_to_choose_by_and_keeps_its_last_weights() -> None:
    pretrain = [{"tasks": [{"task": "micro_text", "languages": ["all"]}], "train": {"steps": 9}}]
    backbone = {**BACKBONE, "pretrain": pretrain}
    ours, last = (expand({"select": by}, backbones=[backbone]) for by in ("validation", "last"))
    key = {trains(one)[0].key for one in (ours, last)}
    assert len(key) == 1
    mixed = expand({}, recipes=[[], [["micro_nli", "micro_text"]]])
    (found,) = [stage for stage in trains(mixed) if len(stage.config["components"]) == 2]
    assert [judge["component"] for judge in found.config["selection"]["judges"]] == [0]


def test_a_sweep_is_one_run_a_rate_and_one_choice() -> None:
    plain = expand({"select": "last"})
    swept = expand(
        {"select": "last"}, recipes=[[], [{"tasks": ["micro_nli"], "train": {"learning_rate": [1e-3, 3e-3]}}]]
    )
    assert len(trains(plain)) == 3
    (choice,) = trains(swept, "choose")
    assert len(trains(swept)) == 4
    assert [choice.inputs[f"run{i}"].config["train"]["learning_rate"] for i in range(2)] == [1e-3, 3e-3]
    assert choice.config["learning_rates"] == [1e-3, 3e-3]
    for role in ("run0", "run1"):
        assert choice.inputs[role].config["selection"]["by"] == "last"
    baselines = [[cell.stage.key for cell in one.cells if cell.recipe == "[]"] for one in (plain, swept)]
    assert baselines[0] == baselines[1]
    assert [cell.recipe for cell in plain.cells] == [cell.recipe for cell in swept.cells]


@pytest.mark.parametrize("rates", [[1e-3], [1e-3, 1e-3], [1e-3, -1.0], [], [1e-3, "fast"]])
def test_what_is_no_sweep_is_refused_with_its_place(rates: list[Any], tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="learning_rate"):
        tiny_experiment(train={**OPTIONS_NOW, "learning_rate": rates})


def test_an_oracle_is_judged_in_all_languages_of_its_target() -> None:
    target = {"task": "micro_topic", "train": {"select": "oracle"}}
    found = expand({"select": "last"}, targets=[target, "micro_tagging"])
    judged = [stage for stage in trains(found) if "selection" in stage.config]
    assert len(judged) == 2  # after [] and after [micro_nli]
    for stage in judged:
        assert stage.config["selection"]["by"] == "oracle"
        assert {*stage.inputs["dev0"].config["languages"]} == {*LANGUAGES}


def test_choices_without_anything_to_choose_by_are_named() -> None:
    with pytest.raises(ConfigError, match="`select: oracle` chooses by a target's languages"):
        expand({"select": "oracle"})
    english = {"task": "micro_topic", "languages": ["en"], "train": {"select": "oracle"}}
    with pytest.raises(ConfigError, match="needs validation data of 'micro_topic' in the languages"):
        expand({"select": "last"}, targets=[english])
    text = [{"tasks": ["micro_text"], "train": {"learning_rate": [1e-3, 2e-3]}}]
    with pytest.raises(ConfigError, match="no task has a metric to choose a learning rate by"):
        expand({"select": "last"}, recipes=[[], text])
    with pytest.raises(ConfigError, match=r"phase micro_topic: .*not the mean of their products"):
        expand({"select": "average"}, targets=[{"task": "micro_topic", "train": {"lora": {}}}], recipes=[[]])


def test_a_target_without_validation_says_what_to_do(tmp_path: Path) -> None:
    for name in ("train", "test-en", "test-qaa"):
        (tmp_path / f"{name}.csv").write_text("text,label\na,x\nb,y\n", encoding="utf-8")
    own = {
        "type": "classification",
        "files": {"train": ["train.csv"], "test": ["test-{language}.csv"]},
        "columns": {"text": "text", "label": "label"},
        "labels": ["x", "y"],
        "languages": ["en", "qaa"],
    }
    given: dict[str, Any] = {"tasks": {"mine": own}, "recipes": [[]], "targets": ["mine"], "train": OPTIONS_NOW}
    (tmp_path / "text").mkdir()
    for code in LANGUAGES:
        (tmp_path / f"text/{code}.txt").write_text("a b\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"'mine' has no validation split.*`holdout`.*select: last"):
        Expansion(tiny_experiment(**given), tmp_path)


def test_reports_say_how_weights_were_chosen() -> None:
    assert in_words(graph(expand({"select": "last"}).stages())) == ()
    sweep = [{"tasks": ["micro_nli"], "train": {"learning_rate": [1e-3, 3e-3]}}]
    said = " ".join(in_words(graph(expand({"patience": 4}, recipes=[[], sweep]).stages())))
    assert "the best on validation data of the source language (at most 500 examples), evaluated 10 times" in said
    assert "stopping after 4 without a better one" in said
    assert "micro_nli: the run with the best of the learning rates 0.001, 0.003 on" in said


def test_evaluations_and_sweeps_are_planned() -> None:
    def hours(expansion: Expansion) -> float:
        plans = Planner(None, Hardware(device("h100"))).plan(graph(expansion.stages()))
        return sum(plan.hours.usual for plan in plans if plan.kind in ("train", "choose"))

    last, ours = hours(expand({"select": "last"})), hours(expand({}))
    assert last < hours(expand({"checkpoints": 2})) < ours
    assert hours(expand({"learning_rate": [1e-3, 2e-3]})) == pytest.approx(2 * ours)


def test_experiment_files_that_came_before_the_choice_keep_their_last_weights() -> None:
    root = Path(__file__).parents[2]
    files = [path for path in root.glob("src/xstilts/studies/*.yaml") if "-full" not in path.name]
    for path in [*files, *root.glob("experiments/*.yaml")]:
        if path.name not in ("table1.yaml", "plateau.yaml"):  # labelled phases of the paper; raw text alone
            assert load(path).train["select"] == "last", path
