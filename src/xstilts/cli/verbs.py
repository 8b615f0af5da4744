"""What a user types."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from xstilts import __version__
from xstilts.cli.check import check
from xstilts.cli.choose_verb import choose
from xstilts.cli.data_verbs import data_app
from xstilts.cli.known_verbs import list_, score, show
from xstilts.cli.model_verbs import export, predict
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
from xstilts.cli.plan_verb import plan
from xstilts.cli.study_verbs import claims, study
from xstilts.core.machine import Machine
from xstilts.graph.store import Store

ABOUT = """Train multilingual models on English tasks and measure them in other languages.

An experiment file names backbones, recipes of intermediate tasks, and target
tasks. xstilts trains every combination once, evaluates it zero-shot in every
language with the official metrics, and reports the gains with intervals.

Try it:
  xstilts demo                    a small experiment, without downloads
  xstilts check first.yaml        what your experiment file would read
  xstilts run first.yaml          train, evaluate and report
"""
RUN, READ, USE, KNOW = "Run experiments", "Read results", "Use trained models", "Tasks and data"

app = typer.Typer(
    help=ABOUT,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def version(show: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False) -> None:
    """What comes before any verb."""
    if show:
        sys.stdout.write(f"xstilts {__version__}\n")
        raise typer.Exit


@app.command(rich_help_panel=RUN)
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
    from xstilts.cli.run import demonstration, run_experiment

    command = "xstilts demo --from-scratch" if from_scratch else "xstilts demo"
    run_experiment(demonstration(from_scratch), None, store, Machine(workers=workers), as_json, command)


@app.command(rich_help_panel=RUN)
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
    from xstilts.cli.run import run_experiment
    from xstilts.cli.torchrun import together
    from xstilts.session.loading import load

    with together(devices) as (count, ranks):
        machine = Machine(device, workers, threads, micro_batch_tokens, count, ranks, shard, offload, recompute)
        machine = replace(machine, executor=executor, slurm_options=slurm_options, address=address)
        changed = sets_of(sets, limit)
        said = command("run", file, data, changed)
        run_experiment(load(file, changed), data, store, machine, as_json, said)


@app.command(rich_help_panel=RUN)
def status(
    file: Annotated[
        Path | None, typer.Argument(help="Experiment file. Default: everything in the store.", show_default=False)
    ] = None,
    data: DataOption = None,
    store: StoreOption = Path("runs"),
    as_json: JsonOption = False,
) -> None:
    """Show which stages are finished or missing, and how much disk they take.

    Examples:
      xstilts status
      xstilts status first.yaml --store runs
    """
    from xstilts.cli.show import show_status

    show_status(file, data, store, as_json)


@app.command(rich_help_panel=RUN)
def clean(
    store: StoreOption = Path("runs"),
    remove: Annotated[bool, typer.Option("--remove", help="Delete them, not only list them.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List stages in the store that no experiment needs; --remove deletes them.

    An experiment needs the stages of its last run in this store. To forget
    one, delete its file in the store's folder experiments/.

    Examples:
      xstilts clean
      xstilts clean --store runs/demo --remove
    """
    from xstilts.cli.show import show_unneeded

    show_unneeded(store, remove, as_json)


@app.command(rich_help_panel=READ)
def scores(
    file: FileArgument,
    data: DataOption = None,
    store: StoreOption = Path("runs"),
    task: Annotated[str | None, typer.Option(help="Only scores of this task.")] = None,
    language: Annotated[str | None, typer.Option(help="Only scores in this language.")] = None,
    benchmark: Annotated[
        str | None, typer.Option(help="Print the official means of xtreme or xtreme-r instead, and what they cover.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Print every score of an experiment, with the signature of its protocol.

    Examples:
      xstilts scores first.yaml --task xnli --language sw
      xstilts scores table1 --benchmark xtreme
    """
    from xstilts.cli.show import show_scores

    show_scores(file, data, store, {"task": task, "language": language, "benchmark": benchmark}, as_json)


@app.command(rich_help_panel=READ)
def submission(  # noqa: PLR0913, PLR0917
    file: FileArgument,
    recipe: Annotated[str, typer.Option(help="Recipe as the tables name it, e.g. '\\[mnli]'.", show_default=False)],
    to: Annotated[Path, typer.Option(help="Folder to write; must be new or empty.", show_default=False)],
    data: DataOption = None,
    store: StoreOption = Path("runs"),
    backbone: Annotated[str | None, typer.Option(help="Required if there are several.", show_default=False)] = None,
    seed: Annotated[int | None, typer.Option(help="Required if there are several.", show_default=False)] = None,
    benchmark: Annotated[str, typer.Option(help="Benchmark to submit to: xtreme.")] = "xtreme",
    partial: Annotated[bool, typer.Option("--partial", help="Leave out missing files instead of failing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write the predictions of one recipe as a folder for XTREME's leaderboard.

    Checks every file against the gold data. Missing files are an error.

    Example:
      xstilts submission table1 --recipe '\\[mnli]' --to submission
    """
    from xstilts.cli.submission import Chosen, show_submission

    options = {"benchmark": benchmark, "partial": partial, "json": as_json}
    show_submission(file, data, store, Chosen(recipe, backbone, seed), to, options)


@app.command(rich_help_panel=READ)
def report(
    file: FileArgument,
    data: DataOption = None,
    store: StoreOption = Path("runs"),
    to: Annotated[
        Path | None, typer.Option(help="Folder for the report. Default: reports/NAME in the store.", show_default=False)
    ] = None,
) -> None:
    """Write the report from the results so far: HTML page, Markdown, CSV, plots.

    Example:
      xstilts report first.yaml --to report
    """
    from xstilts.session.loading import load
    from xstilts.session.results import write_report

    place = Store(store, must_exist=True)
    page = write_report(load(file), place, data, command("report", file, data), to)
    sys.stdout.write(f"{page}\n")


for verb, panel in (
    (check, RUN),
    (plan, RUN),
    (choose, RUN),
    (study, RUN),
    (claims, READ),
    (export, USE),
    (predict, USE),
):
    app.command(rich_help_panel=panel)(verb)
app.command("list", rich_help_panel=KNOW)(list_)
app.command(rich_help_panel=KNOW)(show)
app.command(rich_help_panel=KNOW)(score)
app.add_typer(data_app, name="data", rich_help_panel=KNOW)
