"""From an experiment to scores, in this process, on a world small enough to take seconds."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from random import Random
from typing import Any

import pyarrow.parquet as pq
import pytest
from safetensors.torch import load_file

from stages.tiny_experiment import LANGUAGES, TARGETS, run, run_all, scores, tiny_experiment
from xstilts.backbones.load import save_backbone
from xstilts.core.errors import StoreError
from xstilts.core.files import read_json
from xstilts.expand import Expansion
from xstilts.graph.environment import remarks
from xstilts.graph.events import Failed
from xstilts.graph.job import Job
from xstilts.graph.record import Record
from xstilts.graph.stage import graph
from xstilts.graph.store import Store
from xstilts.microworld.world import TINY, write_world
from xstilts.session.about import leaks_found
from xstilts.stages import run as runner
from xstilts.stages.models import open_backbone


@pytest.fixture(scope="module")
def expansion(tiny_world: Path) -> Expansion:
    return Expansion(tiny_experiment(), tiny_world)


@pytest.fixture(scope="module")
def store(expansion: Expansion, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    events = run_all(expansion, folder)
    assert len(events["Done"]) == len(graph(expansion.stages()))
    return folder


def test_every_cell_has_scores_in_every_language(expansion: Expansion, store: Path) -> None:
    cells = {(cell.recipe, cell.task, cell.role) for cell in expansion.cells}
    assert cells == {
        *(("[]", task, "target") for task in TARGETS),
        *(("[micro_nli]", task, "target") for task in TARGETS),
        ("[micro_nli]", "micro_nli", "intermediate"),
    }
    for cell in expansion.cells:
        rows = scores(store, cell.stage)
        languages = LANGUAGES if cell.task != "micro_retrieval" else LANGUAGES[1:]
        if cell.role == "intermediate":
            languages = ("en",)
        assert {row["language"] for row in rows if row["main"]} == set(languages)
        for row in rows:
            assert 0 <= row["value"] <= 100
            assert row["n"] == (
                TINY.retrieval if cell.task == "micro_retrieval" else 10 if cell.role != "target" else 20
            )
            assert f"{cell.task} | {row['language']} | " in row["signature"]


def test_values_of_examples_add_up_to_the_scores(expansion: Expansion, store: Path) -> None:
    for cell in expansion.cells:
        table = pq.read_table(Store(store).directory(cell.stage) / "examples.parquet").to_pylist()
        for score in (row for row in scores(store, cell.stage) if row["main"]):
            own = [r for r in table if (r["language"], r["metric"]) == (score["language"], score["metric"])]
            assert len(own) == score["n"]
            total = sum(r["denominator"] for r in own)
            if score["metric"] != "f1" or cell.task == "micro_qa":
                assert 100 * sum(r["numerator"] for r in own) / total == pytest.approx(score["value"], abs=1e-4)


def test_running_again_computes_nothing(expansion: Expansion, store: Path) -> None:
    events = run_all(expansion, store)
    assert len(events["Cached"]) == len(graph(expansion.stages()))
    assert events["Done"] == []


def test_more_recipes_compute_only_what_is_new(tiny_world: Path, expansion: Expansion, store: Path) -> None:
    more = Expansion(
        tiny_experiment(recipes=[[], ["micro_nli"], ["micro_nli", "micro_qa"]], targets=TARGETS[:1]), tiny_world
    )
    known = {stage.key for stage in graph(expansion.stages())}
    events = run_all(more, store)
    assert {event.stage.key for event in events["Done"]} == {s.key for s in graph(more.stages())} - known  # type: ignore[union-attr]
    kinds = Counter(event.stage.kind for event in events["Done"])  # type: ignore[union-attr]
    # micro_qa after micro_nli was trained already, as a target
    assert kinds == {"prepare": 1, "train": 1, "predict": 2, "evaluate": 2}


def test_trained_models_open_in_transformers_and_say_what_became_of_heads(
    expansion: Expansion, store: Path, tmp_path: Path
) -> None:
    from transformers import AutoModel, AutoTokenizer

    trained = [stage for stage in graph(expansion.stages()) if stage.kind == "train"]
    directory = Store(store).directory(trained[0])
    save_backbone(open_backbone(directory), tmp_path)
    assert AutoModel.from_pretrained(tmp_path).config.hidden_size == 16
    assert len(AutoTokenizer.from_pretrained(tmp_path)) == 400
    heads = read_json(directory / "about.json")["heads"]
    assert len(heads["fresh"]) == 1
    assert heads["loaded"] == []


def test_stages_say_with_what_they_were_computed(expansion: Expansion, store: Path) -> None:
    records = Store(store).records(graph(expansion.stages()))
    told = {record.kind: set(record.environment) for record in records}
    libraries = {"python", "torch", "transformers", "tokenizers", "numpy"}
    assert told == {
        "tokenizer": libraries,
        "start": libraries,
        "prepare": libraries,
        "train": {*libraries, "device", "processor"},
        "predict": {*libraries, "device", "processor"},
        "evaluate": {"python"},
    }
    trained = next(record.environment for record in records if record.kind == "train")
    assert (trained["torch"], trained["device"]) == (version("torch"), "cpu")
    assert remarks(records) == []


def test_flipped_bits_in_start_weights_are_not_trained_on(expansion: Expansion, store: Path, tmp_path: Path) -> None:
    """They were, without a word."""
    train = next(stage for stage in graph(expansion.stages()) if stage.kind == "train")
    for stage in graph([train])[:-1]:
        shutil.copytree(Store(store).directory(stage), Store(tmp_path).directory(stage))
    start = train.inputs["model"]
    path = Store(tmp_path).directory(start) / "backbone" / "model.safetensors"
    data = path.read_bytes()
    path.write_bytes(data[:-2] + bytes([data[-2] ^ 1]) + data[-1:])
    assert {event.stage for event in run([train], tmp_path)["Done"]} == {start, train}
    ours, theirs = (Store(at).directory(train) / "trained.safetensors" for at in (tmp_path, store))
    assert ours.read_bytes() == theirs.read_bytes()


def test_every_flipped_bit_and_every_cut_is_noticed(store: Path) -> None:
    """Of every kind of file. `log.txt` has no checksum: only people read it."""
    random, tried = Random(3), Counter[str]()
    for record in Store(store).stages():
        for path in filter(Path.is_file, record.directory.rglob("*")):
            if path.name == "log.txt" or tried[path.suffix or path.name] > 60:
                continue
            whole = path.read_bytes()
            for bit in random.sample(range(8 * len(whole)), min(8 * len(whole), 6)):
                flipped = bytearray(whole)
                flipped[bit // 8] ^= 1 << bit % 8
                path.write_bytes(flipped)
                with pytest.raises(StoreError, match=f"{record.key} is damaged"):
                    Record.read(record.directory).sound()
            for length in {0, len(whole) // 2, len(whole) - 1}:
                path.write_bytes(whole[:length])
                with pytest.raises(StoreError, match=f"{record.key} is damaged"):
                    Record.read(record.directory).sound()
            path.write_bytes(whole)
            tried[path.suffix or path.name] += 9
            Record.read(record.directory).sound()
    assert {"DONE", ".json", ".jsonl", ".npy", ".safetensors", ".parquet"} <= set(tried)
    assert sum(tried.values()) > 300


def test_no_stage_writes_a_pickle(store: Path) -> None:
    suffixes = {path.suffix for path in store.rglob("*") if path.is_file()}
    assert suffixes <= {".json", ".jsonl", ".npy", ".safetensors", ".parquet", ".txt", ""}


def test_a_killed_train_stage_is_resumed(
    expansion: Expansion, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after its first checkpoint, it goes on from there and gives the weights it would have given."""
    train = next(stage for stage in graph(expansion.stages()) if stage.kind == "train")
    for stage in graph([train])[:-1]:
        source, target = Store(store).directory(stage), Store(tmp_path).directory(stage)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(source)
    honest = runner.run_stage
    steps: list[float] = []

    def killed(job: Job) -> None:
        def note(data: dict[str, Any]) -> None:
            if "fraction" in data:
                steps.append(data["fraction"])
            if len(steps) == 2 and "fraction" in data:
                raise KeyboardInterrupt
            job.report(data)

        honest(replace(job, report=note))

    patience = {"checkpoint_seconds": 1e-9, "log_every": 1}
    with pytest.raises(KeyboardInterrupt):
        run([train], tmp_path, runner=killed, **patience)
    assert not Store(tmp_path).has(train)
    assert (Store(tmp_path).partial(train) / "checkpoint" / "step.json").exists()
    assert len(run([train], tmp_path, runner=killed, **patience)["Done"]) == 1
    assert steps == [0.5, 1.0, 1.0]
    for name in ("heads.safetensors", "trained.safetensors"):
        one, other = (load_file(Store(place).directory(train) / name) for place in (store, tmp_path))
        assert all(one[key].equal(other[key]) for key in one)


