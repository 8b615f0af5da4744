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
        help="Folder of official data files; may be repeated. Your own files are first looked for beside FILE.",
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
StoreOption = Annotated[Path, typer.Option("--store", envvar="XSTILTS_STORE", help="Folder of the results.")]
WorkersOption = Annotated[
    int | None,
    typer.Option(
        min=0,
        help="Stages to run in parallel, each in its own process; 0: in this process. Default: one per CPU core, "
        "or two per GPU, one of which uses it.",
        show_default=False,
    ),
]
DeviceOption = Annotated[
    str, typer.Option(help="Device to compute on: cpu, cuda, cuda:1, mps ...; auto: a GPU if there is one.")
]
TokensOption = Annotated[int, typer.Option(min=16, help="Tokens per micro-batch; lower it if memory runs out.")]
FileArgument = Annotated[
    Path, typer.Argument(help="Experiment file (YAML), or the name of one that comes with xstilts.", show_default=False)
]
StageArgument = Annotated[
    str,
    typer.Argument(
        help="Key of a finished train, predict or evaluate stage; its first digits are enough.", show_default=False
    ),
]
ExperimentOption = Annotated[
    Path | None,
    typer.Option("--experiment", help="Experiment file that declares tasks of your own.", show_default=False),
]
TaskOption = Annotated[str | None, typer.Option(help="Task whose head is used; required if the model has several.")]
ThreadsOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Threads per worker. Default: OMP_NUM_THREADS if it is set, else the CPU cores divided by the workers.",
        show_default=False,
    ),
]
DevicesOption = Annotated[int, typer.Option(min=1, help="Devices that train one stage together (DDP).")]
ShardOption = Annotated[bool, typer.Option("--shard", help="Shard every layer across these devices (FSDP2).")]
OffloadOption = Annotated[bool, typer.Option("--offload", help="Keep shards in CPU memory while they are not used.")]
RecomputeOption = Annotated[
    bool, typer.Option("--recompute", help="Recompute activations in the backward pass: less memory, more time.")
]
ExecutorOption = Annotated[str, typer.Option(help="Where stages are computed: local, slurm or ray (docs/clusters.md).")]
SlurmOption = Annotated[
    str, typer.Option("--slurm-options", help="Further options of srun: '--partition gpu --time 8:00:00'.")
]
AddressOption = Annotated[
    str, typer.Option(help="Ray cluster, as HOST:6379. Default: RAY_ADDRESS, else one on this machine alone.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="PLACE=VALUE",
        help="Replace a value of FILE: train.epochs=1, targets.0.limit=50; may be repeated.",
        show_default=False,
    ),
]
LimitOption = Annotated[
    int | None,
    typer.Option(
        help="Use a sample of N examples of each split only, to try FILE: --set limit=N.",
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
