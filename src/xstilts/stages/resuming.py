"""What a killed train stage left: made fit to go on from, or removed.

All that is read again lies under its name only when it is whole. What is not whole nevertheless, for a disk that lost
it or a folder that somebody touched, is computed again, and a line says so.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xstilts.core.errors import DataError
from xstilts.core.files import read_jsonl
from xstilts.graph.perform import Report
from xstilts.stages.checkpoints import EVALUATIONS, History
from xstilts.training.checkpoint import PLACES, sift_checkpoints
from xstilts.training.distributed import team
from xstilts.training.snapshots import Snapshots

LOG = "log.jsonl"
READ_AGAIN = (*PLACES, "snapshots", LOG, EVALUATIONS)
"""What a run that goes on reads; `log.txt` is the worker's, and open."""


def take_up(directory: Path, selection: Mapping[str, Any], steps: int, report: Report) -> None:
    """Leave in a train stage's folder what the run can go on from, and nothing else.

    Of several ranks all call it; the leading one looks and removes while the others wait.

    Args:
        steps: of the phase.
    """
    if team().leads:
        start, damaged = sift_checkpoints(directory)
        if start and (wrong := _lacking(directory, selection, steps, start)):
            start, damaged = 0, [*damaged, wrong]
        _clear(directory, READ_AGAIN if start else ())
        if damaged:
            line = f"damaged, left by an earlier run ({'; '.join(damaged)}): going on from step {start}"
            sys.stderr.write(f"{line}\n")
            report({"message": line})
    team().leading(None)


def _lacking(directory: Path, selection: Mapping[str, Any], steps: int, start: int) -> str:
    """Why the checkpoint of step `start` is of no use; empty where all is there that belongs to it."""
    try:
        history = History.until(start, selection, steps, directory)
    except (DataError, LookupError, TypeError) as error:
        return f"{EVALUATIONS}: {error}"
    return history.lacking() or Snapshots(directory, history.snapshot).missing()


def rows_before(step: int, directory: Path) -> list[dict[str, Any]]:
    """What was logged of the steps before; nothing where the log is lost, which changes no number."""
    try:
        return [row for _, row in read_jsonl(directory / LOG) if row["step"] < step] if step else []
    except (DataError, LookupError, TypeError) as error:
        sys.stderr.write(f"damaged, left by an earlier run ({error}): what it had logged is lost\n")
        return []


def _clear(directory: Path, kept: tuple[str, ...]) -> None:
    for path in directory.iterdir():
        if path.name in (*kept, "log.txt"):
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