def test_a_world_stage_writes_the_world_and_an_experiment_on_worlds_uses_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import xstilts.microworld

    sizes: list[int] = []

    def write(directory: Path, seed: int) -> None:
        sizes.append(seed)
        write_world(directory, seed, TINY)

    monkeypatch.setattr(xstilts.microworld, "write_world", write)
    experiment = tiny_experiment(
        worlds=[5, 6], seeds=[1, 2], recipes=[[]], targets=["micro_topic", "micro_retrieval"], languages=["en", "qaa"]
    )
    expansion = Expansion(experiment, None)
    run_all(expansion, tmp_path)
    assert sorted(sizes) == [5, 6]
    for cell in expansion.cells:
        assert {row["language"] for row in scores(tmp_path, cell.stage)} <= {"en", "qaa"}


def test_pretraining_and_its_controls_run(tiny_world: Path, tmp_path: Path) -> None:
    from stages.tiny_experiment import BACKBONE

    phase = {"tasks": [{"task": "micro_text", "languages": ["all"]}], "train": {"steps": 4}}
    spec = {**BACKBONE, "pretrain": [phase], "controls": {"random": "auto", "english": "auto"}, "english_share": 0.5}
    mixed = {"tasks": ["micro_topic", {"task": "micro_text", "languages": ["en", "qaa"], "rate": 0.5}]}
    experiment = tiny_experiment(backbones=[spec], recipes=[[], [mixed]], targets=["micro_topic"])
    expansion = Expansion(experiment, tiny_world)
    run_all(expansion, tmp_path)
    cells = [(cell.backbone, cell.recipe, cell.role) for cell in expansion.cells]
    assert cells == [
        ("tiny", "[]", "target"),
        ("tiny", "[{micro_topic, micro_text}]", "intermediate"),
        ("tiny", "[{micro_topic, micro_text}]", "target"),
        ("tiny (random encoder)", "[]", "target"),
        ("tiny (English-only pretraining)", "[]", "target"),
    ]
    assert expansion.controls == {
        "tiny (random encoder)": "random",
        "tiny (English-only pretraining)": "english",
    }
    steps = {
        stage.config["train"]["steps"]
        for stage in graph(expansion.stages())
        if stage.kind == "train" and stage.config["components"][0]["task"] == "micro_text"
    }
    assert steps == {4, 2}


