"""The contenders: ways to train that are compared, as values; and how ours is set up."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import torch

from xstilts.backbones.backbone import bf16_is_slow
from xstilts.backbones.load import load_backbone
from xstilts.backbones.names import Backend, Route
from xstilts.task_types.features import tokens_of
from xstilts.training.config import TrainConfig
from xstilts.training.loop import Phase
from xstilts.training.mixture import Part
from xstilts.training.model import TaskModel, narrow
from xstilts.training.plan import Plan, Source

if TYPE_CHECKING:
    from benchmarks.data import Bench

RATE, DECAY, DROPOUT = 5e-5, 0.01, 0.1
"""The Trainer's default rate; the decay of XTREME's scripts; dropout before heads."""


@dataclass(frozen=True)
class Contender:
    """One way to train.

    Attributes:
        grouped: batches of similar lengths: `group_by_length` of the Trainer, `bucket` of ours.
        route, backend, whole: ours alone; `whole` trains the rows of all pieces, not of those in the data alone.
    """

    library: Literal["Trainer", "xstilts"]
    precision: Literal["fp32", "bf16"]
    grouped: bool = False
    route: Route = "packed"
    backend: Backend = "segments"
    whole: bool = False

    @property
    def name(self) -> str:
        if self.library == "Trainer":
            return f"Trainer {self.precision}{' group_by_length' if self.grouped else ''}"
        backend = "" if self.backend == "segments" else f" {self.backend}"
        order = " buckets" if self.grouped else ""
        return f"xstilts {self.precision} {self.route}{backend}{order}{' all rows' if self.whole else ''}"


TRAINER = Contender("Trainer", "fp32")
TRAINER_BF16 = Contender("Trainer", "bf16")
TRAINER_BEST = Contender("Trainer", "bf16", grouped=True)
PACKED = Contender("xstilts", "bf16")
PACKED_BUCKETS = Contender("xstilts", "bf16", grouped=True)
PADDED = Contender("xstilts", "bf16", route="padded")
WHOLE_BUCKETS = Contender("xstilts", "bf16", grouped=True, whole=True)
VARLEN = Contender("xstilts", "bf16", backend="varlen")
VARLEN_BUCKETS = Contender("xstilts", "bf16", grouped=True, backend="varlen")

# Neighbours are what is compared first of all, so that they run one after the other.
COMPARED = (TRAINER, TRAINER_BF16, PACKED, TRAINER_BEST, PACKED_BUCKETS)
PARTS = (PADDED, WHOLE_BUCKETS)
"""What packing and the active vocabulary bring."""


def in_fp32(contender: Contender) -> Contender:
    """The same in fp32."""
    return replace(contender, precision="fp32")


def contenders(device: str, parts: bool = True) -> tuple[Contender, ...]:
    """All contenders of a device, in the order in which they run; in fp32 alone on a CPU that emulates bf16."""
    chosen = COMPARED + (PARTS if parts else ())
    if bf16_is_slow(device):
        return tuple(dict.fromkeys(map(in_fp32, chosen)))
    return (*chosen, *((VARLEN, VARLEN_BUCKETS) if device == "cuda" and _varlen_works() else ()))


def _varlen_works() -> bool:
    """Whether this torch and this GPU have `varlen_attn`."""
    states = torch.ones(4, 1, 64, device="cuda", dtype=torch.bfloat16)
    offsets = torch.tensor([0, 3, 4], device="cuda", dtype=torch.int32)
    try:
        from torch.nn.attention.varlen import varlen_attn

        varlen_attn(states, states, states, offsets, offsets, 3, 3)
    except (ImportError, RuntimeError):
        return False
    return True


def make_phase(contender: Contender, bench: Bench, seed: int) -> Phase:
    """Data, plan and configuration of one of our runs."""
    steps, spec = bench.warmup + bench.steps, bench.spec
    config = TrainConfig(
        steps=steps,
        batch_size=bench.batch,
        learning_rate=RATE,
        weight_decay=DECAY,
        warmup=0.0,
        precision=contender.precision,
        backend=contender.backend,
        head_dropout=DROPOUT,
        bucket=bench.group if contender.grouped else 0,
    )
    source = Source.single(spec.task, bench.features.lengths)
    plan = Plan((source,), (1.0,), bench.batch, steps, seed, config.bucket)
    return Phase((Part(spec.task, spec.type, spec.labels),), (spec.task_type,), (bench.features,), plan, config)


def set_up(contender: Contender, bench: Bench, seed: int) -> tuple[TaskModel, Phase]:
    """Model and phase of one of our runs, as a train stage has them before its first step."""
    backbone = load_backbone(str(bench.model), route=contender.route, backend=contender.backend)
    phase = make_phase(contender, bench, seed).suited(backbone)
    model = TaskModel(backbone, [bench.spec], DROPOUT, seed)
    if not contender.whole:
        narrow(model, tokens_of([bench.features]))
    return model.to(bench.device), phase
