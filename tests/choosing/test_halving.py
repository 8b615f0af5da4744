"""Choosing on a tiny world, from the first rung to the page; what it refuses; what it costs."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from choosing.computing import RECIPES, Computing, chosen_for, experiment, runs_for
from stages.pool_files import write_pools
from xstilts.choosing import Choice, Runs, choice_page, from_names, setting
from xstilts.choosing.halving import BASELINE, SHARES, Rung, _rung, _too_small
from xstilts.choosing.runs import CandidateRun
from xstilts.core.errors import ConfigError, UnknownName
from xstilts.core.scores import Score
from xstilts.expand import Expansion
from xstilts.graph.stage import Stage, graph
from xstilts.graph.store import Store
from xstilts.microworld.world import TINY, write_world
from xstilts.stats.table import ScoreTable


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    write_world(folder, 5, TINY)
    return folder


@pytest.fixture(scope="module")
def compute(tmp_path_factory: pytest.TempPathFactory) -> Computing:
    return Computing(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def chosen(root: Path, compute: Computing) -> Choice:
    return chosen_for("micro_topic", root, compute)


def test_every_rung_keeps_the_better_half_and_the_baseline(chosen: Choice) -> None:
    assert [rung.share for rung in chosen.rungs] == list(SHARES[: len(chosen.rungs)])
    assert len(chosen.rungs) >= 2
    for before, after in zip(chosen.rungs, chosen.rungs[1:], strict=False):
        candidates = sorted((set(before.values) - {BASELINE}), key=lambda name: -before.values[name])
        kept = set(after.values) - {BASELINE}
        assert len(kept) == (len(candidates) + 1) // 2
        assert min(before.values[name] for name in kept) >= max(
            (before.values[name] for name in candidates if name not in kept), default=0
        )
        assert BASELINE in after.values


def test_all_candidates_are_ranked_and_the_longest_run_counts_first(chosen: Choice) -> None:
    assert len(chosen.rows) == 4
    assert {row.recipe for row in chosen.rows} == {"[]", *(f"[{name}]" for (name,) in RECIPES[1:])}
    assert [row.share for row in chosen.rows] == sorted((row.share for row in chosen.rows), reverse=True)
    top = [row.value for row in chosen.rows if row.share == chosen.rungs[-1].share]
    assert top == sorted(top, key=lambda value: -(value or 0))
    for row in chosen.rows:
        assert (row.gain is None) == (row.recipe == BASELINE)
        last = next(rung for rung in reversed(chosen.rungs) if row.recipe in rung.values)
        assert (row.share, row.value) == (last.share, last.values[row.recipe])
        assert row.gain is None or row.gain.value == pytest.approx(row.value - last.values[BASELINE])
        assert not row.better
        assert (row.tokens > 0) == (row.recipe != BASELINE)


def test_costs_add_up_and_stay_within_the_budget(chosen: Choice, root: Path, compute: Computing) -> None:
    assert chosen.spent <= chosen.full
    runs = runs_for("micro_topic", root, compute)
    (baseline,) = runs.runs(1, runs.recipes[:1])
    trained = trained_in(baseline)
    assert trained.config["train"]["steps"] == 8
    cost = runs.cost([baseline.end])
    by_kind = {stage.kind: cost[stage.key] for stage in graph([baseline.end]) if stage.key in cost}
    assert by_kind["prepare"] == by_kind["evaluate"] == 0
    assert 0 < by_kind["predict"] < by_kind["train"]
    assert cost.keys().isdisjoint(stage.key for stage in graph(start.stage for start in runs.starts))
    assert chosen.spent == pytest.approx(sum(rung.cost for rung in chosen.rungs))


def test_asked_again_it_computes_nothing_and_chooses_the_same(chosen: Choice, root: Path, compute: Computing) -> None:
    before = compute.done
    again = chosen_for("micro_topic", root, compute)
    assert compute.done == before
    assert [(row.recipe, row.value) for row in again.rows] == [(row.recipe, row.value) for row in chosen.rows]
    assert (again.spent, again.full) == (chosen.spent, chosen.full)


def test_a_small_budget_ends_earlier(chosen: Choice, root: Path, compute: Computing) -> None:
    share = (chosen.rungs[0].cost + chosen.rungs[1].cost / 2) / chosen.full
    less = chosen_for("micro_topic", root, compute, budget=share)
    assert len(less.rungs) == 1
    assert less.spent <= share * less.full
    with pytest.raises(ConfigError, match=r"too small: 0.125 of the steps of 4 recipes take \d+ %; give --budget \d+%"):
        chosen_for("micro_topic", root, compute, budget=0.01)
    assert "take 345 %; more than the full grid, so train that instead" in _too_small(0.5, 3.444, 3)


def trained_in(run: CandidateRun) -> Stage:
    return run.end.inputs["predictions"].inputs["model"]


def test_the_last_rung_is_the_full_grid_s_run(root: Path, compute: Computing) -> None:
    runs = runs_for("micro_topic", root, compute)
    grid = {stage.key for stage in graph(Expansion(experiment(), root).stages())}
    assert all(trained_in(one).key in grid for one in runs.runs(1, runs.recipes))


def test_targets_that_are_not_trained_are_refused(root: Path, compute: Computing) -> None:
    with pytest.raises(ConfigError, match="micro_retrieval' is measured without fine-tuning, so no English score"):
        runs_for("micro_retrieval", root, compute)


def test_a_ranking_target_is_judged_by_the_task_it_is_trained_on(tmp_path: Path) -> None:
    asked = experiment(recipes=[[], ["micro_nli"], ["mewslix_pairs"]], targets=["lareqa"])
    ranked = chosen_for("lareqa", write_pools(tmp_path / "pools"), Computing(tmp_path / "store"), asked)
    assert ranked.judged_by == "squad_sentences validation, en"
    assert {row.recipe for row in ranked.rows} == {"[]", "[micro_nli]", "[mewslix_pairs]"}


def test_the_page_names_costs_and_doubts(chosen: Choice) -> None:
    page = choice_page(chosen, "xstilts choose x")
    assert f"Spent {chosen.spent / chosen.full:.0%}" in page
    assert "micro_topic validation, en" in page
    assert "Too short to tell" in page  # a random encoder of 16 dimensions and a few steps
    none = tuple(dataclasses.replace(row, gain=None) for row in chosen.rows)
    first = dataclasses.replace(none[0], recipe="[micro_nli]")
    assert "no candidate is clearly better" in choice_page(dataclasses.replace(chosen, rows=(first, *none[1:])), "")
    baseline = next(row for row in none if row.recipe == BASELINE)
    rest = [row for row in none if row.recipe != BASELINE]
    undecided = dataclasses.replace(chosen, rows=(baseline, *rest))
    assert "The runs are too short to tell" in choice_page(undecided, "")
    learned = tuple(dataclasses.replace(rung, learned=True) for rung in chosen.rungs)
    assert "Use none of these" in choice_page(dataclasses.replace(undecided, rungs=learned), "")
    better = dataclasses.replace(first, better=True)
    assert "Clearly better than no intermediate task" in choice_page(dataclasses.replace(chosen, rows=(better,)), "")


def test_a_candidate_may_have_an_objective_of_its_own(root: Path, compute: Computing) -> None:
    asked = experiment(recipes=[[], [{"tasks": [{"task": "micro_nli", "objective": "simcse"}]}]])
    choice = chosen_for("micro_topic", root, compute, asked)
    (candidate,) = [row for row in choice.rows if row.recipe != BASELINE]
    assert candidate.recipe == "[micro_nli:simcse]"
    assert candidate.tokens > 0


def test_candidates_are_single_tasks_but_the_targets_own() -> None:
    both = ["micro_nli", "micro_qa"]
    asked = experiment(recipes=[[], ["micro_nli"], ["micro_topic"], both, [both]])
    assert [r.label for r in setting(asked, "micro_topic", (), None).recipes] == ["[]", "[micro_nli]"]
    named = setting(asked, "micro_topic", ["micro_topic", "micro_ner"], None)
    assert [r.label for r in named.recipes] == ["[]", "[micro_topic]", "[micro_ner]"]


def test_what_cannot_be_chosen_is_refused(root: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="unknown task 'micro_topix': did you mean micro_topic"):
        setting(experiment(), "micro_topix", (), None)
    with pytest.raises(UnknownName, match="unknown task 'micro_nly'"):
        from_names("micro_topic", ["micro_nly"], "microworld:mlm")
    with pytest.raises(ConfigError, match="no recipe of one task"):
        setting(experiment(recipes=[[]]), "micro_topic", (), None)
    with pytest.raises(UnknownName, match="unknown backbone 'large'"):
        setting(experiment(), "micro_topic", (), "large")
    with pytest.raises(ConfigError, match="for training only"):
        setting(experiment(), "micro_text", (), None)
    own = {"like": "micro_topic", "files": {"train": ["topic/en/train.tsv"], "test": ["topic/{language}/test.tsv"]}}
    asked = experiment(tasks={"mine": own}, targets=["mine"])
    with pytest.raises(ConfigError, match=r"'mine' has no validation split.*`holdout`"):
        Runs(setting(asked, "mine", (), None), root, Store(tmp_path / "s"))


def test_a_choice_keeps_the_source_language_and_the_targets_own(root: Path, tmp_path: Path) -> None:
    """At the full number of steps its runs are the grid's, whatever language they are trained in."""
    own = {"like": "micro_nli", "files": {"train": ["nli/{language}.tsv"], "test": ["nli/test-{language}.tsv"]}}
    for code in ("qaa", "qab"):
        shutil.copy(root / "nli" / "train-en.tsv", root / "nli" / f"{code}.tsv")
    target = {"task": "mine", "train_languages": ["qab"]}
    given = {"tasks": {"mine": {**own, "holdout": 5}}, "source": "qaa", "targets": [target], "recipes": [[], ["mine"]]}
    runs = Runs(setting(experiment(**given), "mine", ("mine",), None), root, Store(tmp_path))
    assert runs.judged_by == "mine validation, qaa"
    trained = [trained_in(run) for run in runs.runs(1, runs.recipes)]
    assert {stage.key for stage in trained} == {stage.inputs["predictions"].inputs["model"].key for stage in runs.full}
    last = next(stage for stage in trained if stage.inputs["model"].kind == "train")
    walked = (last.inputs["model"], last)
    assert [stage.inputs["data0"].config["languages"] for stage in walked] == [["qaa"], ["qab"]]


def test_a_rung_is_learned_if_its_baseline_is_fifteen_points_above_the_majority() -> None:
    def rung(**values: float) -> Rung:
        shared: dict[str, Any] = {"split": "validation", "metric": "accuracy", "n": 10, "majority": 30.0, "seed": 1}
        scores = [Score("x", "en", value=v, recipe=f"[{n}]", backbone="b", **shared) for n, v in values.items()]
        found: Any = [SimpleNamespace(recipe=SimpleNamespace(label=score.recipe)) for score in scores]
        return _rung(0.125, found, ScoreTable.of(scores), 1.0)

    assert rung(**{"": 45.0, "a": 30.0}).learned
    assert not rung(**{"": 44.0, "a": 90.0}).learned
