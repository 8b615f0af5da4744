"""Experiment files: plain, with a study block, or as a variant of another file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from xstilts.expand import CONTROL_NAMES
from xstilts.experiment import Experiment
from xstilts.session.overrides import overridden
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
        sets: values to replace, `train.epochs=1`: see `overridden`.

    Raises:
        UnknownName: neither a file nor a name.
        ConfigError: see `load_study`, `overridden`.
    """
    experiment = load_study(path).experiment
    if not sets:
        return experiment
    return overridden(load_document(study_file(str(path))).values, sets).placed(experiment.file)


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
        raise document.mistake(error, Experiment) from None
    spec = document.spec()
    if spec is not None:
        _check_names(document, experiment, spec)
    return Loaded(experiment, spec)


def _check_names(document: Document, experiment: Experiment, spec: StudySpec) -> None:
    controls = [f"{one.name} ({CONTROL_NAMES[kind]})" for one in experiment.backbones for kind in one.controls]
    known = {
        "recipe": [recipe.label for recipe in experiment.recipes],
        "backbone": [*(one.name for one in experiment.backbones), *controls],
        "target": [target.task for target in experiment.targets],
    }
    if (found := spec.unknown(known)) is not None:
        place, error = found
        raise document.at(place, str(error))
    measured = {**known, "backbone": [one.name for one in experiment.backbones]}
    if (never := impossible(spec, measured)) is not None:
        raise document.at(*never)
