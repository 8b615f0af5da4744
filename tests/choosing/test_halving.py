"""Choosing on a tiny world, from the first rung to the page; what it refuses; what it costs."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from statistics import mean

import numpy as np
import pytest

from choosing.computing import RECIPES, Computing, chooser, experiment
from xstilts.choosing import SCORES, Budget, Choice, Chooser, choice_page, measure_worth, setting, worth_page
from xstilts.choosing.costs import Ledger
from xstilts.choosing.halving import BASELINE, SHARES
from xstilts.choosing.runs import Runs
from xstilts.choosing.setting import from_names
from xstilts.choosing.worth import FULL, LARGEST, RANDOM, Unit
from xstilts.core.errors import ConfigError, StoreError, UnknownName
from xstilts.expand import Expansion
from xstilts.experiment import Experiment
from xstilts.graph.stage import graph
from xstilts.graph.store import Store
from xstilts.microworld import TINY, write_world


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
    return chooser("micro_topic", root, compute).choose(Budget(1.0))


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
    assert [row.rank for row in chosen.rows] == [1, 2, 3, 4]
    assert {row.recipe for row in chosen.rows} == {"[]", *(f"[{name}]" for (name,) in RECIPES[1:])}
    assert [row.share for row in chosen.rows] == sorted((row.share for row in chosen.rows), reverse=True)
    top = [row.value for row in chosen.rows if row.share == chosen.rungs[-1].share]
    assert top == sorted(top, key=lambda value: -(value or 0))
    for row in chosen.rows:
        assert (row.gain is None) == (row.recipe == BASELINE)
        last = next(rung for rung in reversed(chosen.rungs) if row.recipe in rung.values)
        assert (row.share, row.value) == (last.share, last.values[row.recipe])
        assert row.gain is None or row.gain.value == pytest.approx(row.value - last.values[BASELINE])
        assert {"logme", "h_score"} <= set(row.scores)
        assert ("text" in row.scores) == ("task" in row.scores) == (row.recipe != BASELINE)


def test_costs_add_up_and_stay_within_the_budget(chosen: Choice, root: Path, compute: Computing) -> None:
    assert chosen.spent <= chosen.full
    assert sum(rung.cost for rung in chosen.rungs) < chosen.spent  # cheap scores cost too
    runs = chooser("micro_topic", root, compute).runs
    starts = [model.stage for _, model in runs.starts()]
    ledger = Ledger(runs.planner, compute.store, starts)
    (baseline,) = [one for one in runs.runs(1.0, runs.recipes[:1]) if one.target is not None]
    assert baseline.target is not None
    assert baseline.target.config["train"]["steps"] == 8
    features = np.load(compute.store.directory(baseline.target.inputs["data0"]) / "all" / "tokens.offsets.npy")
    length = np.diff(features).mean()
    assert ledger.cost([baseline.target]) == pytest.approx(3 * 8 * 4 * length)
    ledger.pay([baseline.target])
    assert ledger.cost([baseline.target]) == 0
    assert Ledger(runs.planner, compute.store, [baseline.target]).cost([baseline.target]) == 0


def test_asked_again_it_computes_nothing_and_chooses_the_same(chosen: Choice, root: Path, compute: Computing) -> None:
    before = compute.done
    again = chooser("micro_topic", root, compute).choose(Budget(1.0))
    assert compute.done == before
    assert [(row.recipe, row.value) for row in again.rows] == [(row.recipe, row.value) for row in chosen.rows]
    assert (again.spent, again.full) == (chosen.spent, chosen.full)


def test_a_small_budget_ends_earlier(chosen: Choice, root: Path, compute: Computing) -> None:
    needed = chosen.rungs[0].cost + (chosen.spent - sum(rung.cost for rung in chosen.rungs))
    share = (needed + chosen.rungs[1].cost / 2) / chosen.full
    less = chooser("micro_topic", root, compute).choose(Budget(share))
    assert len(less.rungs) == 1
    assert less.spent <= share * less.full
    with pytest.raises(ConfigError, match=r"too small: 0.125 of the steps of 4 recipes and cheap scores take \d+ %"):
        chooser("micro_topic", root, compute).choose(Budget(0.01))
    timed = chooser("micro_topic", root, compute).choose(Budget(None, 1e-6))
    assert len(timed.rungs) == 1
    assert timed.seconds > timed.rungs[0].seconds  # cheap scores count
    cheap = chosen.seconds - sum(rung.seconds for rung in chosen.rungs)
    begun = chosen.spent - sum(rung.cost for rung in chosen.rungs[1:])
    enough = (cheap + chosen.rungs[0].seconds) * (1 + chosen.rungs[1].cost / begun)
    for budget, rungs in ((0.99 * enough, 1), (1.01 * enough, 2)):
        assert len(chooser("micro_topic", root, compute).choose(Budget(None, budget)).rungs) == rungs
    assert timed.allowed is None
    assert len(chooser("micro_topic", root, compute).choose(Budget(None, 1e9)).rungs) == len(SHARES)


def test_the_last_rung_is_the_full_grid_s_run(root: Path, compute: Computing) -> None:
    runs = chooser("micro_topic", root, compute).runs
    grid = {stage.key for stage in graph(Expansion(experiment(), root).stages())}
    for one in runs.runs(1.0, runs.recipes):
        assert one.target is not None
        assert one.target.key in grid


def test_targets_that_are_not_trained_are_guessed(root: Path, compute: Computing) -> None:
    choice = dataclasses.replace(chooser("micro_retrieval", root, compute), wanted=()).choose(Budget(0.9))
    assert len(choice.rungs) == 1
    values = [row.scores["uniformity"] for row in choice.rows]
    assert values == sorted(values, reverse=True)
    assert all(row.value is None and row.gain is None for row in choice.rows)
    assert "this is a guess" in choice_page(choice, "xstilts choose")


def test_the_page_names_costs_and_doubts(chosen: Choice) -> None:
    page = choice_page(chosen, "xstilts choose x")
    assert f"Spent {chosen.spent / chosen.full:.0%}" in page
    assert f"saved {chosen.saved:.0%}" in page
    assert "micro_topic validation, en" in page
    assert "Too short to tell" in page  # a random encoder of 16 dimensions and a few steps
    none = tuple(dataclasses.replace(row, gain=None) for row in chosen.rows)
    first = dataclasses.replace(none[0], recipe="[micro_nli]")
    assert "nothing beats" in choice_page(dataclasses.replace(chosen, rows=(first, *none[1:])), "")
    baseline = next(row for row in none if row.recipe == BASELINE)
    rest = [row for row in none if row.recipe != BASELINE]
    assert "Take none of these" in choice_page(dataclasses.replace(chosen, rows=(baseline, *rest)), "")


def test_a_candidate_may_have_an_objective_of_its_own(root: Path, compute: Computing) -> None:
    asked = experiment(recipes=[[], [{"tasks": [{"task": "micro_nli", "objective": "simcse"}]}]])
    choice = chooser("micro_topic", root, compute, asked).choose(Budget(1.0))
    (candidate,) = [row for row in choice.rows if row.recipe != BASELINE]
    assert candidate.recipe == "[micro_nli:simcse]"
    assert {"text", "logme"} <= set(candidate.scores)
    assert "task" not in candidate.scores  # it leaves no head, and so no labels to take a gradient of


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
        from_names("micro_topic", ["micro_nly"], "microworld:mlm", 1)
    with pytest.raises(ConfigError, match="no recipe of one task"):
        setting(experiment(recipes=[[]]), "micro_topic", (), None)
    with pytest.raises(UnknownName, match="unknown backbone 'large'"):
        setting(experiment(), "micro_topic", (), "large")
    with pytest.raises(ConfigError, match="for training only"):
        setting(experiment(), "micro_text", (), None)
    own = {"like": "micro_topic", "files": {"train": ["topic/en/train.tsv"], "test": ["topic/{language}/test.tsv"]}}
    asked = experiment(tasks={"mine": own}, targets=["mine"])
    with pytest.raises(ConfigError, match=r"'mine' has no validation split.*`holdout: 500`"):
        Chooser(setting(asked, "mine", (), None), root, Store(tmp_path / "s"), lambda _: None)


def test_budgets() -> None:
    assert Budget.parse("0.3") == Budget.parse("30%") == Budget(0.3, None)
    assert Budget.parse("20m") == Budget(None, 1200)
    assert Budget.parse("2h") == Budget(None, 7200)


@pytest.mark.parametrize("text", ["0", "2", "", "-1h", "three", "0m", "300%"])
def test_wrong_budgets_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"give a share of the grid's cost such as 0\.3"):
        Budget.parse(text)


def test_regret_and_correlation_of_known_orders() -> None:
    truth = {"a": 3.0, "b": 1.0, "c": -1.0, "d": -2.0}
    right = {"[]": 0.5, "a": 3.0, "b": 2.0, "c": 0.0, "d": -1.0}
    wrong = {"[]": 9.0, "a": -3.0, "b": -1.0, "c": 1.0, "d": 2.0}
    unit = Unit("t", 1, truth, {FULL: right, "halving": wrong, LARGEST: dict.fromkeys(truth, 1.0)}, 0.3)
    assert unit.measures(FULL) == {"rho": 1.0, "regret@1": 0.0, "regret@3": 0.0, "with []": 0.0}
    assert unit.measures("halving") == {"rho": pytest.approx(-1.0), "regret@1": 5.0, "regret@3": 2.0, "with []": 3.0}
    assert unit.measures(LARGEST)["rho"] == 0.0
    random = unit.measures(RANDOM)
    assert random["regret@1"] == pytest.approx(3 - 0.25)
    assert random["regret@3"] == pytest.approx((0 + 0 + 0 + 2) / 4)
    assert random["with []"] == pytest.approx(3 - 1 / 5)
    assert unit.measures("text") == {}
    assert Unit("t", 1, truth, {"task": {"a": 1.0}}, 0.3).measures("task") == {}, "it says nothing of some candidates"


def prepared(asked: Experiment, root: Path, store: Store, task: str) -> set[Path]:
    """Where the data lies that a recipe's only task is trained on."""
    stages = graph(Expansion(asked, root).stages())
    trained = [s for s in stages if s.kind == "train" and [c["task"] for c in s.config["components"]] == [task]]
    return {store.directory(stage.inputs["data0"]) for stage in trained}


