"""What goes wrong in training without ending it: memory that does not suffice, runs that diverge or collapse.

`accidents.json` in a train stage's folder has a row for each and outlives a kill; in the end `summary.json` has them.
No torch: who only calls ranks reads it too.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from xstilts.core.files import read_json, write_json
from xstilts.core.seeds import derive_seed
from xstilts.graph.perform import Report

ACCIDENTS = "accidents.json"
MEMORY = "out of memory"


def accidents(directory: Path) -> list[dict[str, Any]]:
    """What happened to the stage so far, a row each, `what` first."""
    path = directory / ACCIDENTS
    found: list[dict[str, Any]] = read_json(path) if path.exists() else []
    return found


def note(directory: Path, report: Report, line: str, **row: Any) -> None:
    """Keep a row, and say a line to the user and in the stage's log; of several ranks one calls it."""
    write_json(directory / ACCIDENTS, [*accidents(directory), row])
    tell(report, line)


def note_memory(directory: Path, report: Report, place: str, tokens: tuple[int, int]) -> None:
    """The same of memory that does not suffice for the first of two numbers of tokens at a time."""
    line = f"out of memory{place}: going on with {tokens[1]} tokens at a time, not {tokens[0]}"
    note(directory, report, line, what=MEMORY, tokens=tokens[0], now=tokens[1])


def tell(report: Report, line: str) -> None:
    """Say a line to the user and in the stage's log."""
    sys.stderr.write(f"{line}\n")
    report({"message": line})


def budgets(directory: Path) -> set[int]:
    """The numbers of tokens at a time with which parts of the stage were computed, where memory made them differ."""
    rows = [row for row in accidents(directory) if row["what"] == MEMORY]
    return {row[name] for row in rows for name in ("tokens", "now")}


def restarts(directory: Path) -> int:
    """How many seeds the stage has given up."""
    return sum("seed" in row for row in accidents(directory))


def seed_after(seed: int, failed: int) -> int:
    """The seed of a run in the place of `failed` others, the first of which had `seed`."""
    return derive_seed(seed, "restart", failed) if failed else seed


def constant(predictions: Sequence[Any]) -> str | None:
    """The one label, tag or text that is the answer to everything; None where answers differ."""
    given = {one for each in predictions for one in (each if isinstance(each, list) else [each])}
    return str(given.pop()) if len(given) == 1 else None


def collapsed(scores: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The tasks on which the weights that are kept are at or below the best constant answer, with the figures.

    That is what Mosbach et al. (2021, arXiv 2006.04884) call a failed run and Phang et al. (2018, arXiv 1811.01088) a
    degenerate one, but of the weights that a run keeps and on the validation data that they are judged on, in the mean
    over its languages. One answer to everything is never better. Where gold is constant itself, nothing
    is said. A model of spans may be above the best constant answer by guessing, and is not found.

    Args:
        scores: of the evaluation that chose the weights, or of the last one.
    """
    found = {}
    for task in dict.fromkeys(score["task"] for score in scores):
        own = [score for score in scores if score["task"] == task and "majority" in score]
        value, best = (mean(score[name] for score in own) if own else 0.0 for name in ("value", "majority"))
        if own and value <= best < 100:
            same = {score.get("constant") for score in own}
            only = f", all answers '{next(iter(same))}'" if len(same) == 1 and None not in same else ""
            found[task] = f"{value:.1f} on validation{only}; the best constant answer has {best:.1f}"
    return found
