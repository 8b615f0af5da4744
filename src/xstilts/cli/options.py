"""Arguments and options that several verbs share."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

Folders = Sequence[Path] | None
"""Data folders, as given."""
DataOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--data",
        envvar="XSTILTS_DATA",
        help="Folder of official data files; may be given several times. Own files are looked for beside FILE first.",
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="For a machine to read.")]
StoreOption = Annotated[Path, typer.Option("--store", envvar="XSTILTS_STORE", help="Where results are kept.")]
WorkersOption = Annotated[
    int | None,
    typer.Option(
        min=0,
        help="Stages to run at a time, each in a process; 0: in this process. Default: one per core, or one on a GPU.",
        show_default=False,
    ),
]
DeviceOption = Annotated[str, typer.Option(help="cpu, cuda, cuda:1, mps ...; auto: a GPU where there is one.")]
TokensOption = Annotated[int, typer.Option(min=16, help="Tokens computed at a time; lower it if memory is short.")]
FileArgument = Annotated[
    Path, typer.Argument(help="Experiment file (YAML), or a name that comes with xstilts.", show_default=False)
]
StageArgument = Annotated[
    str,
    typer.Argument(help="Key of a finished train, predict or evaluate stage, or its first digits.", show_default=False),
]
ExperimentOption = Annotated[
    Path | None,
    typer.Option("--experiment", help="Experiment file whose own tasks are known too.", show_default=False),
]
TaskOption = Annotated[str | None, typer.Option(help="Task of the head; needed where there are several.")]
ThreadsOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Computing threads per worker. Default: OMP_NUM_THREADS, else the cores divided among the workers.",
        show_default=False,
    ),
]
DevicesOption = Annotated[int, typer.Option(min=1, help="Devices per training stage (DDP).")]
ShardOption = Annotated[bool, typer.Option("--shard", help="Divide every layer among these devices (FSDP2).")]
OffloadOption = Annotated[bool, typer.Option("--offload", help="Keep shards in the host's memory between uses.")]
RecomputeOption = Annotated[bool, typer.Option("--recompute", help="Recompute activations instead of keeping them.")]


SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="PLACE=VALUE",
        help="Replace a value of FILE: train.epochs=1, targets.0.limit=50; may be given several times.",
        show_default=False,
    ),
]
LimitOption = Annotated[
    int | None,
    typer.Option(
        help="Read the first N examples of each split only, to try FILE: --set limit=N.",
        metavar="N",
        show_default=False,
    ),
]


def sets_of(sets: Sequence[str] | None, limit: int | None) -> list[str]:
    """What `--set` and `--limit` replace."""
    return [*(sets or ()), *([f"limit={limit}"] if limit is not None else [])]


def command(verb: str, name: object, data: Folders, sets: Sequence[str] = ()) -> str:
    """What to type for the same again."""
    folders = [word for folder in data or () for word in ("--data", str(folder))]
    return shlex.join(["xstilts", verb, str(name), *folders, *(word for said in sets for word in ("--set", said))])
