"""Training problems that do not end the stage: out of memory, a diverged or collapsed run, damaged files.

`accidents.json` in a train stage's folder has a row for each and survives a kill; `summary.json` has them at the end.
"""

import sys
from collections.abc import Mapping, Sequence
from statistics import mean
from typing import Any

from xstilts.core.files import read_json, write_json
from xstilts.graph.attempts import remove
from xstilts.graph.job import Job, Report
from xstilts.training.checkpoint import PLACES, sift_checkpoints
from xstilts.training.distributed import team

ACCIDENTS = "accidents.json"
MEMORY = "out of memory"
KEPT = ("log.txt", ACCIDENTS)
"""Files that every run keeps; the first is the worker's, and open."""


def tell(report: Report, line: str) -> None:
    """Write a line for the user and into the stage's log."""
    sys.stderr.write(f"{line}\n")
    report({"message": line})


def note(job: Job, line: str, **row: Any) -> None:
    """Record a row, `what` first, and report a line; only one of several ranks calls it."""
    write_json(job.directory / ACCIDENTS, [*accidents(job), row])
    tell(job.report, line)


def note_memory(job: Job, place: str, tokens: int, now: int) -> None:
    """Report and log that `tokens` at a time do not fit in memory, and that `now` are tried."""
    line = f"out of memory{place}: continuing with {now} tokens at a time, not {tokens}"
    note(job, line, what=MEMORY, tokens=tokens, now=now)


def accidents(job: Job) -> list[dict[str, Any]]:
    """The rows so far."""
    path = job.directory / ACCIDENTS
    found: list[dict[str, Any]] = read_json(path) if path.exists() else []
    return found


def restarts(job: Job) -> int:
    """The number of seeds that the stage has given up."""
    return sum("seed" in row for row in accidents(job))


def prepare_resume(job: Job, steps: int) -> None:
    """Leave in a train stage's folder only what the run continues from.

    Checkpoints and snapshots get their names when they are complete, and a checkpoint has their SHA-256. If they have
    changed since (a disk error, an edited folder), they are computed again, and a line reports it. All ranks call it;
    the others wait for the leading one.
    """
    if team().is_main:
        start, damaged = sift_checkpoints(job.directory)
        kept = (*KEPT, *PLACES, "snapshots") if start else KEPT
        for path in job.directory.iterdir():
            if path.name not in kept:
                remove(path)
        if start or damaged:
            problem = f"damaged, left by an earlier run ({'; '.join(damaged)}): removed; " if damaged else ""
            tell(job.report, problem + (f"resuming from step {start} of {steps}" if start else "starting from step 0"))
    team().leading(0)


def constant(predictions: Sequence[Any]) -> str | None:
    """The one label, tag or text that answers everything; None where answers differ."""
    given = {one for each in predictions for one in (each if isinstance(each, list) else [each])}
    return str(given.pop()) if len(given) == 1 else None


def collapsed(scores: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Task -> why it collapsed: its kept weights are not better than the majority baseline.

    Mosbach et al. (2021, arXiv 2006.04884) call this a failed run, Phang et al. (2018, arXiv 1811.01088) a degenerate
    one. Here it is judged on validation data, in the mean over languages, for the weights that are kept. Where gold is
    constant itself, nothing is said. A model of spans that guesses may be above the majority baseline.

    Args:
        scores: of the evaluation that selected the weights, or of the last one.
    """
    found = {}
    for task in dict.fromkeys(score["task"] for score in scores):
        own = [score for score in scores if score["task"] == task and "majority" in score]
        value, best = (mean(score[name] for score in own) if own else 0.0 for name in ("value", "majority"))
        if own and value <= best < 100:
            same = {score.get("constant") for score in own}
            only = f", all answers '{next(iter(same))}'" if len(same) == 1 and None not in same else ""
            found[task] = f"{value:.1f} on validation{only}; the majority baseline has {best:.1f}"
    return found
