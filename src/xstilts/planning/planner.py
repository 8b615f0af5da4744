"""The plan of an experiment: the cost of each missing stage. Needs no weights, network or GPU."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from xstilts.data.readers.types import TYPES
from xstilts.graph.stage import Stage, graph
from xstilts.graph.store import Store
from xstilts.planning import costing
from xstilts.planning.amounts import NEW_TOKENS, Amount, amount, disk_of_features, read_over, tokens_in
from xstilts.planning.costing import Cost, Hardware, Load, Memory
from xstilts.planning.counts import Tuning, counts_of, shape_of, start_of
from xstilts.planning.devices import Hours
from xstilts.stages.describe import lineage
from xstilts.stages.models import COPIED_BYTES
from xstilts.stages.predicting import AT_ONCE, AT_ONCE_ON_CPU
from xstilts.task_types import TASK_TYPES
from xstilts.training.checkpoint import moments
from xstilts.training.config import TrainConfig
from xstilts.training.mixture import Mixture

NOTHING = Hours()


@dataclass(frozen=True)
class StagePlan:
    """The cost of one stage.

    Attributes:
        model: name of its backbone; empty for data.
        cached: it is finished; then all costs are 0.
        flops: useful FLOPs; `hours` include recomputed activations and waiting devices.
        disk: bytes when finished.
        fits: whether it fits the memory of the device; None if that is not checked.
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
    estimated: bool = False
    fits: bool | None = None
    notes: tuple[str, ...] = ()

    def row(self) -> dict[str, Any]:
        whole = {name: round(getattr(self, name)) for name in ("tokens", "disk")}
        memory = None if self.memory is None else self.memory.row()
        return {**vars(self), **whole, "memory": memory, "hours": dict(vars(self.hours)), "notes": list(self.notes)}


