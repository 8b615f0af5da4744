"""What a user types after `xstilts choose`."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from xstilts.cli.options import DataOption, DeviceOption, JsonOption, StoreOption, TokensOption, WorkersOption
from xstilts.core.machine import Machine


def choose(  # noqa: PLR0913, PLR0917
    file: Annotated[
        Path | None,
        typer.Argument(help="Experiment file. Default: --backbone with its usual settings.", show_default=False),
    ] = None,
    target: Annotated[str | None, typer.Option(help="Task to choose for.", show_default=False)] = None,
    sources: Annotated[
        str,
        typer.Option("--from", help="Candidates, separated by commas: mnli,squad_v1. Default: the recipes of FILE."),
    ] = "",
    budget: Annotated[
        str, typer.Option(help="Share of the cost of the full grid (0.3, 30%), or computing time (20m, 2h).")
    ] = "0.3",
    backbone: Annotated[
        str | None,
        typer.Option(help="Backbone to start from; required without FILE, or if FILE has several.", show_default=False),
    ] = None,
    world: Annotated[
        int | None, typer.Option(help="Number of a microworld; only without FILE.", show_default=False)
    ] = None,
    scores: Annotated[
        str,
        typer.Option(
            help="Cheap scores, separated by commas: text, task, logme, h_score, uniformity; or all; or none."
        ),
    ] = "all",
    evaluate: Annotated[
        bool, typer.Option("--evaluate", help="Measure how well choosing works on the finished grid of FILE.")
    ] = False,
    grid: Annotated[
        Path | None,
        typer.Option(help="Store that holds that grid, if not --store; it is only read.", show_default=False),
    ] = None,
    data: DataOption = None,
    store: StoreOption = Path("runs"),
    workers: WorkersOption = None,
    device: DeviceOption = "auto",
    micro_batch_tokens: TokensOption = 8192,
    as_json: JsonOption = False,
) -> None:
    """Rank intermediate tasks for a target task, without training the full grid.

    Computes cheap scores of every candidate, then trains short runs and keeps
    the better half in each round (successive halving), judged on English
    validation data, until the budget is spent. No intermediate task is always
    a candidate. Labels in other languages are never read (docs/choosing.md).

    Examples:
      xstilts choose table1 --target xnli --from mnli,squad_v1 --data official
      xstilts choose experiments/choosing.yaml --evaluate --store runs/choosing
    """
    from xstilts.cli.choose import Asked, show_choice, show_worth
    from xstilts.cli.run import stoppable

    machine = Machine(device, workers, micro_batch_tokens=micro_batch_tokens)
    asked = Asked(target, sources, budget, backbone, world, scores, as_json, shlex.join(["xstilts", *sys.argv[1:]]))
    with stoppable(lambda: "what is finished is kept"):
        if evaluate:
            return show_worth(file, data, store, grid, asked, machine)
        return show_choice(file, data, store, asked, machine)
