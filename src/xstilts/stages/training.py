"""Train stages: one phase of a recipe, or of a target."""

import gc
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from xstilts.backbones.controlled import uncontrolled_dropout
from xstilts.backbones.packing import REMEDIES
from xstilts.core.errors import FailedRun, OutOfMemory
from xstilts.core.files import read_json, write_json
from xstilts.core.machine import Machine
from xstilts.core.seeds import derive_seed
from xstilts.core.stopping import stop_requests
from xstilts.graph.environment import FILE as ENVIRONMENT
from xstilts.graph.job import Job
from xstilts.stages.accidents import ACCIDENTS, MEMORY, accidents, collapsed, note, prepare_resume, restarts
from xstilts.stages.log import Log
from xstilts.stages.models import open_for_training, save_trained
from xstilts.stages.selector import Selector
from xstilts.task_types import TASK_TYPES, TaskType
from xstilts.task_types.features import Features, tokens_of
from xstilts.task_types.masked_lm import MaskedLMHead, set_unigram_bias
from xstilts.training.checkpoint import drop_checkpoint, load_checkpoint, save_checkpoint
from xstilts.training.config import TrainConfig
from xstilts.training.distributed import gather, spread, team
from xstilts.training.loop import Losses, Phase, StepRecord, check_weights, make_optimizer, train
from xstilts.training.mixture import Mixture, language_probabilities
from xstilts.training.model import HeadSpec, TaskModel, decay, narrow, restore_heads
from xstilts.training.plan import Plan, Source

_SAVE, _LEAVE = 1, 2
"""What is due after a step, as the leading rank decides."""
CHECKPOINT_SECONDS, CHECKPOINT_SHARE = 120.0, 0.02
"""Time between two checkpoints, and the largest share of the time that saving them may take."""
TELL_SECONDS = 5.0
"""Time after which progress is reported between two logged steps."""


def run_train(job: Job) -> None:
    """Train one phase, from a checkpoint if there is one, and write the weights that the stage's `selection` asks for.

    A run that diverges or collapses is replaced by one with another seed, as often as `restarts` allows. On SIGINT and
    SIGTERM a checkpoint is saved after the step in progress. Of several ranks (`xstilts.stages.ranks`) each calls this.

    Raises:
        FailedRun: it diverged, and so did the other seeds.
        OutOfMemory: the device's memory does not suffice.
        KeyboardInterrupt: with the number of the signal, once the checkpoint is saved.
    """
    allowed = job.config["train"].get("restarts", 0)
    while True:
        failed, seed = team().leading(restarts(job) if team().is_main else 0), job.config["seed"]
        seed = derive_seed(seed, "restart", failed) if failed else seed
        try:
            _run(job, seed, failed < allowed)
            return
        except torch.OutOfMemoryError:
            problem = f"{job.machine.device} is out of memory for weights, gradients and moments: {REMEDIES}"
            raise OutOfMemory(problem) from None
        except FailedRun as error:
            if failed == allowed:
                raise
            kind, why = error.kind, error.problem
        gc.collect()  # the model of the run that failed
        if team().is_main:
            drop_checkpoint(job.directory)  # first: its seed is given up here
            line = f"{kind}: {why}; starting again with another seed ({failed + 1} of {allowed})"
            note(job, line, what=kind, seed=seed, why=why)


def _run(job: Job, seed: int, again: bool) -> None:
    """Train with one seed; `again`: raise `FailedRun` for a run that collapsed instead of keeping it."""
    config, machine, before = job.config, job.machine, job.inputs["model"]
    options, mixture = TrainConfig(**config["train"]), Mixture.of(config)
    backbone = open_for_training(before, options, seed, "cpu" if machine.shard else machine.device)
    phase = build_phase(mixture, job.inputs, options, seed).suited(backbone)
    judged = _judged(job.inputs)
    for part, features in zip(mixture.parts, phase.features, strict=True):
        backbone.check_length(features.longest, f"{part.task}: a text")
    for features in judged:
        backbone.check_length(features.longest, "validation data: a text")
    specs = [HeadSpec(part.task, part.type, part.labels) for part in mixture.parts]
    model = TaskModel(backbone, specs, options.head_dropout, seed)
    prepare_resume(job, phase.plan.steps)
    for head in map(model.heads.__getitem__, phase.tasks):
        if isinstance(head, MaskedLMHead):  # a fresh one begins with the frequencies of the tokens that it will see
            sharing = zip(phase.tasks, phase.features, strict=True)
            set_unigram_bias(head, [data for other, data in sharing if model.heads[other] is head])
    parts = [(i, part) for i, part in enumerate(mixture.parts) if options.head == "keep" or part.replayed]
    keep = {part.task: job.inputs.get(f"head{i}", before) for i, part in parts}
    heads = restore_heads(model, before, keep)
    losses: nn.Module = Losses(model, phase)
    draws = uncontrolled_dropout(backbone, machine.device)
    _tell_dependence(job, draws)
    active = narrow(model, tokens_of((*phase.features, *judged)))
    losses = spread(losses, backbone, machine)
    optimizer = make_optimizer(model, options)
    start, notes = load_checkpoint(job.directory, model, optimizer)
    log = Log(job, phase.plan.steps, notes)
    selector = Selector(job, model, phase, start, notes.get("evaluations", ()))
    records = train(model, phase, optimizer, machine, start, losses)
    done = _follow(records, log, selector, partial(save_checkpoint, job.directory, model, optimizer))
    gather(model)
    problems: dict[str, str] = {}
    if team().is_main:
        log.write()
        selected = selector.finish(done)
        trained = [task for task in heads["fresh"] if any(True for _ in model.heads[task].parameters())]
        problems = collapsed(selector.kept) or log.ends.flat([] if selector.judges else trained)
    why = "; ".join(f"{task}: {problem}" for task, problem in problems.items())
    if team().leading(bool(problems) and again):
        raise FailedRun(why, "collapsed")
    if not team().is_main:
        return
    if problems:
        job.report({"message": f"collapsed: {why}; kept, and flagged in the report"})
    _tell_dependence(job, draws)
    summary = {"steps": done, "tasks": log.totals, "selection": selected}
    rare = {"collapsed": problems, "accidents": accidents(job)}
    write_json(job.directory / "summary.json", summary | {name: value for name, value in rare.items() if value})
    scale = decay(options, selected.get("averaged") or [selected["step"]], phase.plan.steps)
    held = save_trained(model, job.directory, before, options, active, scale)
    said = read_json(before / "about.json")
    said |= {"weights": {}, **held, "heads": heads, "selection": selector.note or {}, "collapsed": problems}
    said["restarts"] = said.get("restarts", 0) + restarts(job) or {}  # of all phases
    write_json(job.directory / "about.json", {name: value for name, value in said.items() if value != {}})
    drop_checkpoint(job.directory)  # before the snapshots that it needs
    selector.snapshots.drop()
    (job.directory / ACCIDENTS).unlink(missing_ok=True)  # after the checkpoint, which is of the last seed