@dataclass
class Planner:
    """Plans stages one by one; `models`: stage key -> backbone name. Without a store nothing is finished."""

    store: Store | None
    hardware: Hardware
    models: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:  # many stages share these
        self._amount = cache(lambda prepared: amount(prepared, self.store))
        self._shape = cache(lambda start: shape_of(start, self.store))
        self._tokens = cache(lambda prepared: tokens_in(prepared, self.store))

    def plan(self, stages: Iterable[Stage]) -> list[StagePlan]:
        """One entry per stage, in the given order. Raises `BackboneError` and `DataError`."""
        plans = []
        for stage in stages:
            plan = StagePlan(stage.key, stage.kind, stage.label, self.models.get(stage.key, ""))
            done = self.store is not None and self.store.has(stage)
            plans.append(replace(plan, cached=True) if done else self._cost(stage, plan))
        return plans

    def flops(self, stage: Stage) -> float:
        return self._cost(stage, StagePlan(stage.key, stage.kind, stage.label)).flops

    def _cost(self, stage: Stage, plan: StagePlan) -> StagePlan:
        match stage.kind:
            case "train":
                return self._train(stage, plan)
            case "predict":
                return self._predict(stage, plan)
            case "prepare":
                data = self._amount(stage)
                notes, size = (data.note,) if data.note else (), disk_of_features(stage.config["type"], data)
                return replace(plan, disk=size, estimated=data.estimated, notes=notes)
            case "evaluate":
                data = self._amount(stage.inputs["data"])
                return replace(plan, disk=6000.0 + 12.0 * data.rows, estimated=data.estimated)
            case "start":
                counts = counts_of(self._shape(stage), route=stage.config.get("route"))
                source = stage.settings.get("source")
                small = source is not None and Path(source).is_dir() and 4 * counts.total < COPIED_BYTES
                copied = small or "source" not in stage.settings or "random_like" in stage.config
                size = 4.0 * counts.total + costing.TOKENIZER_PIECE * counts.vocabulary
                return replace(plan, disk=size if copied else 0.0)
            case "tokenizer" if "trained" in stage.config:  # a copied one is counted with its model
                return replace(plan, disk=costing.TOKENIZER_PIECE * int(stage.config["trained"]["vocabulary"]))
            case "world":
                return replace(plan, disk=22_000_000.0)
            case "translate":
                return replace(plan, estimated=True, notes=("hours and disk of machine translation are not planned",))
        return plan  # the rest write hard links or a few lines

    def _computed(self, plan: StagePlan, cost: Cost, **more: Any) -> StagePlan:
        usable = self.hardware.device.usable
        fits = cost.memory.total <= usable if self.hardware.device.is_gpu else None
        return replace(plan, **{"flops": cost.flops, "hours": cost.hours, "memory": cost.memory, "fits": fits, **more})

    def _train(self, stage: Stage, plan: StagePlan) -> StagePlan:
        options = TrainConfig(**stage.config["train"])
        tuning = tuning_of(options)
        load, amounts = self.load_of(stage, options)
        shape, route = self._model(stage)
        cost = costing.training(shape, tuning, load, self.hardware, route)
        counts, parts = cost.counts, stage.config["components"]
        heads = sum(costing.head_parameters(part["type"], len(part["labels"]), counts) for part in parts)
        disk = costing.disk_of_training(counts, tuning, heads, self._changed_rows(stage, counts.vocabulary))
        selection, evaluations = stage.config.get("selection", {}), 1
        if selection.get("by") in ("validation", "oracle"):  # without early stopping
            every = selection.get("evaluate_every")
            evaluations = len(moments(load.steps, selection.get("checkpoints", 0), every))
        dev = [self._amount(stage.inputs[f"dev{i}"]) for i in range(len(selection.get("judges", ())))]
        at_once = self.hardware.use.micro_batch_tokens
        judged = [self._reading(stage, data, options.precision, at_once) for data in dev] * evaluations
        notes = cost.notes
        if judged and self.hardware.use.shard:
            problem = "--shard does not work with selection on validation data during training"
            notes = (*notes, f"{problem}: give `select: last` or `average`, and one learning rate")
        return self._computed(
            plan,
            cost,
            steps=load.steps,
            tokens=load.tokens,
            flops=cost.flops + sum(one.flops for one in judged),
            hours=sum((one.hours for one in judged), cost.hours),
            disk=disk,
            estimated=any(one.estimated for one in amounts),
            notes=notes,
        )

    def _changed_rows(self, stage: Stage, vocabulary: int) -> float:
        """Rows of the word embedding that a phase and those before it change (`xstilts.stages.models`).

        They are those of the tokens in the data, assumed where these are not prepared; all rows if an output layer or a
        head reads them too.
        """
        whole, read = start_of(stage).config.get("output") == "text", dict[Stage, None]()
        for phase in lineage(stage):
            types = [TASK_TYPES.get(part["type"]) for part in phase.config.get("components", ())]
            if whole or not types or any(one.pretrained_head or one.head_of for one in types):
                break
            read |= {one: None for role, one in phase.inputs.items() if role.startswith(("data", "dev"))}
        if not read:
            return vocabulary
        known = [ids for one in read if (ids := self._tokens(one)) is not None]
        unread = sum(self._amount(one).total for one in read if self._tokens(one) is None)
        counted = len(np.unique(np.concatenate(known))) if known else 0
        return min(float(vocabulary), max(counted, NEW_TOKENS[0] * unread ** NEW_TOKENS[1] if unread else 0.0))

    def _reading(
        self, stage: Stage, data: Amount, precision: str, at_once: int, passes: float = 1.0, all_layers: bool = False
    ) -> Cost:
        shape, route = self._model(stage)
        load = Load(tokens=passes * data.total, keys=data.keys, longest=data.longest, precision=precision)
        tokens = min(at_once, data.total)
        return costing.inference(shape, _adapted(stage), load, self.hardware, route, tokens, all_layers)

    def load_of(self, stage: Stage, options: TrainConfig) -> tuple[Load, list[Amount]]:
        """The work of a train stage, with the mixture drawn as in `build_phase`."""
        mixture = Mixture.of(stage.config)
        amounts = [self._amount(stage.inputs[f"data{i}"]) for i in range(len(mixture.parts))]
        sizes = [max(1, round(one.instances)) for one in amounts]
        draws = mixture.draws(sizes, options)
        shares = draws.first if draws.last is None else tuple((a + b) / 2 for a, b in zip(draws.first, draws.last))
        mean = sum(share * one.tokens for share, one in zip(shares, amounts, strict=True))
        weights = [share * one.tokens / mean for share, one in zip(shares, amounts, strict=True)]
        masked = [float(part.options.get("rate", TYPES.get(part.type).usual.predicted)) for part in mixture.parts]
        load = Load(
            steps=draws.steps,
            tokens=draws.steps * options.batch_size * float(mean),
            keys=float(sum(weight * one.keys for weight, one in zip(weights, amounts, strict=True))),
            longest=max(one.longest for one in amounts),
            batch=options.batch_size,
            whole=any(not TASK_TYPES.get(part.type).splits_batches for part in mixture.parts),
            masked=float(sum(weight * rate for weight, rate in zip(weights, masked, strict=True))),
            most_masked=max(masked),
            precision=options.precision,
        )
        return load, amounts

    def _predict(self, stage: Stage, plan: StagePlan) -> StagePlan:
        kind, precision = stage.config["type"], stage.config["precision"]
        data, at_once = self._amount(stage.inputs["data"]), max(self.hardware.use.micro_batch_tokens, AT_ONCE)
        at_once = at_once if self.hardware.device.is_gpu else AT_ONCE_ON_CPU
        passes, note = read_over(kind, len(stage.config["labels"]))
        cost = self._reading(stage, data, precision, at_once, passes, TASK_TYPES.get(kind).all_layers)
        # One line per example; retrieval writes one per layer, raw and centred.
        lines = data.rows * (2 * (cost.counts.layers + 1) if kind == "retrieval" else 1)
        size, notes = lines * TYPES.get(kind).usual.prediction, (*cost.notes, *note)
        tokens = passes * data.total
        return self._computed(plan, cost, tokens=tokens, disk=size, estimated=data.estimated, notes=notes)

    def _model(self, stage: Stage) -> tuple[Mapping[str, Any], Any]:
        start = start_of(stage)
        return self._shape(start), start.config.get("route")


