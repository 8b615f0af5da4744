"""`xstilts choose`: which intermediate task to take, and what choosing is worth."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Option

from xstilts.choosing import SCORES, Budget, Choice, Chooser, choice_page, measure_worth, setting, worth_page
from xstilts.choosing.setting import from_names, of_backbone
from xstilts.cli import options as opt
from xstilts.cli.output import lines, show
from xstilts.cli.run import stoppable
from xstilts.core.errors import ConfigError, UnknownName
from xstilts.core.files import write_text
from xstilts.core.machine import Machine
from xstilts.experiment import Experiment
from xstilts.graph.events import Done, Event, Progress
from xstilts.graph.store import Store
from xstilts.reports.markdown import without_tags
from xstilts.session.loading import load
from xstilts.session.run import check_device, computing


def choose(  # noqa: PLR0913, PLR0917
    file: Annotated[Path | None, Argument(help="Experiment file. Default: --backbone with its usual settings.")] = None,
    target: Annotated[str | None, Option(help="Task to choose for.")] = None,
    sources: Annotated[
        str, Option("--from", help="Candidates, separated by commas: mnli,squad_v1. Default: the recipes of FILE.")
    ] = "",
    budget: Annotated[
        str, Option(help="Share of the cost of the full grid (0.3, 30%), or computing time (20m, 2h).")
    ] = "0.3",
    backbone: Annotated[
        str | None, Option(help="Backbone to start from; required without FILE, or if FILE has several.")
    ] = None,
    world: Annotated[int | None, Option(help="Number of a microworld; only without FILE.")] = None,
    scores: Annotated[
        str, Option(help="Cheap scores, separated by commas: text, task, logme, h_score, uniformity; or all; or none.")
    ] = "all",
    evaluate: Annotated[
        bool, Option("--evaluate", help="Measure how well choosing works on the finished grid of FILE.")
    ] = False,
    grid: Annotated[Path | None, Option(help="Store that holds that grid, if not --store; it is only read.")] = None,
    data: opt.Data = None,
    store: opt.Store = Path("runs"),
    workers: opt.Workers = None,
    device: opt.Device = "auto",
    micro_batch_tokens: opt.Tokens = 8192,
    as_json: opt.Json = False,
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
    said, parsed, tell = shlex.join(["xstilts", *sys.argv[1:]]), Budget.parse(budget), None if as_json else _tell
    with stoppable(lambda: "what is finished is kept"):
        if evaluate:
            if file is None:
                raise ConfigError("--evaluate needs the experiment file of a finished grid")
            if parsed.share is None:
                raise ConfigError(f"--evaluate with --budget {budget}: give a share of the grid's cost, such as 0.3")
            experiment, place = of_backbone(load(file), backbone), Store(store)
            finished = place if grid is None else Store(grid, must_exist=True)
            worth = measure_worth(experiment, data, (place, finished), computing(place, machine, tell), parsed)
            name, page, row = f"worth-{experiment.name}", worth_page(worth, said), asdict(worth)
        else:
            wanted, experiment = _scores(scores), _experiment(file, target, split_words(sources), backbone, world)
            place = Store(store)
            choice = Chooser(experiment, data, place, computing(place, machine, tell), wanted).choose(parsed)
            name, page, row = choice.target, choice_page(choice, said), _row(choice)
    write_text(path := store / "reports" / f"choose-{name}.md", without_tags(page))
    if as_json:
        show(row, as_json)
    else:
        lines(["", page, f"report: {path}"])


def _experiment(
    file: Path | None, target: str | None, candidates: list[str], backbone: str | None, world: int | None
) -> Experiment:
    """What to choose in: the file, narrowed to a target, or the usual settings of a backbone."""
    if target is None:
        raise ConfigError("name the task to choose for with --target, as in --target xnli")
    if file is not None and world is not None:
        raise ConfigError("--world is for a choice without a file: write `worlds:` into the file")
    if file is not None:
        return setting(load(file), target, candidates, backbone)
    if backbone is None or not candidates:
        raise ConfigError("give an experiment file, or --backbone and --from mnli,squad_v1,...")
    return from_names(target, candidates, backbone, world)


def _scores(text: str) -> Sequence[str]:
    """Names of cheap scores. Raises `UnknownName`."""
    if text in ("all", "none"):
        return SCORES if text == "all" else ()
    for name in split_words(text):
        if name not in SCORES:
            raise UnknownName("score", name, [*SCORES, "all", "none"])
    return split_words(text)


def split_words(text: str) -> list[str]:
    """Each word between commas once; commas within brackets belong to the word."""
    return list(dict.fromkeys(word for part in re.split(r",(?![^\[]*\])", text) if (word := part.strip())))


def _tell(event: Event) -> None:
    """A line for each stage that ends, or has something to say."""
    if isinstance(event, Done) or (isinstance(event, Progress) and event.fraction is None and event.message):
        sys.stderr.write(f"{event}\n")


def _row(choice: Choice) -> dict[str, Any]:
    ranking = [
        {**asdict(row), "gain": None if row.gain is None else {**asdict(row.gain), "clear": row.gain.clear}}
        for row in choice.rows
    ]
    rungs = [
        {"share": rung.share, "recipes": [*rung.values], "cost": rung.cost, "seconds": round(rung.seconds, 1)}
        for rung in choice.rungs
    ]
    names = ("target", "backbone", "judged_by", "seeds", "spent", "full", "allowed", "saved", "seconds")
    clear = [row.recipe for row in choice.clear]
    return {**{name: getattr(choice, name) for name in names}, "clear": clear, "ranking": ranking, "rungs": rungs}
