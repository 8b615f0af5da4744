"""The grid of an experiment: its cells and their stages; and what a store keeps of it.

Describing a grid reads the data, whose checksums are in keys. Results are read with the grid that the store remembers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from xstilts import __version__
from xstilts.core.errors import ConfigError, DataError, StoreError, UnknownName
from xstilts.core.files import read_object, write_json, write_text
from xstilts.core.keys import content_key
from xstilts.data.readers.types import TYPES
from xstilts.expand import Expansion, GridCell
from xstilts.experiment import Experiment
from xstilts.graph.stage import Stage, from_rows, graph, to_rows
from xstilts.graph.store import Store
from xstilts.stages import KINDS
from xstilts.stages.checksums import DIGESTS, remembered
from xstilts.studies.spec import StudySpec

Data = Path | str | Sequence[Path | str] | None
"""A data folder, or several that are searched in order."""
WORDS = ("title", "question", "description", "limitations")
"""Fields of an experiment that no number depends on."""
MADE = ".made.json"
"""File in the folder of a report: a key of everything it depends on, and its main table for a terminal."""


@dataclass(frozen=True)
class Grid:
    """An expanded experiment.

    Attributes:
        experiment: with the labels of its own tasks.
        cells: every measured run of the table.
        checks: stages that compare training data with test data.
        controls: name of a control backbone -> its kind.
        worlds: seed -> microworld; empty on real data.
        data: folders that were read.
    """

    experiment: Experiment
    cells: tuple[GridCell, ...]
    checks: tuple[Stage, ...]
    controls: Mapping[str, str]
    worlds: Mapping[int, int]
    data: tuple[Path, ...] = ()

    @classmethod
    def of(cls, experiment: Experiment, data: Data = None) -> Grid:
        """Expand an experiment. Raises `ConfigError` and `DataError` like `xstilts.expand.Expansion`."""
        expansion = Expansion(experiment, folders(data))
        worlds = {one.seed: one.world for one in expansion.replicates if one.world is not None}
        cells, checks = tuple(expansion.cells), tuple(expansion.checks())
        return cls(expansion.experiment, cells, checks, dict(expansion.controls), worlds, expansion.roots)

    @cached_property
    def stages(self) -> list[Stage]:
        """All stages, inputs before the stages that read them; leak checks last."""
        return graph(self.targets)

    @property
    def targets(self) -> list[Stage]:
        """The stages to compute, without those that they read."""
        return [*(cell.stage for cell in self.cells), *self.checks]

    def select(self, wanted: Mapping[str, Any], how: str) -> list[GridCell]:
        """The target cells with these values of their fields; None matches the only value.

        Args:
            how: advice if there are several values: `choose one with --{}`.

        Raises:
            UnknownName, ConfigError: no cell has a value, or one is left open and several fit, controls not counted.
        """
        cells = [cell for cell in self.cells if cell.role == "target"]
        for field, value in wanted.items():
            known = list(dict.fromkeys(getattr(cell, field) for cell in cells))
            open_to = [value] if value is not None else [one for one in known if one not in self.controls]
            name = "target" if field == "task" else field
            if len(open_to) > 1:
                choices = ", ".join(map(str, open_to))
                raise ConfigError(f"the experiment has the {name}s {choices}: {how.format(name)}")
            if open_to[0] not in known:
                raise UnknownName(name, str(value), map(str, known))
            cells = [cell for cell in cells if getattr(cell, field) == open_to[0]]
        return cells

    @property
    def rows(self) -> list[list[Any]]:
        return [[c.seed, c.backbone, c.recipe, c.task, c.role, c.stage.key] for c in self.cells]

    def remember(self, store: Store, asked: Experiment) -> str:
        """Write the grid into the store. Returns a warning if it replaces the grid of another file, otherwise ''."""
        path, file = _place(store, asked), str(asked.file or "")
        before = _read(path)
        found = {
            "fingerprint": fingerprint(asked),
            "file": file,
            "data": [str(folder) for folder in self.data],
            "experiment": self.experiment.model_dump(mode="json"),
            "cells": self.rows,
            "checks": [stage.key for stage in self.checks],
            "controls": dict(self.controls),
            "worlds": [list(pair) for pair in self.worlds.items()],
            "stages": to_rows(self.targets),
        }
        if found != before:
            whole = found | {"checksum": content_key(found)}  # of the rest
            write_text(path, json.dumps(whole, ensure_ascii=False))  # not indented, for thousands of stages
        replaced = before.get("file", "")
        if not before or replaced == file or before["fingerprint"] == found["fingerprint"]:
            return ""
        return (
            f"the store has another experiment '{asked.name}', from {replaced or 'a Python program'}: this run "
            "overwrites its report; give one of them another `name:`"
        )


def grids(store: Store) -> dict[str, dict[str, Any]]:
    """Name -> remembered grid, of the experiments that were run in a store; a damaged file counts as empty."""
    return {path.stem: _read(path) for path in sorted((store.root / "experiments").glob("*.json"))}


def remembered_stages(store: Store) -> list[Stage]:
    """The stages of the experiments that were run in a store; without those of a damaged grid."""
    found: list[Stage] = []
    for grid in grids(store).values():
        with suppress(AssertionError, KeyError, TypeError, ValueError):
            found += from_rows(grid["stages"]).values()
    return found


def needed(store: Store) -> dict[str, set[str]]:
    """Name -> keys of the stages of its last run, of the experiments that were run in a store.

    Raises:
        StoreError: a grid cannot be read, so that the stages it needs are unknown.
    """
    keys = {}
    for name, found in grids(store).items():
        try:
            keys[name] = {str(row["key"]) for row in found["stages"]}
        except (KeyError, TypeError):
            path = store.root / "experiments" / f"{name}.json"
            raise StoreError(f"{path} is damaged: run that experiment again, or remove the file") from None
    return keys


def grid_of(experiment: Experiment, store: Store, data: Data = None) -> Grid:
    """The grid to read results with: expanded if `data` is given, else as the store remembers it.

    Raises:
        ConfigError: the experiment needs data folders, none are given, and the store does not remember this version.
    """
    if data is None:
        found = _read(_place(store, experiment))
        with suppress(AssertionError, KeyError, TypeError, ValueError):  # written by another version
            if found.get("fingerprint") == fingerprint(experiment):
                stages = from_rows(found["stages"])
                assert all(stage.version == KINDS[stage.kind].version for stage in stages.values())
                words = {name: getattr(experiment, name) for name in (*WORDS, "recipes")}
                return Grid(
                    Experiment(**found["experiment"]).model_copy(update=words),
                    tuple(GridCell(*names, stages[key]) for *names, key in found["cells"]),  # type: ignore[call-arg]
                    tuple(stages[key] for key in found["checks"]),
                    dict(found["controls"]),
                    {int(seed): int(world) for seed, world in found["worlds"]},
                    tuple(map(Path, found["data"])),
                )
    try:
        with remembered(store.root / DIGESTS):
            return Grid.of(experiment, data)
    except (ConfigError, DataError) as error:
        if data is None and _place(store, experiment).is_file():
            changed = f"experiment '{experiment.name}', or xstilts itself, has changed since it was run here"
            raise ConfigError(f"{changed}, or another of its name was run: {error}") from None
        raise


def fingerprint(experiment: Experiment) -> str:
    """Equal for experiments that differ only in words, as long as no type of task is encoded differently."""
    encodings = {kind.name: kind.encoding for kind in TYPES}
    fields = experiment.model_dump(mode="json", exclude=set(WORDS))
    for recipe in fields["recipes"]:
        del recipe["control"]  # a word too
    return content_key([fields, encodings])


def folders(data: Data) -> tuple[Path, ...]:
    """Data folders as a tuple. Raises `DataError` if one does not exist."""
    given = [] if data is None else [data] if isinstance(data, str | Path) else list(data)
    paths = tuple(Path(folder).expanduser() for folder in given)
    if absent := [path for path in paths if not path.is_dir()]:
        what = "is a file: name the folder that holds it" if absent[0].exists() else "no such data folder"
        raise DataError(what, absent[0])
    return paths


def report_folder(experiment: Experiment, store: Path) -> Path:
    """The folder of an experiment's report."""
    return store / "reports" / experiment.name


