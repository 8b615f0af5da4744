"""An experiment as a graph: which cells there are, what they share, and what is in a key."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from stages.tiny_experiment import BACKBONE, TARGETS, tiny_experiment
from xstilts.core.errors import ConfigError, DataError, UnknownName
from xstilts.core.scores import Score
from xstilts.expand import Expansion, GridCell
from xstilts.graph.stage import Stage, graph
from xstilts.stages.resolve import resolve
from xstilts.tasks import TASKS

PRETRAINED_HERE = {
    **BACKBONE,
    "pretrain": [{"tasks": [{"task": "micro_text", "languages": ["all"]}], "train": {"steps": 9}}],
    "controls": {"random": "auto", "english": "auto"},
}


def expand(**changes: Any) -> Expansion:
    """On worlds, for which nothing must be on disk."""
    return Expansion(tiny_experiment(**{"worlds": [0], **changes}), None)


def kinds(stages: Iterable[Stage]) -> Counter[str]:
    return Counter(stage.kind for stage in graph(stages))


def trains(expansion: Expansion) -> Iterator[Stage]:
    return (stage for stage in graph(expansion.stages()) if stage.kind == "train")


def keys(expansion: Expansion) -> set[str]:
    return {stage.key for stage in graph(expansion.stages())}


def test_every_recipe_meets_every_target_and_every_seed() -> None:
    expansion = expand(seeds=[1, 2], recipes=[[], ["micro_nli"], ["micro_nli", "micro_qa"]])
    targets = Counter((c.seed, c.recipe) for c in expansion.cells if c.role == "target")
    assert targets == {
        (seed, recipe): len(TARGETS) for seed in (1, 2) for recipe in ("[]", "[micro_nli]", "[micro_nli, micro_qa]")
    }
    own = Counter((c.recipe, c.task) for c in expansion.cells if c.role == "intermediate")
    assert own == {
        ("[micro_nli]", "micro_nli"): 2,
        ("[micro_nli, micro_qa]", "micro_nli"): 2,
        ("[micro_nli, micro_qa]", "micro_qa"): 2,
    }
    assert len(expansion.cells) == 2 * (3 * len(TARGETS) + 3)


def test_phases_that_recipes_share_are_trained_once() -> None:
    recipes = [[], ["micro_nli"], ["micro_nli", "micro_topic"], [["micro_nli", "micro_topic"]]]
    expansion = expand(recipes=recipes, targets=["micro_tagging", "micro_retrieval"])
    # nli; topic after nli; both at once; tagging after each of these and after none
    assert kinds(expansion.stages())["train"] == 3 + 4
    assert kinds(expansion.stages())["start"] == 1
    assert kinds(expansion.stages())["tokenizer"] == 1
    assert len({*expansion.stages()}) == len(expansion.cells) - 1  # micro_nli's own score stands in two recipes


def test_a_target_that_is_the_intermediate_task_is_that_phase() -> None:
    expansion = expand(recipes=[[], ["micro_nli"]], targets=["micro_nli"])
    assert kinds(expansion.stages())["train"] == 2  # nli, and nli after nli


def test_seeds_share_what_no_seed_enters() -> None:
    one, two = expand(seeds=[1], recipes=[[]]), expand(seeds=[1, 2], recipes=[[]])
    first, second = kinds(one.stages()), kinds(two.stages())
    for kind in ("world", "tokenizer", "start", "prepare"):
        assert first[kind] == second[kind]
    for kind in ("train", "predict", "evaluate"):
        retrieval = 0 if kind == "train" else 1  # untrained, so the same for every seed
        assert second[kind] == 2 * first[kind] - retrieval


def test_retrieval_is_measured_without_fine_tuning() -> None:
    expansion = expand(recipes=[[], ["micro_nli"]], targets=["micro_retrieval"])
    assert [stage.config["components"][0]["task"] for stage in trains(expansion)] == ["micro_nli"]
    predicts = [stage for stage in graph(expansion.stages()) if stage.kind == "predict"]
    assert {stage.config["head"] for stage in predicts} == {"", "micro_nli"}


def test_worlds_are_taken_in_turn() -> None:
    expansion = expand(worlds=[4, 7], seeds=[1, 2, 3], recipes=[[]], targets=["micro_topic"])
    assert [replicate.world for replicate in expansion.replicates] == [4, 7, 4]
    assert kinds(expansion.stages())["world"] == 2
    assert kinds(expansion.stages())["train"] == 3


def test_controls_meet_the_baseline_alone() -> None:
    expansion = expand(backbones=[PRETRAINED_HERE])
    recipes = {
        name: {c.recipe for c in expansion.cells if c.backbone == name} for name in ("tiny", *expansion.controls)
    }
    assert recipes == {
        "tiny": {"[]", "[micro_nli]"},
        "tiny (random encoder)": {"[]"},
        "tiny (English-only pretraining)": {"[]"},
    }
    assert sorted(expansion.controls.values()) == ["english", "random"]


def test_the_english_control_differs_in_its_text_alone() -> None:
    expansion = expand(backbones=[PRETRAINED_HERE], recipes=[[]], targets=["micro_retrieval"])
    many, english = trains(expansion)
    assert many.config == english.config
    assert many.inputs["data0"].config["languages"] == list(TASKS.get("micro_text").languages)
    assert english.inputs["data0"].config["languages"] == ["en"]
    assert many.inputs["model"] == english.inputs["model"]
    half = expand(backbones=[{**PRETRAINED_HERE, "english_share": 0.5}], recipes=[[]], targets=["micro_retrieval"])
    assert [stage.config["train"]["steps"] for stage in trains(half)] == [9, 4]


def test_names_and_words_are_not_in_the_keys() -> None:
    words = {"name": "other", "title": "A title", "question": "Why?", "description": "x", "limitations": ["none"]}
    assert keys(expand()) == keys(expand(**words))
    assert keys(expand()) == keys(expand(backbones=[{**BACKBONE, "name": "renamed", "note": "small"}]))
    named = [{"phases": ["micro_nli"], "name": "NLI first"}]
    assert keys(expand()) == keys(expand(recipes=named))


def test_shorthands_are_not_in_the_keys() -> None:
    assert keys(expand(recipes=[["micro_nli"]])) == keys(expand(recipes=[[["micro_nli"]]]))
    assert keys(expand(recipes=[["micro_nli"]])) == keys(expand(recipes=[[{"tasks": [{"task": "micro_nli"}]}]]))
    train = {"steps": 2, "batch_size": 4, "learning_rate": 1e-3}
    assert keys(expand(train=train)) == keys(expand(train={}, tuning=dict.fromkeys([*TARGETS, "micro_nli"], train)))


@pytest.mark.parametrize(
    ("changes", "kept"),
    [
        ({"train": {"steps": 2, "batch_size": 4, "learning_rate": 2e-3}}, {"train": 0, "prepare": 13}),
        ({"train": {"steps": 2, "batch_size": 4, "learning_rate": 1e-3, "backend": "block_mask"}}, {"train": 0}),
        ({"seeds": [2]}, {"train": 0, "prepare": 13, "start": 1}),
        ({"worlds": [1]}, {"train": 0, "prepare": 0, "start": 0, "world": 0}),
        ({"backbones": [{**BACKBONE, "seed": 3}]}, {"train": 0, "start": 0, "prepare": 13}),
        ({"backbones": [{**BACKBONE, "config": {**BACKBONE["config"], "hidden_size": 24}}]}, {"train": 0, "start": 0}),
        ({"tuning": {"micro_qa": {"steps": 3}}}, {"train": 9, "prepare": 13}),
        ({"languages": ["en", "qaa"]}, {"train": 11, "predict": 1}),
        ({"recipes": [[{"tasks": ["micro_nli"], "train": {"clip": 0.5}}]]}, {"train": 5, "start": 1}),
        ({"recipes": [[{"tasks": [{"task": "micro_nli", "weight": 0.5}]}]]}, {"train": 5}),
    ],
    ids=lambda value: next(iter(value)),
)
def test_what_changes_a_number_changes_the_keys_of_what_it_changes(
    changes: dict[str, Any], kept: dict[str, int]
) -> None:
    before, after = expand(), expand(**changes)
    shared = keys(before) & keys(after)
    found = Counter(stage.kind for stage in graph(after.stages()) if stage.key in shared)
    assert {kind: found[kind] for kind in kept} == kept


def test_keys_follow_the_files_and_not_where_they_lie(tiny_world: Path, tmp_path: Path) -> None:
    def of(folder: Path) -> dict[str, str]:
        expansion = Expansion(tiny_experiment(recipes=[[]], targets=["micro_topic", "micro_tagging"]), folder)
        return {f"{cell.task}": cell.stage.key for cell in expansion.cells}

    copied = shutil.copytree(tiny_world, tmp_path / "elsewhere")
    assert of(tiny_world) == of(copied)
    changed = copied / "topic" / "qab" / "test.tsv"
    changed.write_text(changed.read_text().replace("\n", " \n", 2))
    assert of(copied)["micro_topic"] != of(tiny_world)["micro_topic"]
    assert of(copied)["micro_tagging"] == of(tiny_world)["micro_tagging"]


def test_only_languages_that_are_there_are_measured(tiny_world: Path, tmp_path: Path) -> None:
    copied = shutil.copytree(tiny_world, tmp_path / "fewer")
    (copied / "tagging" / "test-qab.conllu").unlink()
    expansion = Expansion(tiny_experiment(recipes=[[]], targets=["micro_tagging"]), copied)
    assert expansion.cells[0].stage.inputs["data"].config["languages"] == [
        code for code in TASKS.get("micro_tagging").languages if code != "qab"
    ]


def test_a_score_takes_its_names_from_the_cell() -> None:
    cell = expand(recipes=[[]], targets=["micro_topic"]).cells[0]
    bare = Score("micro_topic", "qaa", "test", "accuracy", 50.0, 20, 14.0, seed=0, recipe="", backbone="")
    named = cell.name(bare)
    assert (named.seed, named.backbone, named.recipe, named.role) == (1, "tiny", "[]", "target")
    assert (named.value, named.stage) == (50.0, cell.stage.key)
    assert isinstance(cell, GridCell)


def test_costly_targets_can_have_fewer_seeds() -> None:
    target = {"task": "micro_topic", "seeds": 1}
    expansion = expand(seeds=[1, 2, 3], recipes=[[]], targets=[target, "micro_tagging"])
    assert Counter(cell.task for cell in expansion.cells) == {"micro_topic": 1, "micro_tagging": 3}


def test_expanding_loads_no_model() -> None:
    code = (
        "import sys; from stages.tiny_experiment import tiny_experiment; from xstilts.expand import Expansion\n"
        "Expansion(tiny_experiment(worlds=[0]), None)\n"
        "assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr


# what can go wrong


def one_line(raised: pytest.ExceptionInfo[Exception]) -> str:
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_official_files_need_a_folder(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError,
        match=r"experiment 'tiny' reads official files of micro_nli, .*: give --data DIR or .*, or `worlds: .1.`",
    ):
        Expansion(tiny_experiment(), None)
    with pytest.raises(DataError, match="no such data folder") as raised:
        Expansion(tiny_experiment(), tmp_path / "nowhere")
    assert str(tmp_path / "nowhere") in one_line(raised)


def test_missing_test_files_are_named(tiny_world: Path) -> None:
    with pytest.raises(DataError, match="tatoeba has no test files for any language") as raised:
        Expansion(tiny_experiment(recipes=[[]], targets=["tatoeba"]), tiny_world)
    one_line(raised)
    with pytest.raises(DataError, match=r"mnli \(train, en\): no file .*; the data folder holds choice, ner") as raised:
        Expansion(tiny_experiment(recipes=[[]], targets=["xnli"]), tiny_world)
    one_line(raised)


def test_missing_training_files_are_named(tiny_world: Path, tmp_path: Path) -> None:
    copied = shutil.copytree(tiny_world, tmp_path / "fewer")
    (copied / "topic" / "en" / "train.tsv").unlink()
    with pytest.raises(DataError, match=r"micro_topic \(train, en\): no file topic/en/train.tsv") as raised:
        Expansion(tiny_experiment(recipes=[[]], targets=["micro_topic"]), copied)
    one_line(raised)


def test_languages_that_no_file_has_are_named(tiny_world: Path) -> None:
    with pytest.raises(DataError, match="micro_topic has no test files for de") as raised:
        Expansion(tiny_experiment(recipes=[[]], targets=["micro_topic"], languages=["de"]), tiny_world)
    one_line(raised)


@pytest.mark.parametrize("on_worlds", [True, False])
def test_a_task_without_training_data_cannot_be_trained_on(on_worlds: bool, tiny_world: Path) -> None:
    experiment = tiny_experiment(recipes=[["micro_retrieval"]], worlds=[0] if on_worlds else [])
    with pytest.raises((DataError, ConfigError, UnknownName), match="micro_retrieval") as raised:
        Expansion(experiment, None if on_worlds else tiny_world)
    one_line(raised)


@pytest.mark.parametrize("on_worlds", [True, False])
def test_training_languages_must_be_the_tasks(on_worlds: bool, tiny_world: Path) -> None:
    recipe = [{"tasks": [{"task": "micro_text", "languages": ["en", "de"]}]}]
    experiment = tiny_experiment(recipes=[recipe], worlds=[0] if on_worlds else [])
    with pytest.raises((DataError, UnknownName), match="'de'"):
        Expansion(experiment, None if on_worlds else tiny_world)


def test_a_corpus_without_files_cannot_be_all_languages(tmp_path: Path, tiny_world: Path) -> None:
    copied = shutil.copytree(tiny_world, tmp_path / "fewer")
    shutil.rmtree(copied / "text")
    recipe = [{"tasks": [{"task": "micro_text", "languages": ["all"]}]}]
    with pytest.raises(DataError, match="micro_text") as raised:
        Expansion(tiny_experiment(recipes=[recipe]), copied)
    one_line(raised)


def test_a_shipped_encoder_needs_a_world() -> None:
    assert resolve("some/model", None, None) == ("some/model", None)
    with pytest.raises(ConfigError, match="'microworld:mlm' needs `worlds:`"):
        resolve("microworld:mlm", None, None)


REVISION = "c23d21b0620b635a76227c604d44e43a9f0ee389"
HUB = "FacebookAI/xlm-roberta-large"


def of_backbone(**fields: Any) -> Expansion:
    return expand(backbones=[{"name": "one", **fields}], targets=["micro_topic", "micro_retrieval"])


def all_keys(expansion: Expansion) -> set[str]:
    return {stage.key for stage in expansion.stages()}


def test_a_short_name_is_the_hub_name_at_its_pinned_revision() -> None:
    short = of_backbone(source="xlm-r-large")
    assert all_keys(short) == all_keys(of_backbone(source=HUB, revision=REVISION))
    assert all_keys(short).isdisjoint(all_keys(of_backbone(source=HUB)))
    start = next(stage for stage in graph(short.stages()) if stage.kind == "start")
    assert start.config == {"hub": HUB, "revision": REVISION, "route": None}
    assert start.settings["source"] == HUB


def test_a_given_revision_wins_and_a_folder_of_that_name_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert resolve("xlm-r-large", None, None) == (HUB, REVISION)
    assert resolve("xlm-r-large", "f" * 40, None) == (HUB, "f" * 40)
    assert resolve("infoxlm-base", None, None) == ("microsoft/infoxlm-base", None)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "xlm-r-large").mkdir()
    assert resolve("xlm-r-large", None, None) == ("xlm-r-large", None)


def test_attention_is_in_the_key_of_the_start_unless_it_is_auto() -> None:
    usual = of_backbone(source="qwen3-0.6b")
    assert all_keys(usual) == all_keys(of_backbone(source="qwen3-0.6b", attention="auto"))
    other = of_backbone(source="qwen3-0.6b", attention="causal")
    assert all_keys(usual).isdisjoint(all_keys(other))
    assert {s.config.get("attention") for s in graph(other.stages()) if s.kind == "start"} == {"causal"}


def predicting(expansion: Expansion) -> dict[str, Any]:
    """What predict stages hold of retrieval, by type."""
    return {
        stage.config["type"]: stage.config.get("retrieval")
        for stage in graph(expansion.stages())
        if stage.kind == "predict"
    }


def test_pooling_is_the_checkpoints_unless_given_and_concerns_retrieval_alone() -> None:
    def asked(source: str, **retrieval: Any) -> Any:
        found = predicting(of_backbone(source=source, retrieval=retrieval))
        assert found["classification"] is None
        return found["retrieval"]

    assert asked("xlm-r-large") is None
    assert asked("me5-base") == {"layer": 12}
    assert asked("intfloat/multilingual-e5-base") == {"layer": 12}
    assert asked("labse") == {"pooling": "first", "layer": 12}
    assert asked("labse", pooling="mean") == {"layer": 12}
    assert asked("xlm-r-large", pooling="last", layer=3) == {"pooling": "last", "layer": 3}
    assert asked("xlm-r-large", pooling="mean", special_tokens=True, similarity="cosine") is None
    assert asked("xlm-r-large", special_tokens=False) == {"special_tokens": False}
    assert asked("labse", similarity="margin") == {"pooling": "first", "layer": 12, "similarity": "margin"}
    plain, pooled = (of_backbone(source="xlm-r-large", retrieval=r) for r in ({}, {"pooling": "first"}))
    shared = {cell.task for cell, other in zip(plain.cells, pooled.cells, strict=True) if cell.stage == other.stage}
    assert shared == {"micro_nli", "micro_topic"}


def test_contrastive_training_pools_as_retrieval_will() -> None:
    parts = {}
    for retrieval in ({}, {"pooling": "first", "layer": 2}, {"special_tokens": False, "similarity": "margin"}):
        expansion = expand(
            backbones=[{"name": "one", "source": "xlm-r-base", "retrieval": retrieval}],
            recipes=[[], [{"tasks": [{"task": "micro_parallel", "languages": ["qaa"]}]}]],
            targets=["micro_retrieval"],
        )
        (train,) = (stage for stage in graph(expansion.stages()) if stage.kind == "train")
        parts[str(retrieval)] = train.config["components"][0]["options"]
    assert list(parts.values()) == [{}, {"pooling": "first"}, {"special_tokens": False}]


def test_a_layer_that_is_chosen_changes_scores_and_no_prediction() -> None:
    def stages(*languages: str) -> tuple[Stage, Stage]:
        layer = {"validate_on": list(languages)}
        retrieval = {"layer": layer} if languages else {}
        made = expand(backbones=[{**BACKBONE, "retrieval": retrieval}], recipes=[[]], targets=["micro_retrieval"])
        (cell,) = made.cells
        return cell.stage, cell.stage.inputs["predictions"]

    usual, chosen, again = stages(), stages("qab", "qaa"), stages("qaa", "qab", "qaa")
    assert usual[1] == chosen[1]
    assert usual[0] != chosen[0] == again[0]
    assert "validate_on" not in usual[0].config
    assert chosen[0].config["validate_on"] == ["qaa", "qab"]


def test_the_files_of_languages_that_choose_must_be_there(tiny_world: Path, tmp_path: Path) -> None:
    backbone = {**BACKBONE, "retrieval": {"layer": {"validate_on": ["qaa", "qab"]}}}
    copied = shutil.copytree(tiny_world, tmp_path / "fewer")
    (copied / "tatoeba/tatoeba.qab-eng.qab").unlink()
    with pytest.raises(
        DataError, match="micro_retrieval has no test files for qab, which `validate_on` of its layer names"
    ):
        Expansion(tiny_experiment(backbones=[backbone], recipes=[[]], targets=["micro_retrieval"]), copied)