def test_a_pretrained_folder_serves_as_backbone_with_a_random_control(
    tiny_world: Path, expansion: Expansion, store: Path, tmp_path: Path
) -> None:
    start = next(stage for stage in graph(expansion.stages()) if stage.kind == "start")
    folder = Store(store).directory(start) / "backbone"
    spec = {"name": "mine", "source": str(folder), "controls": {"random": "auto"}}
    own = Expansion(
        tiny_experiment(backbones=[spec], recipes=[[]], targets=["micro_topic", "micro_retrieval"]), tiny_world
    )
    run_all(own, tmp_path)
    retrieval = {cell.backbone: cell.stage for cell in own.cells if cell.task == "micro_retrieval"}
    theirs = next(cell.stage for cell in expansion.cells if cell.task == "micro_retrieval")
    assert [row["value"] for row in scores(tmp_path, retrieval["mine"])] == [
        row["value"] for row in scores(store, theirs)
    ]
    assert len(retrieval) == 2


def test_an_own_task_runs_on_its_own_files(tiny_world: Path, tmp_path: Path) -> None:
    own = {
        "like": "micro_topic",
        "files": {"train": ["topic/{language}/train.tsv"], "test": ["topic/{language}/test.tsv"]},
        "languages": ["en", "qab"],
        "holdout": 6,
        "max_length": 32,
    }
    experiment = tiny_experiment(tasks={"mine": own}, recipes=[[], ["mine"]], targets=["mine"])
    expansion = Expansion(experiment, tiny_world)
    run_all(expansion, tmp_path)
    intermediate, target = (next(c for c in expansion.cells if c.role == r) for r in ("intermediate", "target"))
    assert {row["n"] for row in scores(tmp_path, intermediate.stage)} == {6}
    assert {row["language"] for row in scores(tmp_path, target.stage)} == {"en", "qab"}