def keep_table(grid: Grid, store: Store, command: str, folder: Path, table: str, spec: StudySpec | None) -> None:
    """Write beside a report what it depends on, and its main table."""
    write_json(folder / MADE, {"of": _made_of(grid, store, command, spec), "table": table})


def written_table(grid: Grid, store: Store, command: str, folder: Path, spec: StudySpec | None) -> str | None:
    """The main table of the report in `folder`; None if there is none or a new one would differ. Reads no scores."""
    made = read_object(folder / MADE) if (folder / "index.html").is_file() else {}
    return made["table"] if made.get("of") == _made_of(grid, store, command, spec) else None


def _made_of(grid: Grid, store: Store, command: str, spec: StudySpec | None) -> str:
    """A key of all that a report depends on: the experiment, its finished and failed stages, and this version."""
    done = [_mark(store.directory(stage) / "DONE") for stage in grid.stages]
    failed = sorted({path.stem for path in store.root.glob("failures/*.txt")} & {stage.key for stage in grid.stages})
    asked = [grid.experiment.model_dump(mode="json"), spec and spec.model_dump(mode="json")]
    return content_key([__version__, command, asked, grid.rows, done, failed])


def _mark(path: Path) -> str:
    """A text that changes when the stage is computed again; empty if it is not finished."""
    with suppress(OSError, ValueError):
        return path.read_text(encoding="utf-8")
    return ""


def _place(store: Store, experiment: Experiment) -> Path:
    return store.root / "experiments" / f"{experiment.name}.json"


def _read(path: Path) -> dict[str, Any]:
    """A remembered grid without its checksum, which older files lack; empty if it is missing or damaged."""
    found = read_object(path)
    known = found.pop("checksum", None)
    return found if known in (None, content_key(found)) else {}