def test_worth_is_measured_on_a_finished_grid(root: Path, compute: Computing, chosen: Choice, tmp_path: Path) -> None:
    asked = experiment()
    compute(Expansion(asked, root).stages())
    worth = measure_worth(asked, root, (compute.store, compute.store), compute, Budget(1.0))
    methods = {line.method: line for line in worth.lines}
    assert set(methods) == {"halving", "short run", *SCORES, FULL, LARGEST, RANDOM}
    assert methods["text"].units == 2
    assert methods["logme"].units == 1
    for line in worth.lines:
        for value in line.values.values():
            assert value.low <= value.value + 1e-9
            assert value.value <= value.high + 1e-9
    assert "| halving" in worth_page(worth, "xstilts choose")
    topic, retrieval = worth.units
    assert topic.ratings["halving"] == {row.recipe: -row.rank for row in chosen.rows}
    for unit in worth.units:
        assert 0 < unit.cost <= 1
    spread = [max(unit.truth.values()) - mean(unit.truth.values()) for unit in worth.units]
    assert worth.spread.value == pytest.approx(mean(spread))
    assert retrieval.ratings.keys() == {"text", "uniformity", LARGEST}
    tokens = {}
    for name in ("nli", "ner", "tagging"):
        (data,) = prepared(asked, root, compute.store, f"micro_{name}")
        tokens[f"[micro_{name}]"] = int(np.load(data / "all" / "tokens.offsets.npy")[-1])
    assert topic.ratings[LARGEST] == tokens
    with pytest.raises(StoreError, match=r"the grid in .* is not finished"):
        measure_worth(asked, root, (compute.store, Store(tmp_path / "empty")), compute, Budget(1.0))


