"""Chosen weights, swept learning rates and oracles from an experiment to its scores and flags."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stages.tiny_experiment import run_all, tiny_experiment
from xstilts.core.files import read_json, read_jsonl
from xstilts.expand import Expansion
from xstilts.export.finished import Finished
from xstilts.graph.stage import Stage, graph
from xstilts.graph.store import Store
from xstilts.reports.analysis import analyse
from xstilts.reports.findings import findings, methods
from xstilts.session.about import describe
from xstilts.session.grid import Grid
from xstilts.session.results import collect
from xstilts.stages.models import chain
from xstilts.stats.flags import told

RATES = [1e-9, 1e-2]
TRAIN: dict[str, Any] = {"steps": 6, "batch_size": 4, "learning_rate": RATES, "checkpoints": 2, "subset": 7}


@pytest.fixture(scope="module")
def expansion(tiny_world: Path) -> Expansion:
    oracle = {"task": "micro_topic", "train": {"select": "oracle", "learning_rate": 1e-3}}
    adapted = {"tasks": ["micro_nli"], "train": {"lora": {"rank": 2}}}
    targets = [oracle, "micro_tagging", "micro_retrieval"]
    return Expansion(tiny_experiment(train=TRAIN, recipes=[[], [adapted]], targets=targets), tiny_world)


@pytest.fixture(scope="module")
def store(expansion: Expansion, tmp_path_factory: pytest.TempPathFactory) -> Store:
    folder = tmp_path_factory.mktemp("store")
    run_all(expansion, folder)
    return Store(folder)


def choices(expansion: Expansion) -> list[Stage]:
    return [stage for stage in graph(expansion.stages()) if stage.kind == "choose"]


def test_the_best_rate_is_taken_with_all_its_files(expansion: Expansion, store: Store) -> None:
    assert len(choices(expansion)) == 3  # micro_nli; micro_tagging after nothing and after it
    for choice in choices(expansion):
        runs = [store.directory(choice.inputs[f"run{i}"]) for i in range(2)]
        values = [read_json(run / "summary.json")["selection"]["value"] for run in runs]
        best = values.index(max(values))
        said = read_json(store.directory(choice) / "summary.json")
        assert said["sweep"]["learning_rate"] == RATES[best]
        assert [(row["learning_rate"], row["value"]) for row in said["sweep"]["runs"]] == list(
            zip(RATES, values, strict=True)
        )
        assert said["selection"]["value"] == max(values)
        made = {
            path.relative_to(store.directory(choice)) for path in store.directory(choice).rglob("*") if path.is_file()
        }
        assert made == {path.relative_to(runs[best]) for path in runs[best].rglob("*") if path.is_file()}
        for name in made - {Path("stage.json"), Path("summary.json"), Path("DONE"), Path("pointer.json")}:
            assert (store.directory(choice) / name).samefile(runs[best] / name), name


def test_a_choice_of_adapters_points_to_what_they_adapt(expansion: Expansion, store: Store) -> None:
    adapted = next(choice for choice in choices(expansion) if "lora" in choice.config["train"])
    folder = store.directory(adapted)
    assert (chain(folder)[0] / "backbone" / "config.json").is_file()


def test_a_chosen_model_is_found_with_the_way_it_walked(expansion: Expansion, store: Store) -> None:
    cell = next(cell for cell in expansion.cells if cell.task == "micro_tagging" and cell.recipe == "[micro_nli]")
    found = Finished.find(store, cell.stage.key)
    assert [record.kind for record in found.walk] == ["start", "choose", "choose"]
    assert found.head(None).task == "micro_tagging"
    assert found.training_data(found.head(None)) is not None


def test_scores_say_by_what_their_weights_were_chosen(expansion: Expansion, store: Store) -> None:
    for cell in expansion.cells:
        rows = [row for _, row in read_jsonl(store.directory(cell.stage) / "scores.jsonl")]
        chosen = {"micro_topic": "checkpoint=oracle", "micro_retrieval": ""}.get(cell.task, "checkpoint=validation")
        if cell.task == "micro_retrieval" and cell.recipe != "[]":
            chosen = "checkpoint=validation"
        for row in rows:
            assert [part for part in row["signature"].split(" | ") if "checkpoint" in part] == [chosen] * bool(chosen)


def test_oracles_are_flagged_and_reports_say_so(expansion: Expansion, store: Store) -> None:
    table = collect(expansion.cells, store)
    flagged = told(table, "oracle")
    assert [(flag.run.recipe, flag.task, flag.seeds) for flag in flagged] == [
        ("[]", "micro_topic", (1,)),
        ("[micro_nli]", "micro_topic", (1,)),
    ]
    assert flagged[0].text == "micro_topic chosen on its languages (oracle)"
    analysis = analyse(table, describe(Grid.of(expansion.experiment, expansion.roots), table, "xstilts run", store))
    assert any("Weights for micro_topic were chosen on validation data" in line for line in findings(analysis))
    said = methods(analysis)[-1]
    assert (
        "micro_topic: the best on validation data of the target's own languages, an oracle (at most 7 examples)" in said
    )
    assert "the best of the learning rates 1e-09, 0.01 on" in said
