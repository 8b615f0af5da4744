"""Experiment files: plain, with a study block, as a variant of another file, or with values replaced."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from xstilts.core.errors import ConfigError
from xstilts.core.strict import KeyPath, key_of, place_of
from xstilts.core.yaml_lines import value_of
from xstilts.expand import CONTROL_NAMES
from xstilts.experiment import Experiment
from xstilts.studies.files import Document, load_document, study_file
from xstilts.studies.possible import impossible
from xstilts.studies.spec import StudySpec


class Loaded(NamedTuple):
    """A file, validated."""

    experiment: Experiment
    study: StudySpec | None


def load(path: Path | str, sets: Sequence[str] = ()) -> Experiment:
    """The experiment of a file, or of one that comes with xstilts by its name (`demo`, `curriculum` ...).

    A study block is checked and left aside.

    Args:
        sets: values to replace, each `place=value` as in `train.epochs=1`: keys and numbers of items with dots between
            them, and YAML. Name and title then tell what was set, so that grid and report stand beside the file's own.

    Raises:
        UnknownName: neither a file nor a name.
        ConfigError: see `load_study`; with the option: no place of the file, or a wrong value.
    """
    experiment = load_study(path).experiment
    if not sets:
        return experiment
    return _overridden(load_document(study_file(str(path))).values, sets).placed(experiment.file)


def load_study(path: Path | str) -> Loaded:
    """The same with its study block.

    Raises:
        UnknownName: neither.
        ConfigError: with file and line: a wrong key or value, text that is no YAML, or a claim about a recipe, backbone
            or target that the experiment lacks, or one that no scores could decide.
    """
    document = load_document(study_file(str(path)))
    try:
        experiment = Experiment(**document.values).placed(document.path)
    except ValidationError as error:
        raise document.mistake(error) from None
    spec = document.spec()
    if spec is not None:
        _check_names(document, experiment, spec)
    return Loaded(experiment, spec)


def _check_names(document: Document, experiment: Experiment, spec: StudySpec) -> None:
    measured = {
        "recipe": [recipe.label for recipe in experiment.recipes],
        "backbone": [one.name for one in experiment.backbones],
        "target": [target.task for target in experiment.targets],
    }
    controls = [f"{one.name} ({CONTROL_NAMES[kind]})" for one in experiment.backbones for kind in one.controls]
    if (found := impossible(spec, measured, controls)) is not None:
        raise document.at(*found)


def _overridden(values: Mapping[str, Any], sets: Sequence[str]) -> Experiment:
    changed: dict[str, Any] = deepcopy(dict(values))
    places = {said: _set(changed, said) for said in sets}
    name, title = str(changed.get("name", "")), str(changed.get("title", ""))
    if ("name",) not in places.values():
        changed["name"] = re.sub(r"[^A-Za-z0-9_.-]+", "-", "_".join([name, *sets]))[:100]
    if title:
        changed["title"] = f"{title} ({', '.join(sets)})"
    try:
        return Experiment(**changed)
    except ValidationError as error:
        key = key_of(error)
        guilty = [said for said, place in places.items() if key and place[: len(key)] == key[: len(place)]]
        raise _wrong(" --set ".join(guilty or sets), place_of(error)[0]) from None


def _set(values: dict[str, Any], said: str) -> KeyPath:
    """Replace a value; returns its place."""
    path, equals, text = said.partition("=")
    *above, last = path.split(".")
    if not equals or not all((*above, last)):
        raise _wrong(said, "give a place in the file and a value, as in --set train.epochs=1")
    value = value_of(text, f"--set {said}")
    inside: Any = values
    place: KeyPath = ()
    for part in above:
        place = (*place, _key_in(inside, part, said, place))
        inside = inside.setdefault(part, {}) if isinstance(inside, dict) else inside[place[-1]]
    key = _key_in(inside, last, said, place)
    inside[key] = value
    return (*place, key)


def _key_in(inside: Any, part: str, said: str, place: KeyPath) -> str | int:
    """The key or number of an item that `part` names."""
    where = ".".join(map(str, place))
    if isinstance(inside, dict):
        return part
    if not isinstance(inside, list):
        raise _wrong(said, f"{where} is {inside!r:.60}, and has no '{part}'")
    if not part.isdigit() or int(part) >= len(inside):
        raise _wrong(said, f"{where} is a list of {len(inside)}: give the number of an item, from 0")
    return int(part)


def _wrong(said: str, problem: str) -> ConfigError:
    return ConfigError(f"--set {said}: {problem}")
