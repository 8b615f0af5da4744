"""`xstilts run` and `demo`: carrying an experiment out, its table, and its report."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xstilts.cli.options import (
    AddressOption,
    DataOption,
    DeviceOption,
    DevicesOption,
    ExecutorOption,
    FileArgument,
    JsonOption,
    LimitOption,
    OffloadOption,
    RecomputeOption,
    SetOption,
    ShardOption,
    SlurmOption,
    StoreOption,
    ThreadsOption,
    TokensOption,
    WorkersOption,
    command,
    sets_of,
)
from xstilts.cli.progress import Style, follow
from xstilts.core.machine import Machine
from xstilts.core.stopping import told_when_stopped
from xstilts.experiment import Experiment
from xstilts.graph.store import Store
from xstilts.session.grid import Data, Grid
from xstilts.session.loading import load
from xstilts.session.reported import report_folder, written_table
from xstilts.session.run import Result, check_device, run_of
from xstilts.stages.digests import DIGESTS, remembered
from xstilts.studies.files import packaged

if TYPE_CHECKING:
    from xstilts.reports import Analysis


def demo(
    from_scratch: Annotated[
        bool, typer.Option(help="Pretrain the encoders as well: an hour and a half on one CPU core.")
    ] = False,
    store: StoreOption = Path("runs/demo"),
    workers: WorkersOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run a complete small experiment on the built-in benchmark, offline.

    Starts from pretrained encoders that come with xstilts, compares several
    recipes with their controls on several targets, and ends with a table and
    a report: runs/demo/reports/demo/index.html.

    Example:
      xstilts demo
    """
    said = "xstilts demo --from-scratch" if from_scratch else "xstilts demo"
    run_experiment(demonstration(from_scratch), None, store, Machine(workers=workers), as_json, said)


def run(  # noqa: PLR0913, PLR0917
    file: FileArgument,
    data: DataOption = None,
    store: StoreOption = Path("runs"),
    workers: WorkersOption = None,
    device: DeviceOption = "auto",
    devices: DevicesOption = 1,
    shard: ShardOption = False,
    offload: OffloadOption = False,
    recompute: RecomputeOption = False,
    micro_batch_tokens: TokensOption = 8192,
    threads: ThreadsOption = None,
    executor: ExecutorOption = "local",
    slurm_options: SlurmOption = "",
    address: AddressOption = "",
    sets: SetOption = None,
    limit: LimitOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run an experiment: train, evaluate, print the table and write the report.

    Stages that are finished are not computed again. Ctrl-C saves a
    checkpoint, and the same command resumes from it. On several nodes:
    torchrun ... --no-python xstilts run FILE (docs/training.md).

    Examples:
      xstilts run first.yaml
      xstilts run table1 --data official --device cuda
      xstilts run table1 --executor slurm --workers 8 --device cuda
    """
    from xstilts.cli.torchrun import together

    with together(devices) as (count, ranks):
        machine = Machine(device, workers, threads, micro_batch_tokens, count, ranks, shard, offload, recompute)
        machine = replace(machine, executor=executor, slurm_options=slurm_options, address=address)
        changed = sets_of(sets, limit)
        said = command("run", file, data, changed)
        run_experiment(load(file, changed), data, store, machine, as_json, said)


def demonstration(from_scratch: bool) -> Experiment:
    """The packaged experiment on the shipped encoders, or on the same ones pretrained here."""
    experiment = load(packaged("demo"))
    if not from_scratch:
        return experiment
    names = {spec.name for spec in experiment.backbones}
    trained = tuple(spec for spec in load(packaged("encoders")).backbones if spec.name in names)
    return experiment.model_copy(update={"backbones": trained})


def run_experiment(
    experiment: Experiment,
    data: Data,
    store: Path,
    machine: Machine,
    as_json: bool,
    command: str,
    anew: bool = False,
) -> tuple[Grid, Analysis | None]:
    """Run what is missing, then print the table and write the report, unless it would be the one that is there.

    Args:
        command: what to type for the same.
        anew: write the report in any case.

    Returns:
        the grid, and the report's estimates where it was written.

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
    folder, found, text = report_folder(experiment, place.root), None, None
    if any(place.has(cell.stage) for cell in grid.cells if cell.role == "target"):
        text = None if anew else written_table(grid, place, command, folder)
        if text is None:
            from xstilts.session.results import mixtures, write_report_of  # a second, of which most runs anew need none

            found = write_report_of(grid, place, command, folder)
            for line in mixtures(grid, place):
                sys.stderr.write(f"note: {line}\n")
        if not as_json:
            if found is None:
                sys.stdout.write(f"\n{text}")
            else:
                _print_table(found, style)
            known = " (as it was: nothing is new)" if found is None else ""
            sys.stdout.write(f"\n{run.outcome.line} on {machine.device}\nreport: {folder / 'index.html'}{known}\n")
    _fail(run.outcome)
    return grid, found


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
    from xstilts.reports import main_tables, plain_report, rich_table

    if style == "person":
        from rich.console import Console

        console = Console()
        for table in main_tables(analysis):
            console.print(rich_table(table))
    else:
        sys.stdout.write("\n" + plain_report(analysis))
