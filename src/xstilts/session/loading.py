"""Experiment files: plain, with a study block, as a variant of another file, or with some values replaced."""

import re
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from xstilts.core.errors import ConfigError
from xstilts.core.strict import KeyPath, key_of, place_of
from xstilts.core.yaml_lines import value_of
from xstilts.expand import CONTROL_NAMES
from xstilts.experiment import Experiment
from xstilts.studies.files import load_document, study_file
from xstilts.studies.spec import StudySpec, impossible


class Loaded(NamedTuple):
    """A validated file."""

    experiment: Experiment
    study: StudySpec | None


def load(path: Path | str, sets: Sequence[str] = ()) -> Experiment:
    """The experiment of a file, or one that comes with xstilts, by its name (`demo`, `curriculum` ...).

    A study block is validated and ignored.

    Args:
        sets: values to replace, as `train.epochs=1`: keys and numbers of items separated by dots, and a YAML value.
            They are added to name and title, so that grid and report do not replace those of the file.

    Raises:
        UnknownName: neither a file nor a name.
        ConfigError: see `load_study`; or `sets` has a wrong place or value.
    """
    experiment = load_study(path).experiment
    if not sets:
        return experiment
    changed: dict[str, Any] = deepcopy(dict(load_document(study_file(str(path))).values))
    places = {text: _set(changed, text) for text in sets}
    name, title = str(changed.get("name", "")), str(changed.get("title", ""))
    if ("name",) not in places.values():
        changed["name"] = re.sub(r"[^A-Za-z0-9_.-]+", "-", "_".join([name, *sets]))[:100]
    if title:
        changed["title"] = f"{title} ({', '.join(sets)})"
    try:
        return Experiment(**changed).placed(experiment.file)
    except ValidationError as error:
        key = key_of(error)
        guilty = [text for text, place in places.items() if key and place[: len(key)] == key[: len(place)]]
        raise _wrong(" --set ".join(guilty or sets), place_of(error)[0]) from None


def opened(experiment: Experiment | Path | str) -> Experiment:
    """The experiment itself, or that of a file or name, as `load` reads it."""
    return experiment if isinstance(experiment, Experiment) else load(experiment)


def load_study(path: Path | str) -> Loaded:
    """An experiment file with its study block.

    Raises:
        UnknownName: neither a file nor a name.
        ConfigError: with file and line: not YAML, a wrong key or value, or a claim about a recipe, backbone or target
            that the experiment lacks, or that no scores could decide.
    """
    document = load_document(study_file(str(path)))
    try:
        experiment = Experiment(**document.values).placed(document.path)
    except ValidationError as error:
        raise document.mistake(error) from None
    backbones, recipes = experiment.backbones, experiment.recipes
    measured = {
        "recipe": [recipe.label for recipe in recipes if not recipe.control],
        "backbone": [one.name for one in backbones],
        "target": [target.task for target in experiment.targets],
    }
    controls = {
        "backbone": [f"{one.name} ({CONTROL_NAMES[kind]})" for one in backbones for kind in one.controls],
        "recipe": [recipe.label for recipe in recipes if recipe.control],
    }
    if (spec := document.spec()) and (found := impossible(spec, measured, controls)) is not None:
        raise document.at(*found)
    return Loaded(experiment, spec)


def _set(values: dict[str, Any], text: str) -> KeyPath:
    """Replace a value; returns its place."""
    path, equals, said = text.partition("=")
    *above, last = path.split(".")
    if not equals or not all((*above, last)):
        raise _wrong(text, "give a place in the file and a value, as in --set train.epochs=1")
    value = value_of(said, f"--set {text}")
    inside: Any = values
    place: KeyPath = ()
    for part in above:
        place = (*place, _key_in(inside, part, text, place))
        inside = inside.setdefault(part, {}) if isinstance(inside, dict) else inside[place[-1]]
    key = _key_in(inside, last, text, place)
    inside[key] = value
    return (*place, key)


def _key_in(inside: Any, part: str, text: str, place: KeyPath) -> str | int:
    """The key or number of an item that `part` names."""
    where = ".".join(map(str, place))
    if isinstance(inside, dict):
        return part
    if not isinstance(inside, list):
        raise _wrong(text, f"{where} is {inside!r:.60}, and has no '{part}'")
    if not part.isdigit() or int(part) >= len(inside):
        raise _wrong(text, f"{where} is a list of {len(inside)}: give the number of an item, from 0")
    return int(part)


def _wrong(text: str, problem: str) -> ConfigError:
    return ConfigError(f"--set {text}: {problem}")
