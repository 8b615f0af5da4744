"""Arguments and options that several verbs share."""

import inspect
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from functools import partial, wraps
from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Option

from xstilts.core.machine import Machine

File = Annotated[Path, Argument(help="Experiment file (YAML), or the name of a built-in one.")]
Stage = Annotated[str, Argument(help="Key of a finished train, predict or evaluate stage, or its first digits.")]
Data = Annotated[
    list[Path] | None,
    Option(
        "--data",
        envvar="XSTILTS_DATA",
        help="Folder with official data files; repeatable. Files of your own tasks are looked up next to FILE first.",
    ),
]
Store = Annotated[Path, Option("--store", envvar="XSTILTS_STORE", help="Results folder.")]
Json = Annotated[bool, Option("--json", help="Print JSON.")]
Experiment = Annotated[Path | None, Option("--experiment", help="Experiment file that defines your own tasks.")]
Task = Annotated[str | None, Option(help="Task whose head to use; required if the model has several.")]
Set = Annotated[
    list[str] | None,
    Option(
        "--set",
        metavar="PLACE=VALUE",
        help="Override a value in FILE: train.epochs=1, targets.0.limit=50; repeatable.",
    ),
]
Limit = Annotated[
    int | None, Option(metavar="N", help="Try FILE on a sample of N examples per split; the same as --set limit=N.")
]


_option: Any = partial(Option, rich_help_panel="Machine")

Workers = Annotated[
    int | None,
    _option(
        min=0,
        help="Stages to run in parallel, each in its own process; 0: in this process. Default: one per CPU core, "
        "or two per GPU (one of them uses the GPU).",
    ),
]
Device = Annotated[str, _option(help="Device: cpu, cuda, cuda:1, mps ...; auto: a GPU if there is one.")]
Tokens = Annotated[int, _option(min=16, help="Tokens per micro-batch; lower it if memory runs out.")]
Devices = Annotated[int, _option(min=1, help="Devices per training stage (DDP).")]
Shard = Annotated[bool, _option("--shard", help="Shard every layer across the devices of a stage (FSDP2).")]
Offload = Annotated[bool, _option("--offload", help="Offload shards to CPU memory when they are not in use.")]
Recompute = Annotated[
    bool, _option("--recompute", help="Recompute activations in the backward pass: less memory, more time.")
]
MACHINE = {
    "workers": Workers,
    "threads": Annotated[
        int | None,
        _option(
            min=1,
            help="Threads per worker. Default: OMP_NUM_THREADS if set, else the CPU cores divided by the number of "
            "workers, or of training stages that can run at once if that is smaller.",
        ),
    ],
    "device": Device,
    "micro_batch_tokens": Tokens,
    "devices": Devices,
    "shard": Shard,
    "offload": Offload,
    "recompute": Recompute,
    "executor": Annotated[str, _option(help="Where stages run: local, slurm or ray (docs/clusters.md).")],
    "slurm_options": Annotated[str, _option(help="Extra options for srun: '--partition gpu --time 8:00:00'.")],
    "address": Annotated[
        str, _option(help="Ray cluster, as HOST:6379. Default: RAY_ADDRESS, else a new cluster on this machine.")
    ],
    "remote": Annotated[
        str,
        _option(
            envvar="XSTILTS_REMOTE",
            metavar="URL",
            help="Fetch finished stages from URL, such as s3://BUCKET/FOLDER, and push new ones to it "
            "(docs/clusters.md).",
        ),
    ],
    "track": Annotated[
        str, _option(help="Send training steps to a tracker: tensorboard, mlflow or wandb (docs/training.md).")
    ],
}
"""Field of `Machine` -> its option."""
DEFAULTS = {field.name: field.default for field in fields(Machine)} | {"device": "auto"}
NOT_REPEATED = ("workers", "slurm_options", "address", "remote", "track")
"""Options that a report leaves out of its command line: they change no number, and may name private places."""


def on_machine(command: Callable[..., None]) -> Callable[..., None]:
    """Add all options of `MACHINE` to a verb, whose parameter `machine` receives their values by field."""
    signature = inspect.signature(command, eval_str=True)
    own = [parameter for name, parameter in signature.parameters.items() if name != "machine"]
    options = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=DEFAULTS[name], annotation=option)
        for name, option in MACHINE.items()
    ]

    @wraps(command)
    def verb(**given: Any) -> None:
        machine = {name: given.pop(name) for name in MACHINE}
        command(machine=machine, **given)

    verb.__signature__ = signature.replace(parameters=[*own, *options])  # type: ignore[attr-defined]
    return verb


@contextmanager
def machine_of(given: Mapping[str, Any]) -> Iterator[Machine]:
    """The machine that a run may use; with torchrun, only the leading process enters the block."""
    from xstilts.cli.torchrun import together

    with together(given["devices"]) as (devices, ranks):
        yield Machine(**{**given, "devices": devices, "ranks": ranks})


def sets_of(sets: Sequence[str] | None, limit: int | None) -> list[str]:
    """The replacements of `--set` and `--limit`."""
    return [*(sets or ()), *([f"limit={limit}"] if limit is not None else [])]


def command(
    verb: str,
    name: object,
    data: Sequence[Path] | None,
    sets: Sequence[str] = (),
    store: Path = Path("runs"),
    machine: Mapping[str, Any] | None = None,
) -> str:
    """The command line that repeats this one, with the options that are not defaults; `name`: one, or a list."""
    words = ["xstilts", verb, *(map(str, name) if isinstance(name, list) else [str(name)])]
    given = [*(("data", one) for one in data or ()), *(("set", one) for one in sets)]
    given += [("store", store)] if store != Path("runs") else []
    given += [(k, v) for k, v in (machine or {}).items() if v != DEFAULTS[k] and k not in NOT_REPEATED]
    for option, value in given:
        words += [f"--{option.replace('_', '-')}", *([] if value is True else [str(value)])]
    return shlex.join(words)
