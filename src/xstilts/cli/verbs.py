"""What a user types."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from xstilts import __version__
from xstilts.cli.check import check
from xstilts.cli.choose_verb import choose
from xstilts.cli.data_verbs import data_app
from xstilts.cli.model_verbs import export, predict
from xstilts.cli.options import (
    DataOption,
    DeviceOption,
    DevicesOption,
    ExperimentOption,
    FileArgument,
    JsonOption,
    LimitOption,
    OffloadOption,
    RecomputeOption,
    SetOption,
    ShardOption,
    StoreOption,
    ThreadsOption,
    TokensOption,
    WorkersOption,
    command,
    sets_of,
)
from xstilts.cli.output import emit
from xstilts.cli.plan_verb import plan
from xstilts.cli.study_verbs import claims, study
from xstilts.core.machine import Machine
from xstilts.graph.store import Store

app = typer.Typer(
    help="English intermediate-task training for zero-shot cross-lingual transfer.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.add_typer(data_app, name="data")
app.command()(check)
app.command()(plan)
app.command()(study)
app.command()(claims)
app.command()(choose)
app.command()(export)
app.command()(predict)


@app.callback(invoke_without_command=True)
def version(show: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False) -> None:
    """English intermediate-task training for zero-shot cross-lingual transfer."""
    if show:
        sys.stdout.write(f"xstilts {__version__}\n")
        raise typer.Exit


@app.command()
def demo(
    from_scratch: Annotated[
        bool, typer.Option(help="Pretrain the encoders too (an hour and a half of one core).")
    ] = False,
    store: StoreOption = Path("runs/demo"),
    workers: WorkersOption = None,
    as_json: JsonOption = False,
) -> None:
    """The whole story on the embedded benchmark: pretrained encoders, recipes, targets, controls, report."""
    from xstilts.cli.run import demonstration, run_experiment

    command = "xstilts demo --from-scratch" if from_scratch else "xstilts demo"
    run_experiment(demonstration(from_scratch), None, store, Machine(workers=workers), as_json, command)


@app.command()
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
    sets: SetOption = None,
    limit: LimitOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run what is missing of an experiment, then print its table and write its report.

    What is finished is kept: interrupt it, and the same command goes on.

    On several nodes: torchrun ... --no-python xstilts run FILE (docs/training.md).
    """
    from xstilts.cli.run import run_experiment
    from xstilts.cli.torchrun import together
    from xstilts.session.loading import load

    with together(devices) as (count, ranks):
        machine = Machine(device, workers, threads, micro_batch_tokens, count, ranks, shard, offload, recompute)
        changed = sets_of(sets, limit)
        said = command("run", file, data, changed)
        run_experiment(load(file, changed), data, store, machine, as_json, said)


@app.command()
def status(
    file: Annotated[
        Path | None, typer.Argument(help="Experiment file; none: the whole store.", show_default=False)
    ] = None,
    data: DataOption = None,
    store: StoreOption = Path("runs"),
    as_json: JsonOption = False,
) -> None:
    """What is finished, what is missing, and what the store takes on disk."""
    from xstilts.cli.show import show_status

    show_status(file, data, store, as_json)


