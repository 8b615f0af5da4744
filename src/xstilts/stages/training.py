"""Train stages: one phase of a recipe, or of a target."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from xstilts.backbones.backbone import Backbone
from xstilts.backbones.controlled import uncontrolled
from xstilts.core.files import read_json, write_json, write_jsonl
from xstilts.core.machine import Machine
from xstilts.core.stopping import stop_requests
from xstilts.stages.checkpoints import Chooser, Panel
from xstilts.stages.models import open_for_training, save_trained
from xstilts.stages.resuming import take_up
from xstilts.task_types import TASK_TYPES, TaskType
from xstilts.task_types.features import Features, tokens_of
from xstilts.task_types.masked_lm import MaskedLMHead, set_unigram_bias
from xstilts.training.active import decay, narrow
from xstilts.training.checkpoint import drop_checkpoint, load_checkpoint, save_checkpoint
from xstilts.training.config import TrainConfig
from xstilts.training.distributed import gather, spread, team
from xstilts.training.loop import Losses, Phase, StepRecord, check_weights, make_optimizer, train
from xstilts.training.mixture import draws_of, language_probabilities
from xstilts.training.model import HeadSpec, Model, restore_heads
from xstilts.training.plan import Plan, Source

Report = Callable[[dict[str, Any]], None]

_SAVE, _LEAVE = 1, 2
"""What the leading rank says is due after a step."""
CHECKPOINT_SECONDS, CHECKPOINT_SHARE = 120.0, 0.02
"""Time between two checkpoints, and the share of the time that saving them may take."""
TELL_SECONDS = 5.0
"""Time after which the end of a step is told, however few steps that is."""


def run_train(
    config: Mapping[str, Any], directory: Path, inputs: Mapping[str, Path], settings: Mapping[str, Any], report: Report
) -> None:
    """Train one phase, from a checkpoint where there is one; write the weights that the stage's `selection` asks for
    (`evaluations.jsonl`, `summary.json`), log and what became of the heads.

    On SIGINT and SIGTERM a checkpoint is saved after the step in progress. Of several ranks each calls this;
    `xstilts.stages.ranks` starts them.

    Raises:
        KeyboardInterrupt: with the number of the signal, once the checkpoint is saved.
    """
    machine = Machine(**settings)
    options = TrainConfig(**config["train"])
    whole_on = "cpu" if machine.shard else machine.device
    backbone = open_for_training(inputs["model"], options, config["seed"], whole_on)
    phase = build_phase(config, inputs, options).suited(backbone)
    judged = _judged(inputs)
    _check_lengths(backbone, phase, judged)
    specs = [HeadSpec(part["task"], part["type"], tuple(part["labels"])) for part in config["components"]]
    model = Model(backbone, specs, options.head_dropout, config["seed"])
    selection = config.get("selection", {})
    take_up(directory, phase.plan.steps, report)
    for spec in specs:
        head = model.heads[spec.task]
        if isinstance(head, MaskedLMHead):
            sharing = zip(specs, phase.features, strict=True)
            set_unigram_bias(head, [data for other, data in sharing if model.heads[other.task] is head])
    heads = restore_heads(model, inputs["model"], _kept_heads(config, inputs, options))
    losses: nn.Module = Losses(model, phase)
    if (said := depends_on(machine, uncontrolled(backbone, machine.device))) and team().leads:
        write_json(directory / "environment.json", {"depends_on": said})
    active = narrow(model, tokens_of((*phase.features, *judged)))
    losses = spread(losses, backbone, machine)
    optimizer = make_optimizer(model, options)
    start, notes = load_checkpoint(directory, model, optimizer)
    log = _Log(directory, phase.plan.steps, notes, report)
    judges = selection.get("judges", ())
    panel = Panel(model, phase, machine, judges, [inputs[f"dev{i}"] for i in range(len(judges))])
    chooser = Chooser(selection, panel, directory, start, notes.get("evaluations", ()))
    records = train(model, phase, optimizer, machine, start, losses)
    done = _follow(records, log, chooser, machine, partial(save_checkpoint, directory, model, optimizer))
    gather(model)
    if not team().leads:
        return
    log.write()
    selected = chooser.finish(done)
    write_json(directory / "summary.json", {"steps": done, "tasks": log.totals, "selection": selected})
    scale = decay(options, selected.get("averaged") or [selected["step"]], phase.plan.steps)
    held = save_trained(model, directory, inputs["model"], options, active, scale)
    more = {"weights": {}, **held, "heads": heads, "selection": chooser.note or {}}
    about = {**read_json(inputs["model"] / "about.json"), **more}
    write_json(directory / "about.json", {name: value for name, value in about.items() if value != {}})
    drop_checkpoint(directory)  # before the snapshots that it needs
    chooser.snapshots.drop()


def _follow(
    records: Iterable[StepRecord], log: _Log, chooser: Chooser, machine: Machine, save: Callable[..., None]
) -> int:
    """Log, judge and save while the phase is trained; returns its finished steps."""
    saved, took = time.monotonic(), 0.0
    with stop_requests() as asked:
        for record in records:
            done = record.step + 1
            log.count(record)
            if done in (*chooser.moments, log.steps):
                check_weights(chooser.panel.model, record)
            stop = chooser.seen(done) or done == log.steps
            if done % machine.log_every == 0 or stop:
                log.add(record)
            elif time.monotonic() - log.told > TELL_SECONDS:
                log.tell(done)
            usual = max(CHECKPOINT_SECONDS, took / CHECKPOINT_SHARE)
            late = time.monotonic() - saved > (machine.checkpoint_seconds or usual)
            due = team().leading(_LEAVE if asked else _SAVE if late else 0)
            if due and not stop:
                check_weights(chooser.panel.model, record)
                began = time.monotonic()
                log.write()
                notes = {"totals": log.totals, "log": log.rows, "evaluations": chooser.rows}
                save(done, notes, chooser.needed())
                chooser.checkpointed()
                saved = time.monotonic()
                took = saved - began
            if due == _LEAVE:
                raise KeyboardInterrupt(*asked[:1])
            if stop:
                break
    return done


def depends_on(machine: Machine, uncontrolled: bool) -> dict[str, Any]:
    """The settings on which the stage's numbers depend: those that decide who draws what, if anything is drawn."""
    if not uncontrolled:
        return {}
    kind = torch.device(machine.device).type
    return {"micro_batch_tokens": machine.micro_batch_tokens, "devices": machine.devices, "device": kind}


