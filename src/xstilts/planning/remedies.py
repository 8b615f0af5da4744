"""What would make a training stage fit: first what costs nothing, then time, then devices, then the result itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from xstilts.core.machine import Machine
from xstilts.planning.costing import Hardware, Load, training
from xstilts.planning.devices import Hours
from xstilts.planning.formulas import Counts, Tuning, fewer_tokens

RANK = 16
SHARDS = (2, 4, 8, 16)


@dataclass(frozen=True)
class Remedy:
    """A change, what memory and hours would then be, and whether that fits.

    Attributes:
        result: whether scores would change beyond rounding.
    """

    change: str
    memory: float
    hours: Hours
    fits: bool
    result: bool

    def row(self) -> dict[str, Any]:
        """A JSON object."""
        hours = {"usual": self.hours.usual, "low": self.hours.low, "high": self.hours.high}
        return {
            "change": self.change,
            "memory": round(self.memory),
            "hours": hours,
            "fits": self.fits,
            "changes_the_result": self.result,
        }


def remedies(
    shape: Mapping[str, Any], tuning: Tuning, load: Load, hardware: Hardware, route: Any, judged: bool
) -> list[Remedy]:
    """One way of each kind, in order of their cost: the first that fits, else the one that saves most.

    Args:
        judged: whether the weights are judged while they train, as shards cannot be.
    """
    found = []
    for ways in _ways(tuning, load, hardware):
        tried: list[Remedy] = []
        for change, how, where in ways:
            cost = training(shape, how, load, where, route)
            fits = cost.memory.total <= hardware.device.usable
            other = (how.rank, how.quantized) != (tuning.rank, tuning.quantized)
            if judged and where.use.shard:
                change, other = f"{change} with `select: last`", True
            tried.append(Remedy(change, cost.memory.total, cost.hours, fits, other))
            if fits:
                break
        if tried:
            found.append(next((one for one in tried if one.fits), min(tried, key=lambda one: one.memory)))
    return found


def about_shards(machine: Machine, counts: Counts, judged: bool) -> list[str]:
    """What shards ask for beside memory on the devices."""
    if not machine.shard:
        return []
    whole = 4 * counts.total / 1e9
    notes = [f"each of {machine.devices} processes first reads all weights into the host's memory: {whole:,.0f} GB"]
    if judged:
        notes.append(
            "--shard is refused where weights are judged on validation while they train: give `select: last` or "
            "`average`, and one learning rate"
        )
    return notes


Way = tuple[str, Tuning, Hardware]


def _ways(tuning: Tuning, load: Load, hardware: Hardware) -> Iterator[list[Way]]:
    """Kinds of change, the least costly first; each a list from the smallest change to the largest."""
    budgets = [] if load.whole else fewer_tokens(hardware.use.micro_batch_tokens, load.longest)
    yield [(f"--micro-batch-tokens {budget}", tuning, hardware.using(micro_batch_tokens=budget)) for budget in budgets]
    least = hardware.using(micro_batch_tokens=budgets[-1]) if budgets else hardware
    small = f" and {least.use.micro_batch_tokens:,} tokens" if budgets else ""
    if not hardware.use.recompute:
        yield [("--recompute", tuning, _saving(hardware)), (f"--recompute{small}", tuning, _saving(least))]
    more = [shards for shards in SHARDS if shards > hardware.use.devices or not hardware.use.shard]
    yield [
        way
        for shards in more
        for way in (
            (f"--devices {shards} --shard", tuning, _sharded(hardware, shards)),
            (f"--devices {shards} --shard --recompute{small}", tuning, _saving(_sharded(least, shards))),
        )
    ]
    if not tuning.rank:
        yield _adapted(f"LoRA of rank {RANK}", replace(tuning, rank=RANK), hardware, least, small)
    if not tuning.quantized:
        four = replace(tuning, rank=tuning.rank or RANK, quantized=True)
        yield _adapted("QLoRA (4 bits)", four, hardware, least, small)


def _saving(hardware: Hardware) -> Hardware:
    return hardware.using(recompute=True)


def _sharded(hardware: Hardware, devices: int) -> Hardware:
    return hardware.using(devices=devices, shard=True)


def _adapted(name: str, tuning: Tuning, hardware: Hardware, least: Hardware, small: str) -> list[Way]:
    return [(name, tuning, hardware), (f"{name}, --recompute{small}", tuning, _saving(least))]
