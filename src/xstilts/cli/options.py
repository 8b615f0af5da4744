"""Arguments and options that several verbs share."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

Folders = Sequence[Path] | None
"""Data folders, as given."""

File = Annotated[Path, Argument(help="Experiment file (YAML), or the name of one that comes with xstilts.")]
Stage = Annotated[
    str, Argument(help="Key of a finished train, predict or evaluate stage; its first digits are enough.")
]
Data = Annotated[
    list[Path] | None,
    Option(
        "--data",
        envvar="XSTILTS_DATA",
        help="Folder with official data files; may be repeated. Your own files are searched beside FILE first.",
    ),
]
Store = Annotated[Path, Option("--store", envvar="XSTILTS_STORE", help="Folder of the results.")]
Json = Annotated[bool, Option("--json", help="Print JSON.")]
Experiment = Annotated[Path | None, Option("--experiment", help="Experiment file that declares tasks of your own.")]
Task = Annotated[str | None, Option(help="Task whose head to use; required if the model has several.")]
Workers = Annotated[
    int | None,
    Option(
        min=0,
        help="Stages to run in parallel, each in its own process; 0: in this process. Default: one per CPU core, "
        "or two per GPU, one of which uses it.",
    ),
]
Threads = Annotated[
    int | None,
    Option(
        min=1,
        help="Threads per worker. Default: OMP_NUM_THREADS if it is set, else the CPU cores divided by the workers, "
        "or by the train stages that can run at a time if these are fewer.",
    ),
]
Device = Annotated[str, Option(help="Device: cpu, cuda, cuda:1, mps ...; auto: a GPU if there is one.")]
Tokens = Annotated[int, Option(min=16, help="Tokens per micro-batch; lower it if memory runs out.")]
Devices = Annotated[int, Option(min=1, help="Devices per training stage (DDP).")]
Shard = Annotated[bool, Option("--shard", help="Shard every layer across the devices of a stage (FSDP2).")]
Offload = Annotated[bool, Option("--offload", help="Offload shards to CPU memory when they are not in use.")]
Recompute = Annotated[
    bool, Option("--recompute", help="Recompute activations in the backward pass: less memory, more time.")
]
Executor = Annotated[str, Option(help="Where stages run: local, slurm or ray (docs/clusters.md).")]
Slurm = Annotated[str, Option("--slurm-options", help="Further options of srun: '--partition gpu --time 8:00:00'.")]
Address = Annotated[
    str, Option(help="Ray cluster, as HOST:6379. Default: RAY_ADDRESS, else one on this machine alone.")
]
Remote = Annotated[
    str,
    Option(
        envvar="XSTILTS_REMOTE",
        metavar="URL",
        help="Fetch stages that are finished at URL, such as s3://BUCKET/FOLDER, and push the others there "
        "(docs/clusters.md).",
    ),
]
Set = Annotated[
    list[str] | None,
    Option(
        "--set",
        metavar="PLACE=VALUE",
        help="Override a value of FILE: train.epochs=1, targets.0.limit=50; may be repeated.",
    ),
]
Limit = Annotated[
    int | None, Option(metavar="N", help="Try FILE on a sample of N examples per split; the same as --set limit=N.")
]


def sets_of(sets: Sequence[str] | None, limit: int | None) -> list[str]:
    """What `--set` and `--limit` replace."""
    return [*(sets or ()), *([f"limit={limit}"] if limit is not None else [])]


def command(verb: str, name: object, data: Folders, sets: Sequence[str] = ()) -> str:
    """The command line that does the same again."""
    folders = [word for folder in data or () for word in ("--data", str(folder))]
    return shlex.join(["xstilts", verb, str(name), *folders, *(word for said in sets for word in ("--set", said))])