def _follow(records: Iterable[StepRecord], log: Log, selector: Selector, save: Callable[..., None]) -> int:
    """Log, evaluate and save while the phase is trained; returns its finished steps."""
    machine, saved, took = log.job.machine, time.monotonic(), 0.0
    with log.tracker, stop_requests() as asked:
        for record in records:
            done = record.step + 1
            log.count(record)
            if done in (*selector.moments, log.steps):
                check_weights(selector.model, record)
            stop = selector.seen(done) or done == log.steps
            if done % machine.log_every == 0 or stop:
                log.add(record)
            elif time.monotonic() - log.told > TELL_SECONDS:
                log.tell(record)
            usual = max(CHECKPOINT_SECONDS, took / CHECKPOINT_SHARE)
            late = time.monotonic() - saved > (machine.checkpoint_seconds or usual)
            due = team().leading(_LEAVE if asked else _SAVE if late else 0)
            if due and not stop:
                check_weights(selector.model, record)
                began = time.monotonic()
                log.write()
                beside = selector.snapshots.digests() if team().is_main else {}
                save(done, {**log.notes(), "evaluations": selector.rows}, beside)
                if team().is_main:
                    selector.snapshots.checkpointed()
                saved = time.monotonic()
                took = saved - began
            if due == _LEAVE:
                raise KeyboardInterrupt(*asked[:1])
            if stop:
                break
    return done


def depends_on(machine: Machine, uncontrolled: bool, tried: Collection[int] = ()) -> dict[str, Any]:
    """The settings on which the stage's numbers depend; empty unless random numbers are drawn in their order.

    Args:
        tried: `micro_batch_tokens` of its parts, where memory made them differ.
    """
    if not uncontrolled:
        return {}
    tokens = sorted({machine.micro_batch_tokens, *tried})
    return {
        "micro_batch_tokens": tokens if len(tokens) > 1 else tokens[0],
        "devices": machine.devices,
        "device": torch.device(machine.device).type,
    }


def _tell_dependence(job: Job, uncontrolled: bool) -> None:
    if team().is_main:
        short = [row for row in accidents(job) if row["what"] == MEMORY]
        if said := depends_on(job.machine, uncontrolled, {row[name] for row in short for name in ("tokens", "now")}):
            write_json(job.directory / ENVIRONMENT, {"depends_on": said})


def _judged(inputs: Mapping[str, Path]) -> list[Features]:
    """All data on which the phase is judged, pools of candidates included."""
    folders = [path for role, path in inputs.items() if role.startswith("dev")]
    parts = [path / name for path in folders for name in (*read_json(path / "languages.json"), "pool")]
    return [Features.load(part) for part in parts if part.is_dir()]


def build_phase(mixture: Mixture, inputs: Mapping[str, Path], options: TrainConfig, seed: int) -> Phase:
    """The phase's data and plan; `data0`, `data1` ... of `inputs` are those of the mixture's parts."""
    features = tuple(Features.load(inputs[f"data{i}"] / "all") for i in range(len(mixture.parts)))
    draws = mixture.draws([len(data) for data in features], options)
    types: list[TaskType] = []
    sources = []
    for part, data in zip(mixture.parts, features, strict=True):
        task_type, lengths, language = TASK_TYPES.get(part.type), np.asarray(data.lengths), data.columns["part"]
        types.append(replace(task_type, **part.options) if part.options else task_type)  # type: ignore[type-var]
        source = Source.single(part.task, lengths)
        if last := int(language.max()):  # several languages are sampled by size to the power of the part's exponent
            groups = tuple(np.flatnonzero(language == number) for number in range(last + 1))
            shares = language_probabilities([int(lengths[rows].sum()) for rows in groups], part.exponent)
            source = Source(part.task, lengths, groups, tuple(map(float, shares)))
        sources.append(source)
    plan = Plan(tuple(sources), draws.first, options.batch_size, draws.steps, seed, options.bucket, draws.last)
    return Phase(mixture.parts, tuple(types), features, plan, options)
