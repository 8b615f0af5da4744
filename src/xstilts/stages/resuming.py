"""What a killed train stage left: made fit to go on from, or removed.

All that is read again lies under its name only when it is whole, and is in a checkpoint's list of SHA-256. What has
changed nevertheless, for a disk that lost it or a folder that somebody touched, is computed again, and a line says so.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from xstilts.graph.perform import Report
from xstilts.stages.accidents import ACCIDENTS, tell
from xstilts.training.checkpoint import PLACES, sift_checkpoints
from xstilts.training.distributed import team

READ_AGAIN = (*PLACES, "snapshots")
"""What a run that goes on reads."""
KEPT = ("log.txt", ACCIDENTS)
"""What every run keeps; the first is the worker's, and open."""


def take_up(directory: Path, steps: int, report: Report) -> None:
    """Leave in a train stage's folder what the run can go on from, and nothing else.

    Of several ranks all call it; the leading one looks and removes while the others wait.

    Args:
        steps: of the phase.
    """
    if team().leads:
        start, damaged = sift_checkpoints(directory)
        _clear(directory, READ_AGAIN if start else ())
        lines = [f"damaged, left by an earlier run ({'; '.join(damaged)}): removed"] if damaged else []
        if start:
            lines.append(f"resuming from step {start} of {steps}")
        elif damaged:
            lines.append("starting from step 0")
        if lines:
            tell(report, "; ".join(lines))
    team().leading(0)


def _clear(directory: Path, kept: tuple[str, ...]) -> None:
    for path in directory.iterdir():
        if path.name in (*kept, *KEPT):
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
