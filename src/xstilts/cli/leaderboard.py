"""`xstilts scores` without a file: all experiments of a store, ranked by target."""

import sys
from dataclasses import asdict
from typing import Any

from xstilts.cli.output import aligned, show
from xstilts.core.errors import UnknownName
from xstilts.graph.store import Store
from xstilts.session.results import Ranked, leaderboard


def show_leaderboard(place: Store, task: str | None, as_json: bool) -> None:
    """Print a table for each target, and what each protocol's letter stands for."""
    found, notes = leaderboard(place)
    targets = list(dict.fromkeys(row.target for row in found))
    if task is not None and task not in targets:
        raise UnknownName("task", task, targets)
    rows, texts = list[dict[str, Any]](), list[str]()
    for target in [task] if task else targets:
        part = [row for row in found if row.target == target]
        first, *others = protocols = list(dict.fromkeys(row.protocol for row in part))
        letters = {one: _letter(number) for number, one in enumerate(protocols)}
        rows += [{**row._asdict(), "protocol": letters[row.protocol], **asdict(row.protocol)} for row in part]
        texts += [*([""] if texts else []), target, *aligned([_ranked(row, letters[row.protocol]) for row in part])]
        texts.append(f"a: {first.words}")
        texts += [f"{letters[one]}, not comparable with a: {'; '.join(one.differs(first))}" for one in others]
    show(rows, as_json, texts)
    sys.stderr.writelines(f"note: {note}\n" for note in notes)


def _letter(number: int) -> str:
    """a, b ... z, a2, b2 ..."""
    return chr(ord("a") + number % 26) + (str(number // 26 + 1) if number >= 26 else "")


def _ranked(row: Ranked, letter: str) -> dict[str, Any]:
    known = row.low is not None and row.high is not None
    ends = f"{max(0.0, row.low or 0.0):.1f} to {min(100.0, row.high or 0.0):.1f}" if known else "-"
    counts = {"languages": row.languages, "seeds": row.seeds}
    names = {
        "experiment": row.experiment,
        "backbone": f"{row.backbone}{' (control)' * row.control}",
        "recipe": row.recipe,
    }
    return {"protocol": letter, "score": f"{row.score:.1f}", "interval": ends, **counts, **names}
