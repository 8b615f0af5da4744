"""Train stages: one phase of a recipe, or of a target."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from xstilts.backbones.backbone import Backbone
from xstilts.backbones.controlled import uncontrolled_dropout
from xstilts.backbones.packing import REMEDIES
from xstilts.core.errors import FailedRun, OutOfMemory
from xstilts.core.files import read_json, write_json
from xstilts.core.machine import Machine
from xstilts.core.stopping import stop_requests
from xstilts.graph.perform import Report
from xstilts.stages.accidents import (
    ACCIDENTS,
    accidents,
    budgets,
    collapsed,
    note,
    restarts,
    seed_after,
)
from xstilts.stages.checkpoints import Chooser, Panel
from xstilts.stages.log import Log
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

    A run that diverges or collapses is replaced by one with another seed, as often as `restarts` allows.

    On SIGINT and SIGTERM a checkpoint is saved after the step in progress. Of several ranks each calls this;
    `xstilts.stages.ranks` starts them.

    Raises:
        FailedRun: it diverged, and so did the other seeds.
        OutOfMemory: the device's memory does not suffice.
        KeyboardInterrupt: with the number of the signal, once the checkpoint is saved.
    """
    machine, allowed = Machine(**settings), config["train"].get("restarts", 0)
    while True:
        failed = team().leading(restarts(directory) if team().leads else 0)
        seed = seed_after(config["seed"], failed)
        try:
            _run({**config, "seed": seed}, directory, inputs, machine, report, failed < allowed)
            return
        except torch.OutOfMemoryError:
            problem = f"{machine.device} is out of memory for weights, gradients and moments: {REMEDIES}"
            raise OutOfMemory(problem) from None
        except FailedRun as error:
            if failed == allowed:
                raise
            kind, why = error.kind, error.problem
        gc.collect()  # the model of the run that failed
        if team().leads:
            drop_checkpoint(directory)  # first: it is of a seed that is given up here
            line = f"{kind}: {why}; starting again with another seed ({failed + 1} of {allowed})"
            note(directory, report, line, what=kind, seed=seed, why=why)


def _run(
    config: Mapping[str, Any],
    directory: Path,
    inputs: Mapping[str, Path],
    machine: Machine,
    report: Report,
    again: bool,
) -> None:
    """Train with one seed; `again`: a run that collapsed is not kept but raised as `FailedRun`."""
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
    _set_biases(model, phase)
    heads = restore_heads(model, inputs["model"], _kept_heads(config, inputs, options))
    losses: nn.Module = Losses(model, phase)
    draws = uncontrolled_dropout(backbone, machine.device)
    _tell_dependence(directory, machine, draws)
    active = narrow(model, tokens_of((*phase.features, *judged)))
    losses = spread(losses, backbone, machine)
    optimizer = make_optimizer(model, options)
    start, notes = load_checkpoint(directory, model, optimizer)
    log = Log(directory, phase.plan.steps, notes, report, machine.micro_batch_tokens)
    judges = selection.get("judges", ())
    panel = Panel(model, phase, machine, judges, [inputs[f"dev{i}"] for i in range(len(judges))])
    chooser = Chooser(selection, panel, directory, start, notes.get("evaluations", ()))
    records = train(model, phase, optimizer, machine, start, losses)
    done = _follow(records, log, chooser, machine, partial(save_checkpoint, directory, model, optimizer))
    gather(model)
    problems: dict[str, str] = {}
    if team().leads:
        log.write()
        selected = chooser.finish(done)
        trained = [task for task in heads["fresh"] if any(True for _ in model.heads[task].parameters())]
        problems = collapsed(chooser.kept) or log.ends.flat([] if judges else trained)
    why = "; ".join(f"{task}: {problem}" for task, problem in problems.items())
    if team().leading(bool(problems) and again):
        raise FailedRun(why, "collapsed")
    if not team().leads:
        return
    if problems:
        report({"message": f"collapsed: {why}; kept, and counted in the report"})
    _tell_dependence(directory, machine, draws)
    told = {"collapsed": problems, "accidents": accidents(directory)}
    summary = {"steps": done, "tasks": log.totals, "selection": selected}
    write_json(directory / "summary.json", summary | {name: value for name, value in told.items() if value})
    scale = decay(options, selected.get("averaged") or [selected["step"]], phase.plan.steps)
    held = save_trained(model, directory, inputs["model"], options, active, scale)
    more = {"weights": {}, **held, "heads": heads, "selection": chooser.note or {}, "collapsed": problems}
    _write_about(directory, inputs["model"], more)
    drop_checkpoint(directory)  # before the snapshots that it needs
    chooser.snapshots.drop()
    (directory / ACCIDENTS).unlink(missing_ok=True)  # after the checkpoint, which is of the last seed


def _write_about(directory: Path, before: Path, more: Mapping[str, Any]) -> None:
    """What the stage before says of its model, with `more`; restarts are counted over all of them."""
    said = read_json(before / "about.json")
    about = {**said, **more, "restarts": said.get("restarts", 0) + restarts(directory) or {}}
    write_json(directory / "about.json", {name: value for name, value in about.items() if value != {}})


def _set_biases(model: Model, phase: Phase) -> None:
    """Fresh heads of masked LM begin with the frequencies of the tokens that they will see."""
    for task in phase.tasks:
        head = model.heads[task]
        if isinstance(head, MaskedLMHead):
            sharing = zip(phase.tasks, phase.features, strict=True)
            set_unigram_bias(head, [data for other, data in sharing if model.heads[other] is head])


def _follow(
    records: Iterable[StepRecord], log: Log, chooser: Chooser, machine: Machine, save: Callable[..., None]
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
                notes = {"totals": log.totals, "log": log.rows, "evaluations": chooser.rows, "ends": log.ends.rows()}
                save(done, notes, chooser.needed())
                chooser.checkpointed()
                saved = time.monotonic()
                took = saved - began
            if due == _LEAVE:
                raise KeyboardInterrupt(*asked[:1])
            if stop:
                break
    return done


def depends_on(machine: Machine, uncontrolled: bool, tried: Collection[int] = ()) -> dict[str, Any]:
    """The settings on which the stage's numbers depend: those that decide who draws what, if anything is drawn.

    Args:
        tried: `micro_batch_tokens` of its parts, where memory made them differ.
    """
    if not uncontrolled:
        return {}
    kind = torch.device(machine.device).type
    tokens = sorted({machine.micro_batch_tokens, *tried})
    return {
        "micro_batch_tokens": tokens if len(tokens) > 1 else tokens[0],
        "devices": machine.devices,
        "device": kind,
    }


def _tell_dependence(directory: Path, machine: Machine, uncontrolled: bool) -> None:
    if (said := depends_on(machine, uncontrolled, budgets(directory))) and team().leads:
        write_json(directory / "environment.json", {"depends_on": said})


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
