"""With what stages were computed: versions, processor, device, and the settings that their numbers depend on.

A runner may leave these as a JSON object in `environment.json` of the stage's directory; publishing moves it into
`stage.json`. What stands there under `depends_on` (setting -> value) is handed on to every stage that reads this one.
"""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from xstilts.core.errors import DataError
from xstilts.core.files import read_json
from xstilts.graph.record import Record

FILE = "environment.json"
DEPENDS = "depends_on"
COMPARED = ("torch", "transformers", "tokenizers", "numpy", "python", "device", "processor")
"""What a graph is said to mix when its stages differ in it."""


def versions(names: Iterable[str]) -> dict[str, str]:
    """The installed versions of packages; those that are not installed are left out."""
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def gather(directory: Path, inputs: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The environment of a stage that was just computed; its `environment.json` is removed.

    Args:
        inputs: environments of the stages it read.
    """
    said = left(directory)
    (directory / FILE).unlink(missing_ok=True)
    inherited = [{DEPENDS: one.get(DEPENDS, {})} for one in inputs]
    return {"python": platform.python_version(), **together([*inherited, said])}


def left(directory: Path) -> dict[str, Any]:
    """What a runner has left so far; nothing of what cannot be read, as of a process that was killed."""
    try:
        said = read_json(directory / FILE)
    except DataError:
        return {}
    return said if isinstance(said, dict) else {}


def together(environments: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Several as one: of what differs the last, but of `depends_on` all."""
    depends = merged([one.get(DEPENDS, {}) for one in environments])
    told = {name: value for one in environments for name, value in one.items() if name != DEPENDS}
    return {**told, **({DEPENDS: depends} if depends else {})}


def merged(settings: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Settings of several stages as those of one: where they differ, a list of all values."""
    found: dict[str, list[Any]] = {}
    for one in settings:
        for name, value in one.items():
            values = value if isinstance(value, list) else [value]
            found.setdefault(name, []).extend(each for each in values if each not in found.get(name, []))
    return {name: values[0] if len(values) == 1 else sorted(values, key=str) for name, values in sorted(found.items())}


def notes(environment: Mapping[str, Any]) -> tuple[str, ...]:
    """What the signature of a score says of it: `depends on micro_batch_tokens=512`."""
    return tuple(f"depends on {name}={_words(value)}" for name, value in environment.get(DEPENDS, {}).items())


def remarks(records: Sequence[Record]) -> list[str]:
    """What a reader of these stages' numbers should know, a sentence each; none where all are alike."""
    depends = [one.environment.get(DEPENDS, {}) for one in records]
    named = sorted({name for one in depends for name in one})
    lines = [
        f"The stages were computed with {name} {mixed}: small differences between scores may come from that."
        for name in COMPARED
        if (mixed := _mixed(one.environment.get(name) for one in records))
    ]
    lines += [
        f"Some numbers depend on {name}, which was {mixed}: compare only scores whose signatures agree in it."
        for name in named
        if (mixed := _mixed(one.get(name) for one in depends))
    ]
    if unchecked := sum(one.files is None for one in records):
        lines.append(f"{unchecked} of {len(records)} stages were written without checksums and are read unchecked.")
    return lines


def _mixed(values: Iterable[Any]) -> str:
    """`2.11.0 (12 stages) and 2.13.0 (30)`; empty where all that say one say the same."""
    counts = sorted(Counter(_words(value) for value in values if value is not None).items())
    if len(counts) < 2:
        return ""
    first, *rest = [f"{value} ({count})" for value, count in counts]
    first = first.removesuffix(")") + (" stage)" if counts[0][1] == 1 else " stages)")
    return " and ".join(filter(None, (", ".join([first, *rest[:-1]]), rest[-1])))


def _words(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
