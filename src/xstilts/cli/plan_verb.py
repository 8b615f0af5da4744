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
    device: Annotated[
        str, typer.Option(help="Device to plan for: h200, h100, a100-80, a100-40, l40s, rtx4090, t4 or cpu.")
    ] = "h100",
    devices: DevicesOption = 1,
    shard: ShardOption = False,
    offload: OffloadOption = False,
    recompute: RecomputeOption = False,
    micro_batch_tokens: TokensOption = 8192,
    mfu: Annotated[
        float | None, typer.Option(help="Model FLOPs utilisation that you measured, from 0 to 1.", show_default=False)
    ] = None,
    sets: SetOption = None,
    limit: LimitOption = None,
    stages: Annotated[bool, typer.Option("--stages", help="Print one row per stage.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Estimate tokens, FLOPs, memory, hours and disk of an experiment before it runs.

    Needs no weights, no network and no GPU. Without --data, the plan uses the
    row counts of the official releases and marks what it estimates. If a
    stage does not fit the device, it lists remedies, first those that leave
    the scores unchanged. Formulae and their measured error: docs/planning.md.

    Examples:
      xstilts plan curriculum-full
      xstilts plan curriculum-full --device rtx4090 --stages
      xstilts plan table1 --data official --device a100-80 --devices 4 --shard
    """
    from xstilts.cli.plan import Asked, show_plan
    from xstilts.core.machine import Machine

    use = Machine(
        micro_batch_tokens=micro_batch_tokens, devices=devices, shard=shard, offload=offload, recompute=recompute
    )
    show_plan(file, data, store, Asked(device, use, mfu, stages, as_json, sets_of(sets, limit)))
