"""A run in its own process: `python -m graph.driver PLACES STORE ROWS` prints a line for each event."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from graph.toy import RUNNER
from xstilts.core.stopping import told_when_stopped
from xstilts.graph.events import Notice
from xstilts.graph.execute import execute
from xstilts.graph.perform import Work
from xstilts.graph.places import Needs, Places, Slurm
from xstilts.graph.pool import Pool
from xstilts.graph.stage import from_rows
from xstilts.graph.store import Store


def places(name: str) -> Places:
    """`slurm`, or the address of a Ray cluster."""
    if name == "slurm":
        return Slurm(2)
    from xstilts.graph.on_ray import Ray

    return Ray(name, 2, Needs())


def main() -> None:
    """Run all stages and print the events."""
    name, root, rows = sys.argv[1:]
    stages = list(from_rows(json.loads(rows)).values())
    work = Work(Store(Path(root)), RUNNER, {})
    with told_when_stopped():
        for event in execute(stages, work, Pool(stages, work, places(name), {"gpu": Needs(1, 1)}, 1)):
            if not isinstance(event, Notice):
                sys.stdout.write(f"{type(event).__name__} {event.stage.label}\n")
                sys.stdout.flush()


if __name__ == "__main__":
    main()
