"""The plan of an experiment: what each missing stage will take. Needs neither weights, network nor GPU."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from xstilts.data.readers.types import TYPES
from xstilts.evaluation.predict import AT_ONCE
from xstilts.graph.stage import Stage
from xstilts.graph.store import Store
from xstilts.planning import disk
from xstilts.planning.amounts import Amount, amount, read_over
from xstilts.planning.costing import Cost, Hardware, Load, inference, training
from xstilts.planning.counts import Tuning, counts_of
from xstilts.planning.devices import Hours
from xstilts.planning.formulas import Memory, head_parameters
from xstilts.planning.lookup import shape_of, start_of
from xstilts.stages.models import COPIED_BYTES
from xstilts.task_types import TASK_TYPES
from xstilts.training.config import TrainConfig
from xstilts.training.mixture import draws_of
from xstilts.training.snapshots import moments

NOTHING = Hours()


@dataclass(frozen=True)
class StagePlan:
    """What one stage takes.

    Attributes:
        model: name of the backbone it belongs to; empty for data.
        cached: finished; then all costs are 0.
        steps: optimizer steps. `tokens` are processed once each way.
        flops: useful ones; `hours` counts besides what is computed again, and devices that wait.
        disk: bytes when finished; `scratch`: besides, while it runs.
        estimated: whether the amount of data was estimated and not counted.
        fits: on one device; None where nothing is judged.
    """

    key: str
    kind: str
    label: str
    model: str = ""
    cached: bool = False
    steps: int = 0
    tokens: float = 0.0
    flops: float = 0.0
    memory: Memory | None = None
    hours: Hours = NOTHING
    disk: float = 0.0
    scratch: float = 0.0
    estimated: bool = False
    fits: bool | None = None
    notes: tuple[str, ...] = ()

    def row(self) -> dict[str, Any]:
        """A JSON object."""
        return {
            "key": self.key,
            "kind": self.kind,
            "label": self.label,
            "model": self.model,
            "cached": self.cached,
            "steps": self.steps,
            "tokens": round(self.tokens),
            "flops": self.flops,
            "memory": None if self.memory is None else self.memory.row(),
            "hours": {"usual": self.hours.usual, "low": self.hours.low, "high": self.hours.high},
            "disk": round(self.disk),
            "scratch": round(self.scratch),
            "estimated": self.estimated,
            "fits": self.fits,
            "notes": list(self.notes),
        }


TRANSLATING = "hours and disk of machine translation are not planned"
SHARDS_ARE_NOT_JUDGED = (
    "--shard is refused where weights are judged on validation while they train: give `select: last` or `average`, "
    "and one learning rate"
)


@dataclass
class Planner:
    """Plans stages one by one.

    Args:
        store: where finished stages are looked for; None: nothing is finished.
        hardware: on which the rest will run.
        models: key of a stage -> name of the backbone it belongs to.
    """

    store: Store | None
    hardware: Hardware
    models: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:  # what many stages share is looked up once
        self._amount = cache(lambda prepared, exponent: amount(prepared, self.store, exponent))
        self._shape = cache(lambda start: shape_of(start, self.store))

    def plan(self, stages: Iterable[Stage]) -> list[StagePlan]:
        """One entry a stage, in the given order. Raises `BackboneError` and `DataError` as lookups do."""
        return [self._stage(stage) for stage in stages]

    def _stage(self, stage: Stage) -> StagePlan:
        plan = StagePlan(stage.key, stage.kind, stage.label, self.models.get(stage.key, ""))
        if self.store is not None and self.store.has(stage):
            return replace(plan, cached=True)
        how: Mapping[str, Callable[[Stage, StagePlan], StagePlan]] = {
            "train": self._train,
            "choose": lambda _, plan: plan,  # hard links
            "predict": self._predict,
            "prepare": self._prepare,
            "start": self._start,
            "evaluate": self._evaluate,
            "tokenizer": self._tokenizer,
            "world": lambda _, plan: replace(plan, disk=disk.WORLD),
            "leaks": lambda _, plan: plan,  # a line for each pair of data sets
            "translate": lambda _, plan: replace(plan, estimated=True, notes=(TRANSLATING,)),
        }
        return how[stage.kind](stage, plan)

    def _train(self, stage: Stage, plan: StagePlan) -> StagePlan:
        options = TrainConfig(**stage.config["train"])
        tuning = tuning_of(options)
        load, amounts = self.load_of(stage, options)
        shape, route = self._model(stage)
        cost = training(shape, tuning, load, self.hardware, route)
        counts, parts = cost.counts, stage.config["components"]
        heads = sum(head_parameters(part["type"], len(part["labels"]), counts) for part in parts)
        final, scratch = disk.trained(counts, tuning, heads)
        judged = self._judged(stage, load.steps, options.precision)
        if "selection" in stage.config:
            scratch += 2.0 * 4.0 * (counts.trained + heads)  # snapshots: the best, and the last checkpoint's
        return replace(
            plan,
            steps=load.steps,
            tokens=load.tokens,
            flops=cost.flops + sum(one.flops for one in judged),
            memory=cost.memory,
            hours=sum((one.hours for one in judged), cost.hours),
            disk=final,
            scratch=scratch,
            estimated=any(one.estimated for one in amounts),
            fits=self._fits(cost.memory),
            notes=(*cost.notes, SHARDS_ARE_NOT_JUDGED) if judged and self.hardware.use.shard else cost.notes,
        )

    def _judged(self, stage: Stage, steps: int, precision: str) -> list[Cost]:
        """What evaluating snapshots takes, an entry for each evaluation and judge, as if nothing stopped early."""
        selection = stage.config.get("selection", {})
        number = 1
        if selection.get("by") in ("validation", "oracle"):
            number = len(moments(steps, selection.get("checkpoints", 0), selection.get("evaluate_every")))
        shape, route = self._model(stage)
        costs = []
        for i in range(len(selection.get("judges", ()))):
            data = self._amount(stage.inputs[f"dev{i}"], 1.0)
            load = Load(tokens=data.total, keys=data.keys, longest=data.longest, precision=precision)
            how = (route, min(self.hardware.use.micro_batch_tokens, data.total), False)
            costs += [inference(shape, _adapted(stage), load, self.hardware, how)] * number
        return costs

    def load_of(self, stage: Stage, options: TrainConfig) -> tuple[Load, list[Amount]]:
        """What a train stage computes, from the mixture's amounts as `build_phase` draws them."""
        parts, sampling = stage.config["components"], stage.config["sampling"]
        amounts = [self._amount(stage.inputs[f"data{i}"], part["exponent"]) for i, part in enumerate(parts)]
        sizes = [max(1, round(one.instances)) for one in amounts]
        draws = draws_of(parts, sampling, sizes, options)
        shares = draws.first if draws.last is None else tuple((a + b) / 2 for a, b in zip(draws.first, draws.last))
        steps = draws.steps
        mean = sum(share * one.tokens for share, one in zip(shares, amounts, strict=True))
        weights = [share * one.tokens / mean for share, one in zip(shares, amounts, strict=True)]
        masked = [float(part["options"].get("rate", TYPES.get(part["type"]).usual.predicted)) for part in parts]
        whole = any(not TASK_TYPES.get(part["type"]).splits_batches for part in parts)
        load = Load(
            steps=steps,
            tokens=steps * options.batch_size * float(mean),
            keys=float(sum(weight * one.keys for weight, one in zip(weights, amounts, strict=True))),
            longest=max(one.longest for one in amounts),
            batch=options.batch_size,
            whole=whole,
            masked=float(sum(weight * rate for weight, rate in zip(weights, masked, strict=True))),
            most_masked=max(masked),
            precision=options.precision,
        )
        return load, amounts

    def _predict(self, stage: Stage, plan: StagePlan) -> StagePlan:
        kind = stage.config["type"]
        data = self._amount(stage.inputs["data"], 1.0)
        shape, route = self._model(stage)
        at_once = min(max(self.hardware.use.micro_batch_tokens, AT_ONCE), data.total)
        passes, note = read_over(kind, len(stage.config["labels"]))
        load = Load(
            tokens=passes * data.total, keys=data.keys, longest=data.longest, precision=stage.config["precision"]
        )
        how = (route, at_once, TASK_TYPES.get(kind).all_layers)
        cost = inference(shape, _adapted(stage), load, self.hardware, how)
        return replace(
            plan,
            tokens=load.tokens,
            flops=cost.flops,
            memory=cost.memory,
            hours=cost.hours,
            disk=disk.predicted(kind, data.rows, cost.counts.layers),
            estimated=data.estimated,
            fits=self._fits(cost.memory),
            notes=(*cost.notes, *note),
        )

    def _prepare(self, stage: Stage, plan: StagePlan) -> StagePlan:
        data = self._amount(stage, 1.0)
        notes = (data.note,) if data.note else ()
        return replace(plan, disk=disk.prepared(stage.config["type"], data), estimated=data.estimated, notes=notes)

    def _start(self, stage: Stage, plan: StagePlan) -> StagePlan:
        counts = counts_of(self._shape(stage), route=stage.config.get("route"))
        source = stage.settings.get("source")
        local = source is not None and Path(source).is_dir()
        made = "source" not in stage.settings or "random_like" in stage.config
        copied = made or (local and 4 * counts.total < COPIED_BYTES)
        return replace(plan, disk=disk.started(counts, copied))

    def _evaluate(self, stage: Stage, plan: StagePlan) -> StagePlan:
        data = self._amount(stage.inputs["data"], 1.0)
        return replace(plan, disk=disk.evaluated(data.rows), estimated=data.estimated)

    def _tokenizer(self, stage: Stage, plan: StagePlan) -> StagePlan:
        """A tokenizer that is to be trained; a copied one has as many bytes as that of its model."""
        pieces = int(stage.config["trained"]["vocabulary"]) if "trained" in stage.config else 0
        return replace(plan, disk=disk.TOKENIZER_PIECE * pieces)

    def _model(self, stage: Stage) -> tuple[Mapping[str, Any], Any]:
        start = start_of(stage)
        return self._shape(start), start.config.get("route")

    def _fits(self, memory: Memory) -> bool | None:
        return memory.total <= self.hardware.device.usable if self.hardware.device.is_gpu else None


