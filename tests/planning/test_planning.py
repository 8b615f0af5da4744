"""Amounts of data, disk, what fits, and the plan of a whole experiment."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from planning.sizes import fields, shape
from stages.tiny_experiment import tiny_experiment
from training.phases import FEATURES, component, run_phase, train_stage, write_inputs
from xstilts.core.errors import BackboneError, ConfigError, UnknownName
from xstilts.core.files import read_json
from xstilts.core.machine import Machine
from xstilts.expand import Expansion
from xstilts.experiment import Experiment
from xstilts.graph.stage import Stage, graph
from xstilts.graph.store import Store
from xstilts.planning.amounts import _counted, amount, disk_of_features, lay_out, read_over
from xstilts.planning.costing import Hardware, Load, disk_of_training, head_parameters, inference, training
from xstilts.planning.counts import Tuning, counts_of, shape_of
from xstilts.planning.devices import Utilisation, device, device_called, device_hours
from xstilts.planning.planner import Planner, models_of, total
from xstilts.planning.speed import timed
from xstilts.stages.training import build_phase
from xstilts.task_types.features import Features, tokens_of
from xstilts.training.config import TrainConfig
from xstilts.training.mixture import Mixture

LARGE = shape(
    "xlm-roberta", {"hidden_size": 512, "num_hidden_layers": 6, "intermediate_size": 2048, "vocab_size": 60_000}
)
LOAD = Load(tokens=1e8, keys=60.0, longest=128, steps=1000, batch=64, precision="bf16")
GPU = Hardware(device("t4"))


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_prepared_data_is_counted_and_its_disk_is_told(tmp_path: Path) -> None:
    for task in FEATURES:
        FEATURES[task].save(tmp_path / task / "all")
        found = _counted(tmp_path / task)
        lengths = FEATURES[task].lengths
        assert (found.instances, found.total, found.longest) == (len(lengths), lengths.sum(), lengths.max())
        assert not found.estimated
    found = _counted(tmp_path / "nli")
    large = replace(found, instances=found.instances * 10_000, rows=found.rows * 10_000)  # without files' headers
    arrays = 10_000 * (_size(tmp_path / "nli") - 128 * len(list((tmp_path / "nli" / "all").glob("*.npy"))))
    assert disk_of_features("classification", large) == pytest.approx(arrays, rel=0.35)


def test_a_train_stage_takes_the_disk_of_the_rows_that_it_changes(tmp_path: Path) -> None:
    inputs = write_inputs(tmp_path, "nli", "choice", hidden_size=96, num_hidden_layers=4, intermediate_size=400)
    config = train_stage(component("nli"), component("choice"), steps=2)
    (tmp_path / "out").mkdir()
    run_phase(config, tmp_path / "out", inputs)
    written = read_json(inputs["model"] / "backbone" / "config.json")
    asked = {name: value for name, value in written.items() if value is not None}
    counts = counts_of(asked)
    heads = head_parameters("classification", 3, counts) + head_parameters("multiple_choice", 0, counts)
    rows = len(tokens_of([Features.load(inputs[f"data{i}"] / "all") for i in range(2)]))
    assert rows < counts.vocabulary / 2
    assert disk_of_training(counts, Tuning(), heads, rows) == pytest.approx(_size(tmp_path / "out"), rel=0.1)
    whole = disk_of_training(counts, Tuning(), heads, counts.vocabulary)
    assert whole == 4 * (counts.trained + heads)
    assert disk_of_training(counts, Tuning(frozen_embeddings=True), heads, rows) == pytest.approx(whole)


def test_changed_rows_are_those_of_the_data_of_all_phases(expansion: Expansion, tmp_path: Path) -> None:
    stages = graph(expansion.stages())
    last = next(s for s in stages if s.kind == "train" and s.inputs["model"].kind == "train")
    store = Store(tmp_path / "store")
    for number, stage in enumerate((last, last.inputs["model"])):
        folder = store.directory(stage.inputs["data0"]) / "all"
        folder.mkdir(parents=True)
        np.save(folder / "tokens.npy", np.array([3, 5 + number, 3]))
        (folder.parent / "DONE").touch()
    planner = Planner(store, Hardware(device("cpu")))
    assert planner._changed_rows(last, 300) == 3
    assert planner._changed_rows(last.inputs["model"], 300) == 2
    assumed = Planner(None, Hardware(device("cpu")))
    assert 300 < assumed._changed_rows(last, 250_000) < 20_000
    assert assumed._changed_rows(last, 300) == 300


def test_all_rows_are_changed_where_a_head_reads_them(tmp_path: Path) -> None:
    asked = tiny_experiment(
        worlds=[1], targets=["micro_topic"], recipes=[[], ["micro_text"], [["micro_text", "micro_nli"]]]
    )
    planner = Planner(None, Hardware(device("cpu")))
    trained = {s.label: s for s in graph(Expansion(asked, None).stages()) if s.kind == "train"}
    rows = {label.split(" @")[0].split(" > ", 1)[1]: planner._changed_rows(s, 999_999) for label, s in trained.items()}
    assert rows["micro_text"] == rows["{micro_text, micro_nli}"] == 999_999
    assert rows["micro_topic"] == rows["micro_text > micro_topic"] < 20_000


def test_tokens_of_a_mixture_are_those_of_its_plan(tmp_path: Path) -> None:
    inputs = write_inputs(tmp_path, "nli", "choice")
    config = train_stage(component("nli"), component("choice"), steps=1000)
    phase = build_phase(Mixture.of(config), inputs, TrainConfig(**config["train"]), 1)
    amounts = {name: _counted(inputs[name]) for name in ("data0", "data1")}
    planner = Planner(None, Hardware(device("cpu")))
    planner._amount = lambda stage: amounts[stage.label]  # type: ignore[method-assign]
    data = {name: Stage("prepare", 1, {"of": name}, label=name) for name in amounts}
    load, _ = planner.load_of(Stage("train", 1, config, data), phase.config)
    real = sum(
        int(phase.features[source].lengths[rows].sum()) for source, rows in map(phase.plan.__getitem__, range(1000))
    )
    assert load.steps == phase.plan.steps == 1000
    assert load.tokens == pytest.approx(real, rel=0.08)  # a thousand draws of one task or the other


def test_prediction_in_text_reads_prompts_several_times() -> None:
    assert read_over("classification_text", 3) == (3.0, ())
    assert read_over("classification", 3) == (1.0, ())
    assert "token by token is not included" in read_over("span_qa_text", 0)[1][0]


def test_each_way_of_saving_saves() -> None:
    def peak(tuning: Tuning = Tuning(), machine: Hardware = GPU, **changes: object) -> float:  # noqa: B008
        return training(LARGE, tuning, replace(LOAD, **changes), machine).memory.total

    full = peak()
    assert peak(machine=replace(GPU, use=Machine(micro_batch_tokens=2048))) < full
    assert peak(machine=replace(GPU, use=Machine(recompute=True))) < full
    sharded = peak(machine=replace(GPU, use=Machine(devices=4, shard=True)))
    assert peak(machine=replace(GPU, use=Machine(devices=4, shard=True, offload=True))) < sharded < full
    assert peak(machine=replace(GPU, use=Machine(devices=4))) > full  # DDP sends gradients from buckets
    assert peak(Tuning(frozen_layers=3)) < full
    assert peak(Tuning(rank=8, quantized=True)) < peak(Tuning(rank=8))
    output = 0.15 * 8192 * 60_000 * 10 + 12 * 60_000 * 512  # logits; what the output layer adds to the embeddings
    assert peak(masked=0.15, most_masked=0.15) - full == pytest.approx(output, rel=0.01)
    assert peak(batch=8) < full  # a batch smaller than the budget


def test_prediction_needs_no_gradients_and_retrieval_keeps_all_layers() -> None:
    one = inference(LARGE, Tuning(), LOAD, GPU, None, 16_384)
    every = inference(LARGE, Tuning(), LOAD, GPU, None, 16_384, all_layers=True)
    assert (one.memory.gradients, one.memory.moments) == (0, 0)
    assert every.memory.activations == 3.5 * one.memory.activations  # 7 states for 2
    assert one.flops == pytest.approx(training(LARGE, Tuning(), LOAD, GPU).flops / 3)


def test_hours_are_flops_over_the_share_of_the_peak() -> None:
    hours = device_hours(3.6e18, device("H100"), "bf16", Utilisation())
    assert hours.usual == pytest.approx(1e15 / 989e12 / 0.35)
    assert hours.low < hours.usual < hours.high
    assert device_hours(3.6e18, device("h100"), "fp32", Utilisation()).usual > 10 * hours.usual
    measured = device_hours(1.0, device("h200"), "bf16", Utilisation(0.3, 0.3, 0.3))
    assert measured.low == measured.usual == measured.high


def test_an_unknown_device_and_an_unknown_model_are_one_line_each() -> None:
    with pytest.raises(UnknownName, match="unknown device 'h20': did you mean h200"):
        device("h20")
    start = Stage("start", 1, {}, settings={"source": "someone/unheard-of", "revision": None})
    with pytest.raises(BackboneError, match=r"no plan for 'someone/unheard-of': it is not a known checkpoint"):
        shape_of(start, None)
    with pytest.raises(BackboneError, match="no plan for a bert"):
        counts_of({"model_type": "bert", "hidden_size": 7, "num_attention_heads": 2})


@pytest.fixture(scope="module")
def expansion() -> Expansion:
    return Expansion(tiny_experiment(worlds=[1], targets=["micro_topic", "micro_qa", "micro_retrieval"]), None)


def test_a_microworld_is_planned_before_it_is_written(expansion: Expansion, tmp_path: Path) -> None:
    stages = graph(expansion.stages())
    names = models_of((cell.backbone, cell.stage) for cell in expansion.cells)
    plans = Planner(None, Hardware(device("h100")), names).plan(stages)
    sums = total(plans)
    assert (sums["run"], sums["cached"], sums["unfit"]) == (len(stages), 0, 0)
    assert sums["estimated"]
    trained = [plan for plan in plans if plan.kind == "train"]
    assert {plan.model for plan in trained} == {"tiny"}
    assert all(plan.steps == 2 and plan.tokens > 0 and plan.memory and plan.disk > 0 for plan in trained)
    assert all(plan.disk > 0 for plan in plans)
    assert sums["tokens"] == pytest.approx(sum(plan.tokens for plan in plans), abs=1)


def test_what_is_finished_costs_nothing(expansion: Expansion, tmp_path: Path) -> None:
    store, stages = Store(tmp_path / "store"), graph(expansion.stages())
    for stage in stages:
        store.directory(stage).mkdir(parents=True)
        (store.directory(stage) / "DONE").touch()
    sums = total(Planner(store, Hardware(device("h100"))).plan(stages))
    assert (sums["run"], sums["cached"]) == (0, len(stages))
    assert (sums["flops"], sums["disk"], sums["memory"]) == (0, 0, 0)


def finish(store: Store, stage: Stage, seconds: float, kind: str) -> None:
    """A folder of a stage that took so long on a device of that kind."""
    began = datetime(2026, 1, 1, tzinfo=UTC)
    told = {"key": stage.key, "kind": stage.kind, "version": stage.version, "label": stage.label, "host": "node7"}
    told |= {"config": stage.config, "inputs": stage.input_keys(), "package": "0", "environment": {"device": kind}}
    told |= {"started": began.isoformat(), "finished": (began + timedelta(seconds=seconds)).isoformat(), "files": {}}
    folder = store.directory(stage)
    folder.mkdir(parents=True)
    content = json.dumps(told).encode()
    (folder / "stage.json").write_bytes(content)
    (folder / "DONE").write_text(sha256(content).hexdigest())


def test_hours_are_measured_where_stages_of_the_kind_are_finished(expansion: Expansion, tmp_path: Path) -> None:
    store, stages = Store(tmp_path / "store"), graph(expansion.stages())
    planner = Planner(store, Hardware(device("cpu")))
    before = planner.plan(stages)
    train = [stage for stage in stages if stage.kind == "train"]
    assert timed(before, stages, stages, planner, "cpu") == (before, "")
    for stage, speed in zip(train[:3], (1e6, 2e6, 4e6), strict=True):
        finish(store, stage, planner.flops(stage) / speed, "cpu")
    plans, note = timed(before, stages, stages, planner, "cpu")
    for old, new in zip(before, plans, strict=True):
        assert (new.hours == old.hours) == (new.kind != "train")
        if new.kind == "train":
            assert new.hours.usual == pytest.approx(new.flops / 2e6 / 3600)
            assert (new.hours.low, new.hours.high) == pytest.approx((new.flops / 3e6 / 3600, new.flops / 1.5e6 / 3600))
    assert "computed on node7 (3 train in fp32)" in note
    spans = [plan.flops / speed for plan, speed in zip([p for p in before if p.kind == "train"], (1e6, 2e6, 4e6))]
    assert f"{sum(spans) / max(spans):.1f} stages ran in parallel on average; at that rate the run takes" in note
    assert timed(before, stages, stages, planner, "cuda") == (before, "")


def test_devices_are_known_by_what_drivers_call_them() -> None:
    assert [device_called(name) for name in ("NVIDIA A100-SXM4-80GB", "NVIDIA GeForce RTX 4090", "NVIDIA H200")] == [
        *map(device, ("a100-80", "rtx4090", "h200"))
    ]
    assert device_called("Radeon") is None


def official(**changes: object) -> Experiment:
    model = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
    tokenizer = {"tasks": ["text_ud"], "languages": ["en"], "vocabulary": 300}
    backbone = {"name": "small", "architecture": "bert", "config": model, "tokenizer": tokenizer}
    given = {"name": "o", "seeds": [1], "backbones": [backbone], "recipes": [[], ["mnli"]], "targets": ["xnli"]}
    return Experiment(**{**given, **changes})  # type: ignore[arg-type]


def test_registered_tasks_are_planned_without_data_from_official_numbers(tmp_path: Path) -> None:
    experiment = official(targets=["xnli", "xquad", "tatoeba", "panx", "xcopa", "udpos", "mlqa", "tydiqa", "sib200"])
    lay_out(experiment, tmp_path)
    cells = Expansion(experiment, tmp_path).cells
    plans = Planner(None, Hardware(device("h100"))).plan(graph(cell.stage for cell in cells))
    mnli = next(plan for plan in plans if plan.kind == "train" and plan.label.endswith("> mnli @seed 1"))
    assert mnli.steps == -(-2 * 392_702 // 32)  # two epochs: the cap is of mixtures
    assert mnli.tokens == mnli.steps * 32 * 50
    assert any("rows of udpos train are not known" in note for plan in plans for note in plan.notes)
    prepared = next(s for s in graph(cell.stage for cell in cells) if s.label.startswith("xnli test"))
    assert amount(prepared, None).rows == 5010 * 15


def test_without_data_a_task_of_the_experiment_file_is_refused(tmp_path: Path) -> None:
    own = {"mine": {"like": "mnli", "files": {"train": "mine.jsonl"}, "holdout": 10}}
    with pytest.raises(
        ConfigError, match="has a task of its own, 'mine', whose size is only in its files: give --data"
    ):
        lay_out(official(tasks=own, recipes=[[], ["mine"]]), tmp_path)
    raw = {"news": {"type": "masked_lm", "files": {"train": "news/{language}/*.txt"}, "languages": ["en", "de"]}}
    experiment = official(tasks=raw, recipes=[[], [{"tasks": [{"task": "news", "languages": ["all"]}]}]])
    lay_out(experiment, tmp_path)
    assert sorted(str(path.relative_to(tmp_path)) for path in (tmp_path / "news").rglob("*.txt")) == [
        "news/de/any.txt",
        "news/en/any.txt",
    ]
    assert Expansion(experiment, tmp_path).cells


def test_catalogue_folders_and_random_starts_all_have_shapes(tmp_path: Path) -> None:
    listed = Stage("start", 1, {}, settings={"source": "FacebookAI/xlm-roberta-base", "revision": None})
    assert shape_of(listed, None)["num_hidden_layers"] == 12
    (tmp_path / "config.json").write_text('{"model_type": "bert", "hidden_size": 48, "_name_or_path": "x"}')
    local = Stage("start", 1, {}, settings={"source": str(tmp_path), "revision": None})
    assert shape_of(local, None) == {"model_type": "bert", "hidden_size": 48}
    tokenizer = Stage("tokenizer", 1, {"trained": {"vocabulary": 777}})
    given = {"random": {"architecture": "bert", "config": fields("bert"), "seed": 0}}
    found = shape_of(Stage("start", 1, given, {"tokenizer": tokenizer}), None)
    assert (found["vocab_size"], found["hidden_size"], found["model_type"]) == (777, 64, "bert")


def test_a_model_that_writes_has_a_decoder_and_an_output_layer_in_the_plan() -> None:
    t5 = {"d_model": 64, "d_kv": 16, "d_ff": 96, "num_layers": 2, "num_heads": 4, "vocab_size": 1000}
    t5["tie_word_embeddings"] = False
    writes = {"output": "text"}
    heads, text = (counts_of({"model_type": "mt5", **t5, **more}) for more in ({}, writes))
    # The decoder has the encoder's linear layers and attends to it; the output layer is a row a token.
    assert text.total > heads.total + heads.linear + 64 * 1000
    assert text.linear == heads.linear  # they read the answers alone
    start = Stage("start", 1, {"output": "text"}, settings={"source": "google/mt5-small", "revision": None})
    assert shape_of(start, None)["output"] == "text"
