"""`xstilts run` and `demo`: carrying an experiment out, its table, and its report."""

from __future__ import annotations

import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xstilts.cli import options as opt
from xstilts.cli.output import lines
from xstilts.cli.progress import Style, follow
from xstilts.core.machine import Machine
from xstilts.core.stopping import told_when_stopped
from xstilts.experiment import Experiment
from xstilts.graph.store import Store
from xstilts.session.grid import Data, Grid, report_folder, written_table
from xstilts.session.loading import Loaded, load, load_study
from xstilts.session.run import check_device, run_of
from xstilts.stages.digests import DIGESTS, remembered
from xstilts.studies.files import packaged

if TYPE_CHECKING:
    from xstilts.reports import Analysis
    from xstilts.reports.study import Study


def demo(
    from_scratch: Annotated[
        bool, typer.Option(help="Pretrain the encoders as well: an hour and a half on one CPU core.")
    ] = False,
    store: opt.Store = Path("runs/demo"),
    workers: opt.Workers = None,
    as_json: opt.Json = False,
) -> None:
    """Run a complete small experiment on the built-in benchmark, offline.

    Starts from pretrained encoders that come with xstilts, compares several
    recipes with their controls on several targets, and ends with a table and
    a report: runs/demo/reports/demo/index.html.

    Example:
      xstilts demo
    """
    said = "xstilts demo --from-scratch" if from_scratch else "xstilts demo"
    loaded = Loaded(demonstration(from_scratch), None)
    run_experiment(loaded, None, store, Machine(workers=workers), as_json, said)


def run(  # noqa: PLR0913, PLR0917
    file: opt.File,
    data: opt.Data = None,
    store: opt.Store = Path("runs"),
    workers: opt.Workers = None,
    device: opt.Device = "auto",
    devices: opt.Devices = 1,
    shard: opt.Shard = False,
    offload: opt.Offload = False,
    recompute: opt.Recompute = False,
    micro_batch_tokens: opt.Tokens = 8192,
    threads: opt.Threads = None,
    executor: opt.Executor = "local",
    slurm_options: opt.Slurm = "",
    address: opt.Address = "",
    remote: opt.Remote = "",
    sets: opt.Set = None,
    limit: opt.Limit = None,
    as_json: opt.Json = False,
) -> None:
    """Run an experiment: train, evaluate, print the table and write the report.

    Stages that are finished are not computed again. Ctrl-C saves a
    checkpoint, and the same command resumes from it. On several nodes:
    torchrun ... --no-python xstilts run FILE (docs/training.md).

    Examples:
      xstilts run first.yaml
      xstilts run table1 --data official --device cuda
      xstilts run table1 --executor slurm --workers 8 --device cuda
      xstilts run table1 --device cuda --remote s3://bucket/table1
    """
    from xstilts.cli.torchrun import together

    with together(devices) as (count, ranks):
        machine = Machine(device, workers, threads, micro_batch_tokens, count, ranks, shard, offload, recompute)
        machine = replace(machine, executor=executor, slurm_options=slurm_options, address=address, remote=remote)
        changed = opt.sets_of(sets, limit)
        said = opt.command("run", file, data, changed)
        loaded = Loaded(load(file, changed), load_study(file).study)
        run_experiment(loaded, data, store, machine, as_json, said)


def demonstration(from_scratch: bool) -> Experiment:
    """The packaged experiment on the shipped encoders, or on the same ones pretrained here."""
    experiment = load(packaged("demo"))
    if not from_scratch:
        return experiment
    names = {spec.name for spec in experiment.backbones}
    trained = tuple(spec for spec in load(packaged("encoders")).backbones if spec.name in names)
    return experiment.model_copy(update={"backbones": trained})


def run_experiment(
    loaded: Loaded,
    data: Data,
    store: Path,
    machine: Machine,
    as_json: bool,
    command: str,
    anew: bool = False,
) -> tuple[Analysis, Study | None] | None:
    """Run what is missing, then print the table and write the report, unless it would be the one that is there.

    Args:
        loaded: with the study that the experiment is part of, whose claims the report judges.
        command: what to type for the same.
        anew: write the report in any case.

    Returns:
        the report's estimates and the study's verdicts, where it was written.

    Exits with 1 if a stage failed; with 2 if all failures are mistakes in the data or the experiment; with 128 and the
    signal's number if stopped.
    """
    (experiment, spec), machine = loaded, check_device(machine)
    with remembered(store / DIGESTS):
        grid, place = Grid.of(experiment, data), Store(store)
    style: Style = "json" if as_json else "person" if sys.stdout.isatty() else "log"
    run = run_of(experiment, grid, place, machine, data)
    sys.stderr.writelines(f"note: {notice}\n" for notice in run.notices)

    def kept() -> str:
        there = run.outcome.counts["done"] + run.outcome.counts["cached"]
        said = f"{there} of {len(grid.stages)} stages are finished and kept"
        return f"{said}, and so is the last checkpoint of what was being trained"

    with stoppable(kept):
        follow(run, grid.stages, style, work=run.work)
    folder, found = report_folder(experiment, place.root), None
    if any(place.has(cell.stage) for cell in grid.cells if cell.role == "target"):
        text = None if anew else written_table(grid, place, command, folder, spec)
        if text is None:
            from xstilts.session.about import mixtures  # it takes a second, as does the next
            from xstilts.session.results import write_report_of

            found = write_report_of(grid, place, command, folder, spec)
            sys.stderr.writelines(f"note: {line}\n" for line in mixtures(grid, place))
        if not as_json:
            _print_table(found[0] if found else text or "")
            known = "" if found else " (as it was: nothing is new)"
            lines(["", f"{run.outcome.line} on {machine.device}", f"report: {folder / 'index.html'}{known}"])
    sys.stderr.writelines(f"failed: {cause}\n" for cause in run.outcome.causes)
    if run.outcome.failures:
        raise typer.Exit(2 if run.outcome.mistake else 1)
    return found


@contextmanager
def stoppable(kept: Callable[[], str]) -> Iterator[None]:
    """A block that Ctrl-C and SIGTERM end with a line at once, one that says what is `kept`, and 128 + the signal."""
    try:
        with told_when_stopped():
            yield
    except KeyboardInterrupt as stop:
        sys.stderr.write(f"stopped: {kept()}; the same command goes on from there\n")
        raise typer.Exit(128 + (stop.args[0] if stop.args else signal.SIGINT)) from None


def _print_table(found: Analysis | str) -> None:
    """The main table of the report: its text where that is known."""
    if not isinstance(found, str):
        from xstilts.reports import plain_report

        found = plain_report(found, min(100, max(80, shutil.get_terminal_size().columns)))
    sys.stdout.write(f"\n{found}")