def _judged(inputs: Mapping[str, Path]) -> list[Features]:
    """All that the phase is judged on, pools of candidates too."""
    folders = [path for role, path in inputs.items() if role.startswith("dev")]
    parts = [path / name for path in folders for name in (*read_json(path / "languages.json"), "pool")]
    return [Features.load(part) for part in parts if part.is_dir()]


def _check_lengths(backbone: Backbone, phase: Phase, judged: Sequence[Features]) -> None:
    """Refuse data with texts that the model has no positions for, before any step is made."""
    for task, features in zip(phase.tasks, phase.features, strict=True):
        backbone.check_length(features.longest, f"{task}: a text")
    for features in judged:
        backbone.check_length(features.longest, "validation data: a text")


def _kept_heads(config: Mapping[str, Any], inputs: Mapping[str, Path], options: TrainConfig) -> dict[str, Path]:
    """Tasks whose heads go on as they were, each with the stage that has it."""
    return {
        part["task"]: inputs.get(f"head{i}", inputs["model"])
        for i, part in enumerate(config["components"])
        if options.head == "keep" or part.get("replayed")
    }


def build_phase(config: Mapping[str, Any], inputs: Mapping[str, Path], options: TrainConfig) -> Phase:
    """The phase's data and plan."""
    features, sources = [], []
    for i, part in enumerate(config["components"]):
        data = Features.load(inputs[f"data{i}"] / "all")
        features.append(data)
        sources.append(_source(part["task"], data, float(part["exponent"])))
    draws = draws_of(config["components"], config["sampling"], [len(data) for data in features], options)
    plan = Plan(
        tuple(sources), draws.first, options.batch_size, draws.steps, config["seed"], options.bucket, draws.last
    )
    return Phase(
        tuple(part["task"] for part in config["components"]),
        tuple(_task_type(part) for part in config["components"]),
        tuple(features),
        tuple(float(part["weight"]) for part in config["components"]),
        plan,
        options,
        int(config["seed"]),
    )


def _task_type(part: Mapping[str, Any]) -> TaskType:
    """The component's task type with its options (masking rate, temperature ...)."""
    task_type = TASK_TYPES.get(part["type"])
    return replace(task_type, **part["options"]) if part["options"] else task_type  # type: ignore[type-var]


def _source(name: str, data: Features, exponent: float) -> Source:
    """A stream of the task's instances; several languages are sampled by size to the power of `exponent`."""
    part = data.column("part")
    languages = int(part.max()) + 1
    if languages == 1:
        return Source.single(name, np.asarray(data.lengths))
    groups = tuple(np.flatnonzero(part == language) for language in range(languages))
    shares = language_probabilities([int(data.lengths[rows].sum()) for rows in groups], exponent)
    return Source(name, np.asarray(data.lengths), groups, tuple(float(share) for share in shares))


class _Log:
    """Step records on disk (`log.jsonl`) and to the caller; a resumed run keeps what was logged before."""

    def __init__(self, directory: Path, steps: int, notes: Mapping[str, Any], report: Report) -> None:
        self.path = directory / "log.jsonl"
        self.steps, self.report = steps, report
        self.rows: list[dict[str, Any]] = list(notes.get("log", ()))
        self.totals: dict[str, dict[str, int]] = dict(notes.get("totals", {}))
        self.told = time.monotonic()

    def count(self, record: StepRecord) -> None:
        """Steps, tokens and items seen, by task."""
        total = self.totals.setdefault(record.task, {"steps": 0, "tokens": 0, "items": 0})
        for name, value in (("steps", 1), ("tokens", record.tokens), ("items", record.count)):
            total[name] += value

    def add(self, record: StepRecord) -> None:
        row = record.row()
        self.rows.append(row)
        self.tell(record.step + 1, f", {row['task']} loss {row['loss']:.3f}")

    def tell(self, done: int, more: str = "") -> None:
        """How far it is; between two records too, where steps are slow."""
        self.told = time.monotonic()
        if team().leads:
            self.report({"fraction": done / self.steps, "message": f"step {done} of {self.steps}{more}"})

    def write(self) -> None:
        if team().leads:
            write_jsonl(self.path, self.rows)