@app.command()
def clean(
    store: StoreOption = Path("runs"),
    remove: Annotated[bool, typer.Option("--remove", help="Remove them; without it they are only listed.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List the stages in the store that no experiment needs as it was last run there, and remove them with --remove.

    To forget an experiment, delete its file in the store's folder experiments/.
    """
    from xstilts.cli.show import show_unneeded

    show_unneeded(store, remove, as_json)


@app.command()
def scores(
    file: FileArgument,
    data: DataOption = None,
    store: StoreOption = Path("runs"),
    task: Annotated[str | None, typer.Option(help="Only this task.")] = None,
    language: Annotated[str | None, typer.Option(help="Only this language.")] = None,
    benchmark: Annotated[
        str | None, typer.Option(help="Official means instead, with their coverage: xtreme or xtreme-r.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """The score rows of an experiment, one per line, with their signatures."""
    from xstilts.cli.show import show_scores

    show_scores(file, data, store, {"task": task, "language": language, "benchmark": benchmark}, as_json)


@app.command()
def submission(  # noqa: PLR0913, PLR0917
    file: FileArgument,
    recipe: Annotated[str, typer.Option(help="Recipe as the tables call it, e.g. '\\[mnli]'.", show_default=False)],
    to: Annotated[Path, typer.Option(help="Folder to write; new or empty.", show_default=False)],
    data: DataOption = None,
    store: StoreOption = Path("runs"),
    backbone: Annotated[str | None, typer.Option(help="Needed where there are several.", show_default=False)] = None,
    seed: Annotated[int | None, typer.Option(help="Needed where there are several.", show_default=False)] = None,
    benchmark: Annotated[str, typer.Option(help="The benchmark: xtreme.")] = "xtreme",
    partial: Annotated[bool, typer.Option("--partial", help="Write what is there.")] = False,
    as_json: JsonOption = False,
) -> None:
    """The leaderboard folder of one finished run: checked file by file, refused where files are missing."""
    from xstilts.cli.submission import Chosen, show_submission

    options = {"benchmark": benchmark, "partial": partial, "json": as_json}
    show_submission(file, data, store, Chosen(recipe, backbone, seed), to, options)


@app.command()
def report(
    file: FileArgument,
    data: DataOption = None,
    store: StoreOption = Path("runs"),
    to: Annotated[Path | None, typer.Option(help="Folder of the report.", show_default=False)] = None,
) -> None:
    """Write the report of what is finished: one HTML page, Markdown, CSV, plots."""
    from xstilts.session.loading import load
    from xstilts.session.results import write_report

    place = Store(store, must_exist=True)
    page = write_report(load(file), place, data, command("report", file, data), to)
    sys.stdout.write(f"{page}\n")


@app.command("list")
def list_(
    what: Annotated[str, typer.Argument(help="tasks, languages, backbones, metrics or models.")] = "tasks",
    store: StoreOption = Path("runs"),
    as_json: JsonOption = False,
) -> None:
    """What there is: tasks, languages, backbones, metrics; models: those trained in the store, with their keys."""
    from xstilts.cli.show import show_list

    show_list(what, store, as_json)


@app.command()
def show(
    name: Annotated[
        str, typer.Argument(help="A task, language, metric, model by its short name, or the key of a finished stage.")
    ],
    store: StoreOption = Path("runs"),
    experiment: ExperimentOption = None,
    as_json: JsonOption = False,
) -> None:
    """All about one thing: a task with its protocol, source and defects; a language; a stage."""
    from xstilts.cli.show import show_one

    show_one(name, store, experiment, as_json)


@app.command()
def score(
    task: Annotated[str, typer.Argument(help="Task, e.g. xquad, xnli, panx, udpos, mlqa, tatoeba, bucc2018.")],
    language: Annotated[str, typer.Option(help="Language code, e.g. de.")],
    gold: Annotated[Path, typer.Option(help="Official file with gold.")],
    predictions: Annotated[Path, typer.Option(help="Predictions in XTREME's submission form, or our JSONL.")],
    experiment: ExperimentOption = None,
    as_json: JsonOption = False,
) -> None:
    """The official score of anybody's predictions.

    Gold is a file of labels alone, or what the data set is released in: tables, JSON lines, SQuAD's JSON, CoNLL-U,
    Tatoeba's texts, BUCC's .gold, XQuAD-R, Mewsli-X's mentions. Files may be packed (gzip, bzip2, xz, zstd, zip) or
    pipes; - is standard input.
    """
    from xstilts.session.loading import load
    from xstilts.session.results import score_rows

    found = score_rows(task, language, gold, predictions, load(experiment) if experiment else None)
    if as_json:
        emit([row.row() for row in found])
        return
    for row in found:
        sys.stdout.write(f"{row.metric:<18}{row.value:8.2f}   {row.signature}\n")
