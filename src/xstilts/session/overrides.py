"""Values of an experiment file replaced on the command line: `--set train.epochs=1`, `--set targets.0.limit=50`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from pydantic import ValidationError

from xstilts.core.errors import ConfigError
from xstilts.core.yaml_lines import Lines, Place, key_of, place_of, value_of
from xstilts.experiment import Experiment


def overridden(values: Mapping[str, Any], sets: Sequence[str]) -> Experiment:
    """The experiment of a file's values with some of them replaced, each `place=value`: keys and numbers of items with
    dots between them, and YAML.

    Its name and title get what was set, so that its report and its grid stand beside those of the file as it is.

    Raises:
        ConfigError: with the option: no place of the file, or a wrong value.
    """
    changed: dict[str, Any] = deepcopy(dict(values))
    places: dict[str, Place] = {}
    for said in sets:
        places[said] = _set(changed, said)
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
        raise _wrong(" --set ".join(guilty or sets), place_of(error, Lines(), Experiment)[0]) from None


def _set(values: dict[str, Any], said: str) -> Place:
    path, equals, text = said.partition("=")
    parts = path.split(".")
    if not equals or not all(parts):
        raise _wrong(said, "give a place in the file and a value, as in --set train.epochs=1")
    value = value_of(text, f"--set {said}")
    inside: Any = values
    place: Place = ()
    for number, part in enumerate(parts, start=1):
        key = _key_in(inside, part, said, ".".join(parts[: number - 1]))
        place = (*place, key)
        if number == len(parts):
            inside[key] = value
        elif isinstance(inside, dict):
            inside = inside.setdefault(part, {})
        else:
            inside = inside[key]
    return place


def _key_in(inside: Any, part: str, said: str, where: str) -> str | int:
    """The key or number of an item that `part` names."""
    if isinstance(inside, dict):
        return part
    if not isinstance(inside, list):
        raise _wrong(said, f"{where} is {inside!r:.60}, and has no '{part}'")
    if not part.isdigit() or int(part) >= len(inside):
        raise _wrong(said, f"{where} is a list of {len(inside)}: give the number of an item, from 0")
    return int(part)


def _wrong(said: str, problem: str) -> ConfigError:
    return ConfigError(f"--set {said}: {problem}")
