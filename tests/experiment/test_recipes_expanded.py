"""What recipes become: which stages are the same as if an option were not there, and what replay and `target` add."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from stages.tiny_experiment import BACKBONE, LANGUAGES, tiny_experiment
from xstilts.core.errors import ConfigError, DataError, XstiltsError
from xstilts.data.readers.types import TYPES
from xstilts.expand import Expansion
from xstilts.graph.stage import Stage
from xstilts.task_types import TASK_TYPES

TEXT = {"task": "micro_text", "languages": ["all"]}


def cells(recipe: list[Any], **changes: Any) -> dict[tuple[str, str], Stage]:
    """(role, task) -> evaluate stage of a recipe."""
    experiment = tiny_experiment(**{"worlds": [0], "recipes": [recipe], "targets": ["micro_topic"], **changes})
    label = experiment.recipes[-1].label
    return {(c.role, c.task): c.stage for c in Expansion(experiment, None).cells if c.recipe == label}


def model(stage: Stage) -> Stage:
    """What was measured."""
    return stage.inputs["predictions"].inputs["model"]


def walk(recipe: list[Any], target: str = "micro_topic", **changes: Any) -> list[Stage]:
    """The train stages on the way to a target, first to last."""
    stage = model(cells(recipe, **{"targets": [target], **changes})["target", target])
    stages = []
    while stage.kind == "train":
        stages.append(stage)
        stage = stage.inputs["model"]
    return stages[::-1]


def tasks(stage: Stage) -> list[str]:
    return [part["task"] for part in stage.config["components"]]


@pytest.mark.parametrize(
    ("same", "as_"),
    [
        ([["micro_nli"]], ["micro_nli"]),
        ([{"tasks": ["micro_nli", {**TEXT, "rate": 0}]}], ["micro_nli"]),
        ([{"tasks": ["micro_nli", {"task": "micro_qa", "rate": 0.0}]}], ["micro_nli"]),
        (["micro_qa", {"tasks": ["micro_nli"], "replay": 0}], ["micro_qa", "micro_nli"]),
        ([{"tasks": ["micro_nli"], "sampling_end": "uniform"}], ["micro_nli"]),
        (["micro_nli", ["target"]], ["micro_nli"]),
        ([["micro_nli", "micro_topic", "target"]], [["micro_nli", "target"]]),
    ],
    ids=[
        "joint of one",
        "masked LM at rate 0",
        "a task at rate 0",
        "replay 0",
        "one task annealed",
        "target at the end",
        "target by its own name too",
    ],
)
def test_an_idle_option_gives_the_very_same_stages(same: list[Any], as_: list[Any]) -> None:
    """The same keys, so bit-identical weights and scores."""
    assert {key: stage.key for key, stage in cells(same).items()} == {
        key: stage.key for key, stage in cells(as_).items()
    }


def test_replay_adds_earlier_tasks_which_keep_their_heads() -> None:
    first, second, third = walk(["micro_qa", {"tasks": ["micro_nli"], "replay": 0.2}])
    assert tasks(first) == ["micro_qa"]
    assert tasks(second) == ["micro_nli", "micro_qa"]
    assert [part.get("replayed", False) for part in second.config["components"]] == [False, True]
    assert second.config["sampling"]["replay"] == 0.2
    assert tasks(third) == ["micro_topic"]


def test_a_replayed_task_is_measured_where_it_was_learned() -> None:
    found = cells(["micro_qa", {"tasks": ["micro_nli"], "replay": 0.2}])
    assert tasks(model(found["intermediate", "micro_qa"])) == ["micro_qa"]


def test_training_with_the_target_replaces_its_own_phase() -> None:
    (joint,) = walk([["micro_nli", "target"]])
    assert tasks(joint) == ["micro_nli", "micro_topic"]
    joint, alone = walk([["micro_nli", "target"], "target"])
    assert (tasks(joint), tasks(alone)) == (["micro_nli", "micro_topic"], ["micro_topic"])


def test_retrieval_has_no_target_to_train_with() -> None:
    (joint,) = walk([["micro_nli", "target"]], "micro_retrieval")
    assert tasks(joint) == ["micro_nli"]
    assert walk(["target"], "micro_retrieval") == []


def test_an_intermediate_task_trained_with_the_target_is_measured_too() -> None:
    found = cells([["micro_nli", "target"]])
    assert set(found) == {("intermediate", "micro_nli"), ("target", "micro_topic")}


def test_annealing_is_in_the_key() -> None:
    phase = {"tasks": ["micro_nli", "micro_qa"]}
    (plain, _), (annealed, _) = walk([phase]), walk([{**phase, "sampling_end": "uniform"}])
    assert "end" not in plain.config["sampling"]
    assert annealed.config["sampling"]["end"] == {"sampling": "uniform", "temperature": 2.0}


def test_sampling_that_is_annealed_wakes_tasks_and_leaves_given_shares_otherwise() -> None:
    asleep = {"task": "micro_nli", "rate": 0.0}
    (joint, _) = walk([{"tasks": [asleep, "micro_qa"], "sampling_end": "uniform"}])
    assert [part.get("rate_end") for part in joint.config["components"]] == [None, None]
    assert tasks(joint) == ["micro_nli", "micro_qa"]
    shares = [{"task": "micro_nli", "rate": 0.0, "rate_end": 0.5}, {"task": "micro_text", "rate": 0.3}, "micro_qa"]
    (joint, _) = walk([{"tasks": shares}])
    assert [part.get("rate_end") for part in joint.config["components"]] == [0.5, 0.3, None]
    with pytest.raises(ValidationError, match="`temperature_end` is for"):
        walk([{"tasks": ["micro_nli", "micro_qa"], "temperature_end": 5}])


def test_the_target_is_named_once_or_alike() -> None:
    with pytest.raises(ConfigError, match="'micro_topic' is trained on 'micro_topic', which the phase names too"):
        walk([["micro_topic", {"task": "target", "rate": 0.5}]])
    target = {"task": "micro_topic", "train_languages": ["qaa"]}
    with pytest.raises(ConfigError, match="name it once"):
        cells([["micro_topic", "target"]], targets=[target])


def test_translations_of_the_target_are_checked_like_others() -> None:
    asked = {"task": "target", "translated_by": "nobody", "languages": ["en", "qaa"]}
    with pytest.raises(ValidationError, match="unknown translation 'nobody'"):
        walk([["micro_nli", asked]])


def test_the_english_side_of_translation_pairs_is_compared_with_english_test_data() -> None:
    parallel = {"task": "micro_parallel", "languages": ["qaa"]}
    experiment = tiny_experiment(worlds=[0], recipes=[[], [{"tasks": [parallel]}]], targets=["micro_topic"])
    checks = Expansion(experiment, None).checks()
    (check,) = [one for one in checks if one.config["train"]["task"] == "micro_parallel"]
    assert (check.config["train"]["languages"], set(check.config["test"]["languages"])) == (["qaa"], {"en", "qaa"})


def test_no_objective_trains_on_what_its_task_holds_out() -> None:
    files = {"train": ["m/{language}.tsv"], "test": ["t-{language}.tsv"]}
    given = {"tasks": {"mine": {"like": "micro_nli", "files": files, "holdout": 9}}}
    apart, target = walk([{"tasks": [{"task": "mine", "objective": "simcse"}]}], "mine", **given)
    assert [stage.inputs["data0"].config["holdout"] for stage in (apart, target)] == [9, 9]


def test_the_source_language_is_that_of_both_phases() -> None:
    def languages(stage: Stage) -> list[list[str]]:
        return [stage.inputs[f"data{i}"].config["languages"] for i in range(len(stage.config["components"]))]

    files = {"train": ["m/{language}.tsv"], "test": ["t-{language}.tsv"]}
    given = {"tasks": {"mine": {"like": "micro_nli", "files": files, "holdout": 9}}, "source": "qab"}
    nli, target = walk(["mine"], "mine", **given)
    assert languages(nli) == languages(target) == [["qab"]]
    found = cells(["mine"], targets=[{"task": "mine", "train_languages": ["qaa"]}], **given)
    assert languages(model(found["target", "mine"])) == [["qaa"]]
    assert found["intermediate", "mine"].inputs["data"].config["languages"] == ["qab"]


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ([{"tasks": ["micro_nli"], "replay": 0.1}], "those before micro_nli have no other task"),
        (["micro_nli", {"tasks": ["micro_nli"], "replay": 0.1}], "those before micro_nli have no other task"),
        ([{"tasks": ["micro_nli", "micro_qa"], "temperature": 5}], "sampling is proportional"),
        ([{"tasks": ["micro_nli", "micro_qa"], "sampling": "given"}], "needs a rate"),
        ([[{"task": "micro_nli", "rate": 0.8}, {"task": "micro_qa", "rate": 0.7}, "micro_topic"]], "at most 1"),
        ([[{"task": "micro_nli", "rate": 1.0}, "micro_qa"]], "leave no steps for 'micro_qa'"),
        ([[{"task": "micro_nli", "rate": 0.0}]], "not all 0"),
        ([{"tasks": [{"task": "micro_text", "languages": ["all", "en"]}]}], "`all` stands alone"),
        ([{"tasks": [{"task": "micro_text", "languages": ["klingon"]}]}], "unknown language .klingon."),
        ([{"tasks": ["micro_nli"], "train": {"select": "average", "patience": 3}}], "measures nothing during training"),
        ([["micro_nli", "micro_nli"]], "'micro_nli' occurs twice in one phase"),
        ([{"tasks": ["micro_nli"], "replay": 1.0}], "less than 1"),
    ],
)
def test_recipes_that_cannot_be_meant_are_refused(recipe: list[Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        tiny_experiment(recipes=[recipe])


def test_a_backbone_has_training_options_of_its_own() -> None:
    """They go over the task's, under the phase's, and leave pretraining alone."""
    text = {"tasks": [TEXT], "train": {"steps": 3}}
    plain = {**BACKBONE, "pretrain": [text]}
    backbones = [plain, {**plain, "name": "other", "train": {"learning_rate": 7e-4, "batch_size": 8}}]
    experiment = tiny_experiment(
        worlds=[0],
        backbones=backbones,
        recipes=[[{"tasks": ["micro_nli"], "train": {"batch_size": 2}}]],
        targets=["micro_topic"],
        tuning={"micro_topic": {"learning_rate": 1e-5}},
    )
    found = {}
    for cell in Expansion(experiment, None).cells:
        stage = model(cell.stage)
        while stage.kind == "train":
            train = stage.config["train"]
            found[cell.backbone, tasks(stage)[0]] = (train["learning_rate"], train["batch_size"])
            stage = stage.inputs["model"]
    assert found == {
        ("tiny", "micro_text"): (1e-3, 4),
        ("tiny", "micro_nli"): (1e-3, 2),
        ("tiny", "micro_topic"): (1e-5, 4),
        ("other", "micro_text"): (1e-3, 4),
        ("other", "micro_nli"): (7e-4, 2),
        ("other", "micro_topic"): (7e-4, 8),
    }


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        (["target", "micro_nli"], "trains on micro_nli after the target's task 'micro_topic'"),
        ([{"tasks": [{**TEXT, "options": {"rat": 0.3}}]}], "unknown option of masked_lm 'rat': did you mean rate"),
        ([{"tasks": [{**TEXT, "options": {"temperature": 0.1}}]}], "unknown option of masked_lm 'temperature'"),
        ([{"tasks": [{**TEXT, "options": {"rate": 15}}]}], "`rate` should be 0 to 1 .found: 15"),
        ([{"tasks": ["micro_nli", "target"], "replay": 0.0, "train": {"select": "oracle"}}, "micro_qa"], "oracle"),
    ],
)
def test_recipes_that_cannot_be_carried_out_are_refused_before_anything_runs(recipe: list[Any], message: str) -> None:
    with pytest.raises(XstiltsError, match=message):
        cells(recipe)


def test_options_of_components_are_those_of_their_types() -> None:
    for known in (kind for kind in TYPES if kind.options):
        fields = {one.name: one.type for one in dataclasses.fields(TASK_TYPES.get(known.name))}  # type: ignore[arg-type]
        assert {option for option, kind in fields.items() if kind in ("float", float)} == {*known.options}


def test_a_target_may_come_first_where_its_head_is_replayed() -> None:
    first, last = walk(["target", {"tasks": ["micro_nli"], "replay": 0.2}])
    assert (tasks(first), tasks(last)) == (["micro_topic"], ["micro_nli", "micro_topic"])


def test_a_replayed_task_keeps_the_head_of_the_phase_that_had_it_last() -> None:
    again = {"tasks": ["micro_tagging"], "replay": 0.2}
    one, _, three, _ = walk(["micro_qa", "micro_nli", again])
    assert tasks(three) == ["micro_tagging", "micro_qa", "micro_nli"]
    assert three.inputs["head1"] == one
    assert "head2" not in three.inputs  # it lies in the phase before
    two, three, _ = walk(["micro_qa", {"tasks": ["micro_nli"], "replay": 0.2}, again])[1:]
    assert tasks(two) == ["micro_nli", "micro_qa"]
    assert not {"head0", "head1", "head2"} & {*three.inputs}
    text, _, kept = walk(["micro_topic", {"tasks": [TEXT]}], train={"steps": 2, "select": "last", "head": "keep"})
    assert kept.inputs["head0"] == text


def test_an_oracle_judges_with_the_targets_own_head() -> None:
    (stage,) = walk([{"tasks": ["micro_qa", "target"], "train": {"select": "oracle"}}])
    (judge,) = stage.config["selection"]["judges"]
    assert (judge["component"], judge["task"]) == (1, "micro_topic")


def test_a_component_says_its_languages_over_the_targets() -> None:
    files = {"train": ["m/{language}.tsv"], "test": ["t-{language}.tsv"]}
    given = {"tasks": {"mine": {"like": "micro_nli", "files": files, "holdout": 9}}}
    targets = [{"task": "mine", "train_languages": ["qaa"]}]
    for part, languages in (("target", ["qaa"]), ({"task": "target", "languages": ["qab"]}, ["qab"])):
        stage = model(cells([{"tasks": [part]}], targets=targets, **given)["target", "mine"])
        assert stage.inputs["data0"].config["languages"] == languages


@pytest.mark.parametrize("key", ["train", "train_on", "train_languages"])
def test_what_is_not_trained_has_no_training_options(key: str) -> None:
    value = {"train": {"steps": 3}, "train_on": "micro_nli", "train_languages": ["en"]}[key]
    with pytest.raises(ValidationError, match=f"leave `{key}` out"):
        tiny_experiment(targets=[{"task": "micro_retrieval", key: value}])


def test_a_target_is_measured_in_every_language_that_it_names() -> None:
    with pytest.raises(DataError, match="has no test files for de, which `languages` of the target names"):
        cells([], targets=[{"task": "micro_topic", "languages": ["en", "qaa", "de"]}])
    pairs = cells([], targets=[{"task": "micro_retrieval", "languages": ["en", "qaa"]}])  # English is the other side
    assert pairs["target", "micro_retrieval"].inputs["data"].config["languages"] == ["qaa"]
    with pytest.raises(ValidationError, match="unknown language 'germn': did you mean de"):
        tiny_experiment(languages=["en", "germn"])


def test_the_english_control_has_its_share_of_whatever_training_is() -> None:
    text = {"tasks": [TEXT]}
    for top, of, share in (({"steps": 40}, "steps", 10), ({"epochs": 2.0}, "epochs", 0.5)):
        spec = {**BACKBONE, "pretrain": [text], "controls": {"english": "auto"}, "english_share": 0.25}
        experiment = tiny_experiment(
            worlds=[0], backbones=[spec], recipes=[[]], targets=["micro_retrieval"], train={**top, "select": "last"}
        )
        whole, control = (model(cell.stage) for cell in Expansion(experiment, None).cells)
        assert whole.config["train"][of] == next(iter(top.values()))
        assert control.config["train"][of] == share


def test_a_later_layer_that_says_epochs_takes_the_steps_away() -> None:
    (stage,) = walk(
        [], train={"steps": 500, "select": "last"}, targets=[{"task": "micro_topic", "train": {"epochs": 3}}]
    )
    assert (stage.config["train"]["steps"], stage.config["train"]["epochs"]) == (None, 3)


def test_phases_of_pretraining_replay_too() -> None:
    parallel = {"tasks": [{"task": "micro_parallel", "languages": ["all"]}], "replay": 0.3}
    spec = {**BACKBONE, "pretrain": [{"tasks": [TEXT]}, parallel]}
    second, _ = walk([], backbones=[spec])[-2:]
    assert tasks(second) == ["micro_parallel", "micro_text"]
    with pytest.raises(ValidationError, match="those before micro_text have no other task"):
        tiny_experiment(backbones=[{**BACKBONE, "pretrain": [{"tasks": [TEXT], "replay": 0.3}]}])


def test_a_vocabulary_reads_the_languages_there_are() -> None:
    def languages(*codes: str, tasks: tuple[str, ...] = ("micro_text",)) -> list[str]:
        tokenizer = {**BACKBONE["tokenizer"], "languages": codes, "tasks": tasks}  # type: ignore[dict-item]
        stage = model(cells([], backbones=[{**BACKBONE, "tokenizer": tokenizer}])["target", "micro_topic"])
        return list(stage.inputs["data0"].inputs["tokenizer"].config["trained"]["languages"])

    assert sorted(languages("all")) == sorted(LANGUAGES)
    assert languages("qab", "en") == ["qab", "en"]
    with pytest.raises(DataError, match="no text in de for a vocabulary: micro_text"):
        languages("en", "de")
    with pytest.raises(ConfigError, match="leave 'micro_domain_text' out"):
        languages("en", tasks=("micro_text", "micro_domain_text"))


def test_a_control_that_is_a_model_has_its_own_tokenizer(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "roberta"}')
    (tmp_path / "tokenizer.json").write_text("{}")
    (tmp_path / "model.safetensors").write_text("expansion reads its bytes alone")
    spec = {"name": "m", "source": "microworld:mlm", "controls": {"english": str(tmp_path)}}
    experiment = tiny_experiment(worlds=[1], backbones=[spec], recipes=[[]], targets=["micro_retrieval"])
    own, control = (cell.stage.inputs["data"].inputs["tokenizer"] for cell in Expansion(experiment, None).cells)
    assert control.label == f"tokenizer of {tmp_path.name}" != own.label