def tuning_of(options: TrainConfig) -> Tuning:
    """What a phase trains, as the arithmetic needs it."""
    tuning = Tuning(frozen_layers=options.frozen_layers, frozen_embeddings=options.frozen_embeddings)
    if options.lora is None:
        return tuning
    lora = options.lora
    quantized = options.quantize is not None
    return replace(tuning, rank=lora.rank, targets=tuple(lora.targets), quantized=quantized)


def _adapted(predict: Stage) -> Tuning:
    """How the weights of a predict stage's model are held: as under the adapters trained last, or as it says."""
    model, held = predict.inputs["model"], predict.config.get("held")
    if held is not None:
        return Tuning(held=True, quantized=held["quantize"] is not None)
    return tuning_of(TrainConfig(**model.config["train"])) if "train" in model.config else Tuning()


def models_of(cells: Iterable[tuple[str, Stage]]) -> dict[str, str]:
    """Stage key -> name of the first backbone that needs it, from pairs (backbone, evaluate stage); data has none."""
    names: dict[str, str] = {}
    for name, stage in cells:
        waiting = [stage]
        while waiting:
            one = waiting.pop()
            if one.kind not in ("prepare", "world", "tokenizer", "translate") and one.key not in names:
                names[one.key] = name
                waiting.extend(one.inputs.values())
    return names


def total(plans: Sequence[StagePlan]) -> dict[str, Any]:
    """Sums over stages; memory is the largest, scratch too."""
    hours = sum((plan.hours for plan in plans), NOTHING)
    peaks = [plan.memory.total for plan in plans if plan.memory is not None]
    return {
        "run": sum(not plan.cached for plan in plans),
        "cached": sum(plan.cached for plan in plans),
        "tokens": round(sum(plan.tokens for plan in plans)),
        "flops": sum(plan.flops for plan in plans),
        "hours": {"usual": hours.usual, "low": hours.low, "high": hours.high},
        "memory": round(max(peaks, default=0.0)),
        "disk": round(sum(plan.disk for plan in plans)),
        "scratch": round(max((plan.scratch for plan in plans), default=0.0)),
        "estimated": any(plan.estimated for plan in plans),
        "unfit": sum(plan.fits is False for plan in plans),
    }
