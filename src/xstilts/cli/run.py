"""`xstilts run`: carrying an experiment out, its table, and its report."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

from xstilts.cli.progress import Style, follow
from xstilts.core.machine import Machine
from xstilts.core.stopping import told_when_stopped
from xstilts.experiment import Experiment
from xstilts.graph.store import Store
from xstilts.reports import Analysis, main_tables, plain_report, rich_table, write_analysis
from xstilts.session.grid import Data, Grid
from xstilts.session.loading import load
from xstilts.session.results import analysis_of, mixtures, report_folder
from xstilts.session.run import Result, check_device, run_of
from xstilts.stages.digests import DIGESTS, remembered
from xstilts.studies.files import packaged


def demonstration(from_scratch: bool) -> Experiment:
    """The packaged experiment on the shipped encoders, or on the same ones pretrained here."""
    experiment = load(packaged("demo"))
    if not from_scratch:
        return experiment
    names = {spec.name for spec in experiment.backbones}
    trained = tuple(spec for spec in load(packaged("encoders")).backbones if spec.name in names)
    return experiment.model_copy(update={"backbones": trained})


def run_experiment(
    experiment: Experiment, data: Data, store: Path, machine: Machine, as_json: bool, command: str
) -> tuple[Grid, Analysis | None]:
    """Run what is missing, then print the table and write the report.

    Returns:
        the grid, and the report's estimates where any target is measured.

    Exits with 1 when a stage failed; with 2, when all that failed did so for a mistake in the data or the experiment;
    with 128 and the signal's number when stopped.
    """
    machine = check_device(machine)
    with remembered(store / DIGESTS):
        grid, place = Grid.of(experiment, data), Store(store)
    style: Style = "json" if as_json else "person" if sys.stdout.isatty() else "log"
    run = run_of(experiment, grid, place, machine, data)
    for notice in run.notices:
        sys.stderr.write(f"note: {notice}\n")

    def kept() -> str:
        there = run.outcome.counts["done"] + run.outcome.counts["cached"]
        return (
            f"{there} of {run.total} stages are finished and kept, and so is the last checkpoint of what was being "
            "trained"
        )

    with stoppable(kept, passed_on=bool(machine.ranks)):  # who started the others says why
        follow(run, run.grid.stages, style, work=run.work)
    analysis = None
    if any(place.has(cell.stage) for cell in grid.cells if cell.role == "target"):
        analysis = analysis_of(grid, place, command)
        folder = report_folder(experiment, place.root)
        write_analysis(analysis, folder)
        for line in mixtures(grid, place):
            sys.stderr.write(f"note: {line}\n")
        if not as_json:
            _print_table(analysis, style)
            sys.stdout.write(f"\n{run.outcome.line} on {machine.device}\nreport: {folder / 'index.html'}\n")
    _fail(run.outcome)
    return grid, analysis


@contextmanager
def stoppable(kept: Callable[[], str], passed_on: bool = False) -> Iterator[None]:
    """A block that Ctrl-C and SIGTERM end with a line at once, one that says what is `kept`, and 128 + the signal.

    Args:
        passed_on: raise KeyboardInterrupt instead: whoever started this process ends it.
    """
    try:
        with told_when_stopped():
            yield
    except KeyboardInterrupt as stop:
        sys.stderr.write(f"stopped: {kept()}; the same command goes on from there\n")
        if passed_on:
            raise
        raise typer.Exit(128 + (stop.args[0] if stop.args else signal.SIGINT)) from None


def _fail(result: Result) -> None:
    for cause in result.causes:
        sys.stderr.write(f"failed: {cause.line}\n")
    if result.failures:
        raise typer.Exit(2 if result.mistake else 1)


def _print_table(analysis: Analysis, style: Style) -> None:
    if style == "person":
        from rich.console import Console

        console = Console()
        for table in main_tables(analysis):
            console.print(rich_table(table))
    else:
        sys.stdout.write("\n" + plain_report(analysis))
