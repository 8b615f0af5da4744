"""What a user types after `xstilts plan`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xstilts.cli.data_verbs import DataOption, JsonOption


def plan(  # noqa: PLR0913, PLR0917
    file: Annotated[Path, typer.Argument(help="Experiment file (YAML).", show_default=False)],
    data: DataOption = None,
    store: Annotated[Path, typer.Option("--store", envvar="XSTILTS_STORE", help="Where results are kept.")] = Path(
        "runs"
    ),
    device: Annotated[str, typer.Option(help="h200, h100, a100-80, a100-40, l40s, rtx4090, t4 or cpu.")] = "h100",
    devices: Annotated[int, typer.Option(min=1, help="That train one phase together (DDP).")] = 1,
    shard: Annotated[bool, typer.Option("--shard", help="Each of them holds a part of every layer (FSDP2).")] = False,
    offload: Annotated[bool, typer.Option("--offload", help="Shards wait in the memory of the host.")] = False,
    recompute: Annotated[
        bool, typer.Option("--recompute", help="Compute activations twice instead of keeping them.")
    ] = False,
    micro_batch_tokens: Annotated[int, typer.Option(min=16, help="Tokens computed at a time.")] = 8192,
    mfu: Annotated[
        float | None, typer.Option(help="Share of the device's peak that is reached, as measured.", show_default=False)
    ] = None,
    stages: Annotated[bool, typer.Option("--stages", help="One row a stage.")] = False,
    as_json: JsonOption = False,
) -> None:
    """What an experiment will take before it is run: tokens, FLOPs, memory, hours, disk, and what will not fit.

    Needs neither weights nor network nor a GPU. Without a data folder the official numbers of rows are taken, and the
    plan says what it estimates. Where a stage does not fit the device, ways to make it fit stand below the table, those
    that leave scores alone first. The formulae and how far they were checked: docs/planning.md.

    Examples:

      xstilts plan table1.yaml

      xstilts plan table1.yaml --device rtx4090 --stages

      xstilts plan table1.yaml --data official --device a100-80 --devices 4 --shard --json
    """
    from xstilts.cli.plan import Asked, show_plan
    from xstilts.planning.formulas import Spread

    spread = Spread(devices, shard, offload, recompute)
    show_plan(file, data, store, Asked(device, spread, micro_batch_tokens, mfu, stages, as_json))
