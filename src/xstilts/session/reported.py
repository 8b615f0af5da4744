"""Whether a report that is there would be the same if it were written now. Loads nothing that writing one needs."""

from __future__ import annotations

from pathlib import Path

from xstilts import __version__
from xstilts.core.errors import XstiltsError
from xstilts.core.files import read_json, write_json
from xstilts.core.keys import content_key
from xstilts.experiment import Experiment
from xstilts.graph.store import Store
from xstilts.session.grid import Grid
from xstilts.studies.spec import StudySpec

MADE = ".made.json"
"""In the folder of a report: what it is made of, and its main table for a terminal."""


def report_folder(experiment: Experiment, store: Path) -> Path:
    """Where an experiment's report is written."""
    return store / "reports" / experiment.name


def keep_table(grid: Grid, store: Store, command: str, folder: Path, table: str, spec: StudySpec | None) -> None:
    """Leave beside a report what it is made of."""
    write_json(folder / MADE, {"of": _made_of(grid, store, command, spec), "table": table})


def written_table(grid: Grid, store: Store, command: str, folder: Path, spec: StudySpec | None) -> str | None:
    """The main table of the report in `folder`; None where the report is not there, or would be another one now."""
    try:
        made = read_json(folder / MADE) if (folder / "index.html").is_file() else {}
    except XstiltsError:
        return None
    return made["table"] if made.get("of") == _made_of(grid, store, command, spec) else None


def _made_of(grid: Grid, store: Store, command: str, spec: StudySpec | None) -> str:
    """A key of all that a report depends on: the experiment, what is finished or failed of it, and this version."""
    done = [_mark(store.directory(stage) / "DONE") for stage in grid.stages]
    failed = sorted({path.stem for path in store.root.glob("failures/*.txt")} & {stage.key for stage in grid.stages})
    asked = [grid.experiment.model_dump(mode="json"), spec and spec.model_dump(mode="json")]
    return content_key([__version__, command, asked, grid.rows, done, failed])


def _mark(path: Path) -> str:
    """What differs whenever a stage is computed anew; empty where it is not finished."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""
