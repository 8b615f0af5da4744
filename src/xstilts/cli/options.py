"""Arguments and options that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xstilts.core.errors import ConfigError

DataOption = Annotated[
    Path | None,
    typer.Option("--data", envvar="XSTILTS_DATA", help="Folder of official data files.", show_default=False),
]
JsonOption = Annotated[bool, typer.Option("--json", help="For a machine to read.")]
StoreOption = Annotated[Path, typer.Option("--store", envvar="XSTILTS_STORE", help="Where results are kept.")]
WorkersOption = Annotated[
    int | None,
    typer.Option(
        min=0, help="Processes at a time; 0: in this one. Default: one per core, or one on a GPU.", show_default=False
    ),
]
DeviceOption = Annotated[str, typer.Option(help="cpu, cuda, cuda:1 ...")]
TokensOption = Annotated[int, typer.Option(min=16, help="Tokens computed at a time; lower it when memory is short.")]
FileArgument = Annotated[
    Path, typer.Argument(help="Experiment file (YAML), or a name that comes with xstilts.", show_default=False)
]
StageArgument = Annotated[
    str,
    typer.Argument(help="Key of a finished train, predict or evaluate stage, or its first digits.", show_default=False),
]
TaskOption = Annotated[str | None, typer.Option(help="Task of the head; needed where there are several.")]
DevicesOption = Annotated[int, typer.Option(min=1, help="That train one phase together (DDP).")]
ShardOption = Annotated[bool, typer.Option("--shard", help="Each of them holds a part of every layer (FSDP2).")]
OffloadOption = Annotated[bool, typer.Option("--offload", help="Shards wait in the memory of the host.")]
RecomputeOption = Annotated[
    bool, typer.Option("--recompute", help="Compute activations twice instead of keeping them.")
]


def check_shards(devices: int, shard: bool, offload: bool) -> None:
    """Raises `ConfigError` for shards of one device, and for shards in the host's memory that are none."""
    if shard and devices == 1:
        raise ConfigError("--shard divides layers among devices: give --devices 2 or more")
    if offload and not shard:
        raise ConfigError("--offload is for shards: give --shard and --devices too")


def check_device(device: str, devices: int = 1, elsewhere: bool = False) -> None:
    """Refuse a device that is not here, before anything is computed.

    Args:
        devices: processes that train together, one a device; `elsewhere`: others start them.

    Raises:
        ConfigError: with what is here.
    """
    if device == "cpu":
        return
    import torch  # takes seconds: only who asks for a device waits

    found = torch.accelerator.current_accelerator(check_available=True)
    kind = found.type if found else "cuda"
    count = torch.accelerator.device_count() if found else 0
    here = ["cpu", *(f"{kind}:{number}" for number in range(count))]
    if device not in [*here, *([kind] if count else [])]:
        blind = "torch sees no GPU: see `nvidia-smi` and CUDA_VISIBLE_DEVICES"
        why = blind if torch.version.cuda else "this torch is built without CUDA: install one that has it"
        more = f"; {why}" if not count and device.partition(":")[0] in ("cuda", "gpu") else ""
        raise ConfigError(f"--device {device}: no such device here (there is: {', '.join(here)}){more}")
    if devices > 1 and not elsewhere:
        if device != kind:
            raise ConfigError(
                f"--device {device} with --devices {devices}: each has one of its own, say --device {kind}"
            )
        if devices > count:
            raise ConfigError(f"--devices {devices}: there are {count} here ({', '.join(here[1:])})")
