"""`xstilts choose`: which intermediate task to take, and what choosing is worth."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from xstilts.choosing import SCORES, Budget, Choice, Chooser, Worth, choice_page, measure_worth, setting, worth_page
from xstilts.choosing.setting import from_names, of_backbone
from xstilts.cli.options import Folders
from xstilts.cli.output import emit
from xstilts.core.errors import ConfigError, UnknownName
from xstilts.core.files import write_text
from xstilts.core.machine import Machine
from xstilts.graph.events import Done, Event, Progress
from xstilts.graph.store import Store
from xstilts.reports.markdown import without_tags
from xstilts.session.loading import load
from xstilts.session.run import check_device, computing


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
    command: str = "xstilts choose"

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
    machine = check_device(machine)
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
    page = choice_page(choice, asked.command)
    path = store / "reports" / f"choose-{choice.target}.md"
    write_text(path, without_tags(page))
    if asked.as_json:
        emit(_choice_row(choice))
    else:
        sys.stdout.write(f"\n{page}\nreport: {path}\n")


def show_worth(
    file: Path | None, data: Folders, store: Path, grid: Path | None, asked: Asked, machine: Machine
) -> None:
    """Print what choosing is worth on a finished grid and write it to the store's `reports/choose-worth-NAME.md`."""
    machine = check_device(machine)
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
    page = worth_page(worth, asked.command)
    write_text(path, without_tags(page))
    if asked.as_json:
        emit(_worth_row(worth))
    else:
        sys.stdout.write(f"\n{page}\nreport: {path}\n")


def _tell(event: Event) -> None:
    """A line for each stage that ends, or has something to say."""
    if isinstance(event, Progress) and event.fraction is None and event.message:
        sys.stderr.write(f"{event.stage}: {event.message}\n")
    if isinstance(event, Done):
        sys.stderr.write(f"{event.stage} ({event.seconds:.1f} s)\n")


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


def _worth_row(worth: Worth) -> dict[str, Any]:
    return asdict(worth)
