"""One train stage in several processes: `python -m xstilts.stages.ranks SPEC`, once for each rank.

The leading rank writes the stage; it reports in JSON lines on standard output, the rest goes to the stage's log.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xstilts.core.errors import StageError, XstiltsError
from xstilts.stages.training import Report, run_train

MARK = "\x1e"
"""Begins the lines that are for the caller."""


def run_train_on(
    config: Mapping[str, Any], directory: Path, inputs: Mapping[str, Path], settings: Mapping[str, Any], report: Report
) -> None:
    """`run_train` in `settings["devices"]` processes of this machine, which end with this one's process group.

    Raises:
        StageError: what a rank raised, or how it ended; the others are stopped.
    """
    count = settings.get("devices", 1)
    if count == 1:
        run_train(config, directory, inputs, settings, report)
        return
    stage = {"config": dict(config), "directory": str(directory), "settings": dict(settings)}
    spec = json.dumps({**stage, "inputs": {role: str(path) for role, path in inputs.items()}})
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    common = os.environ | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(count)}
    command = [sys.executable, "-m", "xstilts.stages.ranks", spec]
    ranks = [
        subprocess.Popen(
            command,
            env=common | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE if rank == 0 else None,
            text=True,
        )
        for rank in range(count)
    ]
    try:
        _follow(ranks, report)
    finally:
        for process in ranks:
            process.kill()
            process.wait()
            if process.stdout:
                process.stdout.close()


def _follow(ranks: list[subprocess.Popen[str]], report: Report) -> None:
    problem = ""
    assert ranks[0].stdout is not None
    for line in ranks[0].stdout:
        if not line.startswith(MARK):
            sys.stdout.write(line)
            continue
        message = json.loads(line.removeprefix(MARK))
        if "error" in message:
            problem = message["error"]
        else:
            report(message)
    codes = [process.wait() if problem == "" else process.poll() for process in ranks]
    if problem or any(codes):
        ended = ", ".join(f"rank {rank} ended with {code}" for rank, code in enumerate(codes) if code)
        raise StageError(problem or f"{ended}; what it said is in the stage's log.txt")


def _say(message: Mapping[str, Any]) -> None:
    sys.stdout.write(f"{MARK}{json.dumps(message)}\n")
    sys.stdout.flush()


def main() -> None:
    """One rank, from the environment that `run_ranks` or torchrun gives it."""
    spec = json.loads(sys.argv[1])
    inputs = {role: Path(path) for role, path in spec["inputs"].items()}
    try:
        run_train(spec["config"], Path(spec["directory"]), inputs, spec["settings"], _say)
    except XstiltsError as error:
        _say({"error": str(error)})
        sys.exit(2)


if __name__ == "__main__":
    main()
