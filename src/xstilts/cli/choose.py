"""`xstilts choose`: which intermediate task to take, and what choosing is worth."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from xstilts.choosing import SCORES, Budget, Choice, Chooser, choice_page, measure_worth, setting, worth_page
from xstilts.choosing.setting import from_names, of_backbone
from xstilts.cli.options import (
    DataOption,
    DeviceOption,
    Folders,
    JsonOption,
    StoreOption,
    TokensOption,
    WorkersOption,
)
from xstilts.cli.output import emit
from xstilts.cli.run import stoppable
from xstilts.core.errors import ConfigError, UnknownName
from xstilts.core.files import write_text
from xstilts.core.machine import Machine
from xstilts.graph.events import Done, Event, Progress
from xstilts.graph.store import Store
from xstilts.reports.markdown import without_tags
from xstilts.session.loading import load
from xstilts.session.run import check_device, computing


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
    machine = check_device(Machine(device, workers, micro_batch_tokens=micro_batch_tokens))
    asked = Asked(target, sources, budget, backbone, world, scores, as_json)
    with stoppable(lambda: "what is finished is kept"):
        if evaluate:
            show_worth(file, data, store, grid, asked, machine)
        else:
            show_choice(file, data, store, asked, machine)


@dataclass(frozen=True)
class Asked:
    """What a user asks for."""

    target: str | None
    sources: str = ""
    budget: str = "0.3"
    backbone: str | None = None
    world: int | None = None
    scores: str = "all"
    as_json: bool = False

    @property
    def command(self) -> str:
        """What was typed."""
        return shlex.join(["xstilts", *sys.argv[1:]])

    @property
    def candidates(self) -> list[str]:
        return _words(self.sources)

    @property
    def wanted(self) -> Sequence[str]:
        """Names of cheap scores. Raises `UnknownName`."""
        if self.scores in ("all", "none"):
            return SCORES if self.scores == "all" else ()
        for name in _words(self.scores):
            if name not in SCORES:
                raise UnknownName("score", name, [*SCORES, "all", "none"])
        return _words(self.scores)


def _words(text: str) -> list[str]:
    """What stands between commas, those within brackets left alone."""
    return list(dict.fromkeys(word for part in re.split(r",(?![^\[]*\])", text) if (word := part.strip())))


def show_choice(file: Path | None, data: Folders, store: Path, asked: Asked, machine: Machine) -> None:
    """Print the choice and write it to the store's `reports/choose-TARGET.md`."""
    if asked.target is None:
        raise ConfigError("name the task to choose for with --target, as in --target xnli")
    budget, wanted = Budget.parse(asked.budget), asked.wanted
    if file is not None:
        if asked.world is not None:
            raise ConfigError("--world is for a choice without a file: write `worlds:` into the file")
        experiment = setting(load(file), asked.target, asked.candidates, asked.backbone)
    elif asked.backbone is None or not asked.candidates:
        raise ConfigError("give an experiment file, or --backbone and --from mnli,squad_v1,...")
    else:
        experiment = from_names(asked.target, asked.candidates, asked.backbone, asked.world)
    place = Store(store)
    chooser = Chooser(experiment, data, place, computing(place, machine, None if asked.as_json else _tell), wanted)
    choice = chooser.choose(budget)
    path = store / "reports" / f"choose-{choice.target}.md"
    _show(choice_page(choice, asked.command), path, _choice_row(choice) if asked.as_json else None)


def show_worth(
    file: Path | None, data: Folders, store: Path, grid: Path | None, asked: Asked, machine: Machine
) -> None:
    """Print what choosing is worth on a finished grid and write it to the store's `reports/choose-worth-NAME.md`."""
    if file is None:
        raise ConfigError("--evaluate needs the experiment file of a finished grid")
    budget = Budget.parse(asked.budget)
    if budget.share is None:
        raise ConfigError(f"--evaluate with --budget {asked.budget}: give a share of the grid's cost, such as 0.3")
    experiment, place = of_backbone(load(file), asked.backbone), Store(store)
    finished = place if grid is None else Store(grid, must_exist=True)
    compute = computing(place, machine, None if asked.as_json else _tell)
    worth = measure_worth(experiment, data, (place, finished), compute, budget)
    path = store / "reports" / f"choose-worth-{experiment.name}.md"
    _show(worth_page(worth, asked.command), path, asdict(worth) if asked.as_json else None)


def _show(page: str, path: Path, row: dict[str, Any] | None) -> None:
    """Write the page into the store; print it, or its figures as JSON."""
    write_text(path, without_tags(page))
    if row is not None:
        emit(row)
    else:
        sys.stdout.write(f"\n{page}\nreport: {path}\n")


def _tell(event: Event) -> None:
    """A line for each stage that ends, or has something to say."""
    if isinstance(event, Progress) and event.fraction is None and event.message:
        sys.stderr.write(f"{event.stage}: {event.message}\n")
    if isinstance(event, Done):
        sys.stderr.write(f"{event}\n")


def _choice_row(choice: Choice) -> dict[str, Any]:
    rows = [
        {**asdict(row), "gain": None if row.gain is None else {**asdict(row.gain), "clear": row.gain.clear}}
        for row in choice.rows
    ]
    rungs = [
        {"share": r.share, "recipes": list(r.values), "cost": r.cost, "seconds": round(r.seconds, 1)}
        for r in choice.rungs
    ]
    names = ("target", "backbone", "judged_by", "seeds", "spent", "full", "allowed", "saved", "seconds")
    fields = {name: getattr(choice, name) for name in names}
    return {**fields, "clear": [row.recipe for row in choice.clear], "ranking": rows, "rungs": rungs}
