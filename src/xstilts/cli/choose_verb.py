"""What a user types after `xstilts choose`."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from xstilts.cli.options import DataOption, DeviceOption, JsonOption, StoreOption, TokensOption, WorkersOption


def choose(  # noqa: PLR0913, PLR0917
    file: Annotated[
        Path | None, typer.Argument(help="Experiment file; none: --backbone and its defaults.", show_default=False)
    ] = None,
    target: Annotated[str | None, typer.Option(help="Target task.", show_default=False)] = None,
    sources: Annotated[
        str, typer.Option("--from", help="Candidates with commas between: mnli,squad_v1. Else the file's recipes.")
    ] = "",
    budget: Annotated[str, typer.Option(help="Share of the full grid's cost (0.3, 30%) or a time (20m, 2h).")] = "0.3",
    backbone: Annotated[
        str | None, typer.Option(help="Of the file, where it has several; else what to start from.", show_default=False)
    ] = None,
    world: Annotated[int | None, typer.Option(help="Without a file: a microworld.", show_default=False)] = None,
    scores: Annotated[
        str, typer.Option(help="Cheap scores with commas between: text, task, logme, h_score, uniformity; all; none.")
    ] = "all",
    evaluate: Annotated[
        bool, typer.Option("--evaluate", help="Measure choosing itself: FILE's grid must be finished.")
    ] = False,
    grid: Annotated[
        Path | None, typer.Option(help="Store of that grid, if it is another one; only read.", show_default=False)
    ] = None,
    data: DataOption = None,
    store: StoreOption = Path("runs"),
    workers: WorkersOption = None,
    device: DeviceOption = "auto",
    micro_batch_tokens: TokensOption = 8192,
    as_json: JsonOption = False,
) -> None:
    """Which intermediate task to take for a target, before training all.

    Cheap scores, then successive halving on short runs judged by English validation data, within the budget. No
    intermediate task is always a candidate. No label of another language is read. How the scores are defined, and how
    far the choice can be trusted: docs/choosing.md.

    Examples:

      xstilts choose table1 --target xnli --from mnli,squad_v1,hellaswag --data official

      xstilts choose experiments/choosing.yaml --target micro_topic --from micro_nli,micro_choice --store runs/choosing

      xstilts choose --target micro_topic --from micro_nli,micro_choice --backbone microworld:mlm --world 1

      xstilts choose experiments/choosing.yaml --evaluate --store runs/choosing
    """
    from xstilts.cli.choose import Asked, show_choice, show_worth
    from xstilts.core.machine import Machine

    machine = Machine(device, workers, micro_batch_tokens=micro_batch_tokens)
    asked = Asked(target, sources, budget, backbone, world, scores, as_json, shlex.join(["xstilts", *sys.argv[1:]]))
    if evaluate:
        show_worth(file, data, store, grid, asked, machine)
    else:
        show_choice(file, data, store, asked, machine)
