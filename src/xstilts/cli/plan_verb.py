"""What a user types after `xstilts plan`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xstilts.cli.options import (
    DataOption,
    DevicesOption,
    FileArgument,
    JsonOption,
    LimitOption,
    OffloadOption,
    RecomputeOption,
    SetOption,
    ShardOption,
    StoreOption,
    TokensOption,
    sets_of,
)


def plan(  # noqa: PLR0913, PLR0917
    file: FileArgument,
    data: DataOption = None,
    store: StoreOption = Path("runs"),
    device: Annotated[str, typer.Option(help="h200, h100, a100-80, a100-40, l40s, rtx4090, t4 or cpu.")] = "h100",
    devices: DevicesOption = 1,
    shard: ShardOption = False,
    offload: OffloadOption = False,
    recompute: RecomputeOption = False,
    micro_batch_tokens: TokensOption = 8192,
    mfu: Annotated[
        float | None, typer.Option(help="Share of the device's peak that is reached, as measured.", show_default=False)
    ] = None,
    sets: SetOption = None,
    limit: LimitOption = None,
    stages: Annotated[bool, typer.Option("--stages", help="One row a stage.")] = False,
    as_json: JsonOption = False,
) -> None:
    """What an experiment will take before it is run: tokens, FLOPs, memory, hours, disk, and what will not fit.

    Needs neither weights nor network nor a GPU. Without a data folder the official numbers of rows are taken, and the
    plan says what it estimates. Where a stage does not fit the device, ways to make it fit stand below the table, those
    that leave scores alone first. The formulae and how far they were checked: docs/planning.md.

    Examples:

      xstilts plan curriculum-full

      xstilts plan curriculum-full --device rtx4090 --stages

      xstilts plan table1 --data official --device a100-80 --devices 4 --shard --json
    """
    from xstilts.cli.plan import Asked, show_plan
    from xstilts.core.machine import Machine

    use = Machine(
        micro_batch_tokens=micro_batch_tokens, devices=devices, shard=shard, offload=offload, recompute=recompute
    )
    show_plan(file, data, store, Asked(device, use, mfu, stages, as_json, sets_of(sets, limit)))