def test_a_choice_keeps_the_source_language_and_the_targets_own(root: Path, tmp_path: Path) -> None:
    """At the full number of steps its runs are the grid's, whatever language they are trained in."""
    own = {"like": "micro_nli", "files": {"train": ["nli/{language}.tsv"], "test": ["nli/test-{language}.tsv"]}}
    for code in ("qaa", "qab"):
        shutil.copy(root / "nli" / "train-en.tsv", root / "nli" / f"{code}.tsv")
    target = {"task": "mine", "train_languages": ["qab"]}
    given = {"tasks": {"mine": {**own, "holdout": 5}}, "source": "qaa", "targets": [target], "recipes": [[], ["mine"]]}
    runs = Runs(setting(experiment(**given), "mine", ("mine",), None), root, Store(tmp_path))
    assert runs.judged_by == "mine validation, qaa"
    assert [code for code in ("en", "qaa", "qab", "qac") if runs.zero_shot(code)] == ["en", "qac"]
    trained = [run.target for run in runs.runs(1.0, runs.recipes) if run.target is not None]
    assert {stage.key for stage in trained} == {
        stage.inputs["predictions"].inputs["model"].key for stage in runs.full()
    }
    last = next(stage for stage in trained if stage.inputs["model"].kind == "train")
    walked = (last.inputs["model"], last)
    assert [stage.inputs["data0"].config["languages"] for stage in walked] == [["qaa"], ["qab"]]