def tuning_of(options: TrainConfig) -> Tuning:
    """The options of a phase that change its cost."""
    tuning = Tuning(frozen_layers=options.frozen_layers, frozen_embeddings=options.frozen_embeddings)
    if (lora := options.lora) is None:
        return tuning
    return tuning._replace(rank=lora.rank, targets=tuple(lora.targets), quantized=options.quantize is not None)


def _adapted(predict: Stage) -> Tuning:
    """The precision of a predict stage's weights: as with the adapters trained last, or as its config says."""
    model, held = predict.inputs["model"], predict.config.get("held")
    if held is not None:
        return Tuning(held=True, quantized=held["quantize"] is not None)
    return tuning_of(TrainConfig(**model.config["train"])) if "train" in model.config else Tuning()


def models_of(cells: Iterable[tuple[str, Stage]]) -> dict[str, str]:
    """Stage key -> name of the first backbone that needs it, from pairs (backbone, evaluate stage); not for data."""
    names: dict[str, str] = {}
    for name, stage in cells:
        for one in graph([stage]):
            if one.kind not in ("prepare", "world", "tokenizer", "translate"):
                names.setdefault(one.key, name)
    return names


def total(plans: Sequence[StagePlan]) -> dict[str, Any]:
    """Sums over stages; of memory the maximum."""
    hours = sum((plan.hours for plan in plans), NOTHING)
    peaks = [plan.memory.total for plan in plans if plan.memory is not None]
    return {
        "run": sum(not plan.cached for plan in plans),
        "cached": sum(plan.cached for plan in plans),
        "tokens": round(sum(plan.tokens for plan in plans)),
        "flops": sum(plan.flops for plan in plans),
        "hours": dict(vars(hours)),
        "memory": round(max(peaks, default=0.0)),
        "disk": round(sum(plan.disk for plan in plans)),
        "estimated": any(plan.estimated for plan in plans),
        "unfit": sum(plan.fits is False for plan in plans),
    }
