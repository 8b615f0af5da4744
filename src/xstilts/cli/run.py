"""`xstilts run` and `demo`: run an experiment, print its table and write its report."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xstilts.cli import options as opt
from xstilts.cli.output import lines, terminal_width
from xstilts.cli.progress import Style, follow
from xstilts.core.machine import Machine
from xstilts.core.stopping import told_when_stopped
from xstilts.graph.environment import remarks
from xstilts.graph.store import Store
from xstilts.session.grid import Data, Grid, report_folder, written_table
from xstilts.session.loading import Loaded, load, load_study
from xstilts.session.run import check_device, run_of
from xstilts.stages.checksums import DIGESTS, remembered
from xstilts.studies.files import packaged

if TYPE_CHECKING:
    from xstilts.reports import Analysis
    from xstilts.reports.study import Study


def demo(
    from_scratch: Annotated[bool, typer.Option(help="Pretrain the encoders too: 90 minutes on one CPU core.")] = False,
    store: opt.Store = Path("runs/demo"),
    workers: opt.Workers = None,
    as_json: opt.Json = False,
) -> None:
    """Run a complete small experiment on the built-in benchmark, offline.

    Starts from built-in pretrained encoders, compares recipes and controls on
    several targets, and writes a table and a report:
    runs/demo/reports/demo/index.html.

    Example:
      xstilts demo
    """
    experiment, command = load(packaged("demo")), "xstilts demo"
    if from_scratch:  # the same encoders, pretrained here
        names, command = {spec.name for spec in experiment.backbones}, f"{command} --from-scratch"
        trained = tuple(spec for spec in load(packaged("encoders")).backbones if spec.name in names)
        experiment = experiment.model_copy(update={"backbones": trained})
    run_experiment(Loaded(experiment, None), None, store, Machine(workers=workers), as_json, command)


@opt.on_machine
def run(
    file: opt.File,
    machine: Mapping[str, Any],
    data: opt.Data = None,
    store: opt.Store = Path("runs"),
    sets: opt.Set = None,
    limit: opt.Limit = None,
    as_json: opt.Json = False,
) -> None:
    """Run an experiment: train, evaluate, print the table and write the report.

    Finished stages are not computed again. Ctrl-C saves a checkpoint, and
    the same command resumes from it. On several nodes:
    torchrun ... --no-python xstilts run FILE (docs/training.md).

    Examples:
      xstilts run first.yaml
      xstilts run table1 --data official --device cuda
      xstilts run table1 --executor slurm --workers 8 --device cuda
      xstilts run table1 --device cuda --remote s3://bucket/table1
    """
    with opt.machine_of(machine) as chosen:
        changed = opt.sets_of(sets, limit)
        loaded = load_study(file)
        if changed:
            loaded = loaded._replace(experiment=load(file, changed))
        run_experiment(loaded, data, store, chosen, as_json, opt.command("run", file, data, changed, store, machine))


def run_experiment(
    loaded: Loaded,
    data: Data,
    store: Path,
    machine: Machine,
    as_json: bool,
    command: str,
    rewrite: bool = False,
) -> tuple[Analysis, Study | None] | None:
    """Run what is missing, print the table, and write the report unless it would not change; returns its numbers.

    Exits with 1 if a stage failed; with 2 if the data or the experiment caused all failures; with 128 plus the signal's
    number if stopped.

    Args:
        command: the command line that repeats this.
        rewrite: write the report even if it would not change.
    """
    (experiment, spec), machine = loaded, check_device(machine)
    with remembered(store / DIGESTS):
        grid, place = Grid.of(experiment, data), Store(store)
    style: Style = "json" if as_json else "person" if sys.stdout.isatty() else "log"
    run = run_of(experiment, grid, place, machine, data)
    sys.stderr.writelines(f"note: {notice}\n" for notice in run.notices)

    def kept() -> str:
        there = f"{run.outcome.counts['done'] + run.outcome.counts['cached']} of {len(grid.stages)} stages"
        return f"{there} are finished and kept, and the last checkpoint of each running training stage is saved"

    with stoppable(kept):
        follow(run, grid.stages, style, work=run.work)
    folder, found = report_folder(experiment, place.root), None
    if any(place.has(cell.stage) for cell in grid.cells if cell.role == "target"):
        text = None if rewrite else written_table(grid, place, command, folder, spec)
        if text is None:
            from xstilts.session.results import write_report_of  # takes a second

            found = write_report_of(grid, place, command, folder, spec)
            sys.stderr.writelines(f"note: {line}\n" for line in remarks(place.records(grid.stages)))
        if not as_json:
            if found:
                from xstilts.reports import plain_report

                text = plain_report(found[0], terminal_width())
            sys.stdout.write(f"\n{text}")
            known = "" if found else " (unchanged)"
            lines(["", f"{run.outcome.line} on {machine.device}", f"report: {folder / 'index.html'}{known}"])
    sys.stderr.writelines(f"failed: {cause}\n" for cause in run.outcome.causes)
    if run.outcome.failures:
        raise typer.Exit(2 if run.outcome.mistake else 1)
    return found


@contextmanager
def stoppable(kept: Callable[[], str]) -> Iterator[None]:
    """In this block, Ctrl-C and SIGTERM print a line at once, then one with what is `kept`, and exit with 128 + n."""
    try:
        with told_when_stopped():
            yield
    except KeyboardInterrupt as stop:
        sys.stderr.write(f"stopped: {kept()}; run the same command to resume\n")
        raise typer.Exit(128 + (stop.args[0] if stop.args else signal.SIGINT)) from None
