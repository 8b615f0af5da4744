"""The grid of an experiment: its cells and their stages. A store remembers the grids that were run in it.

Keys of stages hold checksums of raw files, so that describing a grid reads the data. Results are read from what the
store remembers instead: the data may have been moved, and nobody has to name it again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from xstilts.core.errors import ConfigError, DataError, StoreError, UnknownName, XstiltsError
from xstilts.core.files import read_json, write_text
from xstilts.core.keys import content_key
from xstilts.data.readers.types import TYPES
from xstilts.expand import Cell, Expansion
from xstilts.experiment import Experiment
from xstilts.graph.stage import Stage, from_rows, graph, to_rows
from xstilts.graph.store import Store
from xstilts.stages import KINDS
from xstilts.stages.digests import DIGESTS, remembered

Data = Path | str | Sequence[Path | str] | None
"""A data folder, or several that are searched in turn."""
WORDS = ("title", "question", "description", "limitations")
"""Fields of an experiment that no number depends on."""


@dataclass(frozen=True)
class Grid:
    """An experiment with everything that it comes to.

    Attributes:
        experiment: with the labels of its own tasks written out.
        cells: every measured run of the table.
        checks: stages that compare training data with test data.
        controls: name of a control backbone -> its kind.
        worlds: seed -> microworld; empty on real data.
        data: folders that were read.
    """

    experiment: Experiment
    cells: tuple[Cell, ...]
    checks: tuple[Stage, ...]
    controls: Mapping[str, str]
    worlds: Mapping[int, int]
    data: tuple[Path, ...] = ()

    @classmethod
    def of(cls, experiment: Experiment, data: Data = None) -> Grid:
        """Expand an experiment. Raises `ConfigError` and `DataError` as `xstilts.expand.Expansion` does."""
        return cls.from_expansion(Expansion(experiment, folders(data)))

    @classmethod
    def from_expansion(cls, expansion: Expansion) -> Grid:
        """The grid of an experiment that is expanded already."""
        worlds = {one.seed: one.world for one in expansion.replicates if one.world is not None}
        cells, checks = tuple(expansion.cells), tuple(expansion.checks())
        return cls(expansion.experiment, cells, checks, dict(expansion.controls), worlds, expansion.roots)

    @cached_property
    def stages(self) -> list[Stage]:
        """All stages, inputs before what reads them; leak checks last."""
        return graph(self.targets)

    @property
    def targets(self) -> list[Stage]:
        """The stages that a run asks for."""
        return [*(cell.stage for cell in self.cells), *self.checks]

    def select(self, wanted: Mapping[str, Any], how: str) -> list[Cell]:
        """The target cells with these values of their fields; None stands for the only value there is.

        Args:
            how: what a user can do where there are several, `choose one with --{}`.

        Raises:
            UnknownName, ConfigError: a value that no cell has, or one that is left open; controls are not meant then.
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
        """The cells as JSON."""
        return [[c.seed, c.backbone, c.recipe, c.task, c.role, c.stage.key] for c in self.cells]

    def remember(self, store: Store, asked: Experiment) -> str:
        """Write the grid into the store; returns a warning where that replaces the grid of another file, else ''."""
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
            write_text(path, json.dumps(found, ensure_ascii=False))  # thousands of stages: no indents
        replaced = before.get("file", "")
        if not before or replaced == file or before["fingerprint"] == found["fingerprint"]:
            return ""
        return (
            f"the store has another experiment '{asked.name}', of {replaced or 'a Python program'}: its report is "
            "replaced by this one's; give one of them another `name:`"
        )


def grids(store: Store) -> dict[str, dict[str, Any]]:
    """What a store remembers of the experiments that were run in it, by name; nothing of a file that is damaged."""
    return {path.stem: _read(path) for path in sorted((store.root / "experiments").glob("*.json"))}


def needed(store: Store) -> dict[str, set[str]]:
    """Keys of the stages of each experiment that was run in a store, by its name: as it was last run.

    Raises:
        StoreError: a grid that cannot be read, so that nothing tells what it needs.
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
    """The grid to read results of: expanded where `data` is given, else as the store remembers it.

    Raises:
        ConfigError: the experiment needs data folders, none are given, and the store does not remember it as it is now.
    """
    if data is None and (found := _remembered(experiment, store)) is not None:
        return found
    try:
        with remembered(store.root / DIGESTS):
            return Grid.of(experiment, data)
    except (ConfigError, DataError) as error:
        if data is None and _place(store, experiment).is_file():
            said = f"experiment '{experiment.name}', or xstilts itself, has changed since it was run here, or another"
            raise ConfigError(f"{said} of its name was run: {error}") from None
        raise


def _remembered(experiment: Experiment, store: Store) -> Grid | None:
    """The grid of exactly this experiment; None where the store has none, or one of another version."""
    found = _read(_place(store, experiment))
    if found.get("fingerprint") != fingerprint(experiment):
        return None
    try:
        stages = from_rows(found["stages"])
        words = {name: getattr(experiment, name) for name in WORDS}
        return Grid(
            Experiment(**found["experiment"]).model_copy(update=words),
            tuple(Cell(*names, stages[key]) for *names, key in found["cells"]),  # type: ignore[call-arg]
            tuple(stages[key] for key in found["checks"]),
            dict(found["controls"]),
            {int(seed): int(world) for seed, world in found["worlds"]},
            tuple(map(Path, found["data"])),
        )
    except (AssertionError, KeyError, TypeError, ValueError):  # written by another version: expanded anew
        return None


def fingerprint(experiment: Experiment) -> str:
    """Equal for experiments of which only words differ, and whose stages are of the same versions."""
    encodings = {kind.name: kind.encoding for kind in TYPES}
    return content_key([experiment.model_dump(mode="json", exclude=set(WORDS)), KINDS, encodings])


def folders(data: Data) -> tuple[Path, ...]:
    """Data folders as a tuple. Raises `DataError` for one that does not exist."""
    given = [] if data is None else [data] if isinstance(data, str | Path) else list(data)
    paths = tuple(Path(folder).expanduser() for folder in given)
    if absent := [path for path in paths if not path.is_dir()]:
        what = "is a file: name the folder that holds it" if absent[0].exists() else "no such data folder"
        raise DataError(what, absent[0])
    return paths


def _place(store: Store, experiment: Experiment) -> Path:
    return store.root / "experiments" / f"{experiment.name}.json"


def _read(path: Path) -> dict[str, Any]:
    try:
        found = read_json(path) if path.is_file() else {}
    except XstiltsError:
        return {}
    return found if isinstance(found, dict) else {}