def test_what_a_user_can_mend_fails_in_one_line_and_the_rest_goes_on(tiny_world: Path, tmp_path: Path) -> None:
    broken = tmp_path / "world"
    write_world(broken, 5, TINY)
    path = broken / "choice" / "train-en.jsonl"
    path.write_text("{\n" + path.read_text())
    expansion = Expansion(tiny_experiment(recipes=[[]], targets=["micro_choice", "micro_topic"]), broken)
    events = run(expansion.stages(), tmp_path / "store")
    (failed,) = events["Failed"]
    assert isinstance(failed, Failed)
    assert "train-en.jsonl:1: not JSON" in failed.error
    assert failed.log is None
    assert {event.stage.kind for event in events["Skipped"]} == {"train", "predict", "evaluate"}  # type: ignore[union-attr]
    assert scores(tmp_path / "store", next(c.stage for c in expansion.cells if c.task == "micro_topic"))


def test_withheld_gold_is_refused_before_anything_is_trained(tiny_world: Path, tmp_path: Path) -> None:
    broken = tmp_path / "world"
    write_world(broken, 5, TINY)
    for path in (broken / "choice").glob("test-*.jsonl"):
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        path.write_text("".join(json.dumps({k: v for k, v in row.items() if k != "label"}) + "\n" for row in rows))
    expansion = Expansion(tiny_experiment(recipes=[[]], targets=["micro_choice"]), broken)
    events = run(expansion.stages(), tmp_path / "store")
    errors = [event.error for event in events["Failed"] if isinstance(event, Failed)]
    assert len(errors) == 1
    assert "has no gold" in errors[0] or "label" in errors[0]


def test_leaks_between_training_and_test_data_are_found_and_reported(tmp_path: Path) -> None:
    root, store = tmp_path / "data", tmp_path / "store"
    write_world(root, 5, TINY)
    experiment = tiny_experiment(recipes=[[], ["micro_nli"]], targets=["micro_nli", "micro_retrieval"])
    clean = Expansion(experiment, root)
    checks = {(one.config["train"]["task"], one.config["test"]["task"]): one for one in clean.checks()}
    assert set(checks) == {("micro_nli", "micro_nli"), ("micro_nli", "micro_retrieval")}
    run(checks.values(), store)
    (none,) = leaks_found(clean.checks(), Store(store))
    assert none.startswith("No leak was found in 2 of 2 pairs of training and test data. Raw text")
    shutil.copy(root / "nli" / "test-en.tsv", root / "nli" / "train-en.tsv")
    leaky = Expansion(experiment, root)
    run(leaky.checks(), store)
    first, last = leaks_found(leaky.checks(), Store(store))
    assert first.startswith(
        "Leak: 14 of the 14 test examples of micro_nli with a long enough text (100.0%) share thirteen words"
    )
    assert last.startswith("No leak was found in 1 of 2")
