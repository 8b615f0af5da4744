"""Devices by name: memory and peak speed. Dense figures, without structured sparsity, as the data sheets give them.

H200, H100, A100 (SXM), L40S, T4: NVIDIA's data sheets; figures with sparsity are halved. RTX 4090: NVIDIA Ada GPU
architecture whitepaper, appendix A (FP32 accumulation). The T4 has no bf16 units and runs bf16 at the speed of fp32.
fp32 is the rate of ordinary cores: TF32 is off in this package.

`cpu` is one core with two 256-bit fused multiply-add units at 2.5 GHz (2 units x 8 lanes x 2 operations x 2.5 GHz), in
bf16 the same. Its memory is not checked, and its hours are core-hours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from xstilts.core.errors import UnknownName


class Device(NamedTuple):
    """A device: bytes of memory (0: not checked), and peak FLOP/s of dense matrix products."""

    name: str
    memory: int
    bf16: float
    fp32: float

    @property
    def is_gpu(self) -> bool:
        return self.memory > 0

    @property
    def usable(self) -> int:
        """Bytes left for tensors: 1 GB for the driver's context and libraries, 5 % for the allocator's gaps."""
        return int((self.memory - 1e9) * 0.95) if self.memory else 0


_TABLE = (
    Device("h200", 141_000_000_000, 989e12, 67e12),
    Device("h100", 80_000_000_000, 989e12, 67e12),
    Device("a100-80", 80_000_000_000, 312e12, 19.5e12),
    Device("a100-40", 40_000_000_000, 312e12, 19.5e12),
    Device("l40s", 48_000_000_000, 362e12, 91.6e12),
    Device("rtx4090", 24_000_000_000, 165.2e12, 82.6e12),
    Device("t4", 16_000_000_000, 8.1e12, 8.1e12),
    Device("cpu", 0, 80e9, 80e9),
)
DEVICES = {device.name: device for device in _TABLE}


def device(name: str) -> Device:
    """The device called `name`, in any case. Raises `UnknownName`."""
    if name.lower() not in DEVICES:
        raise UnknownName("device", name, DEVICES)
    return DEVICES[name.lower()]


def device_called(name: str) -> Device | None:
    """The device whose name is part of what a driver calls it, such as `NVIDIA A100-SXM4-80GB`; None if unknown."""
    squeezed = name.lower().replace(" ", "")
    return next((one for one in _TABLE if one.is_gpu and all(part in squeezed for part in one.name.split("-"))), None)


class Utilisation(NamedTuple):
    """Share of the peak that useful FLOPs reach (model FLOPs utilisation, Chowdhery et al. 2022, appendix B).

    Assumed: PaLM 540B reached 46 % (ibid., table 3) and GPT models of 22 B to 1 T 42 to 54 % (Korthikanti et al. 2022,
    table 5); models below a billion parameters and short packs reach less.
    """

    low: float = 0.15
    usual: float = 0.35
    high: float = 0.50


@dataclass(frozen=True)
class Hours:
    """Device-hours: usual, and the ends of the range of utilisation."""

    usual: float = 0.0
    low: float = 0.0
    high: float = 0.0

    def __add__(self, other: Hours) -> Hours:
        return Hours(self.usual + other.usual, self.low + other.low, self.high + other.high)


def device_hours(flops: float, device: Device, precision: str, share: Utilisation) -> Hours:
    """Hours on one device; several devices divide them."""
    full = flops / (device.bf16 if precision == "bf16" else device.fp32) / 3600.0
    return Hours(full / share.usual, full / share.high, full / share.low)
