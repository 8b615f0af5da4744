"""The environment of stages: versions, processor, device, and the settings that their numbers depend on.

A runner may write it as a JSON object into `environment.json` of the stage's directory; publishing moves it into
`stage.json`. The entry `depends_on` (setting -> value) is passed on to every stage that reads this one.
"""

import json
import platform
import subprocess
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from typing import Any

from xstilts.core.files import read_object
from xstilts.graph.record import Record

FILE = "environment.json"
DEPENDS = "depends_on"
COMPARED = ("torch", "transformers", "tokenizers", "numpy", "python", "device", "processor")
"""Entries in which the stages of a graph should agree."""


def versions(names: Iterable[str]) -> dict[str, str]:
    """The versions of the packages that are installed."""
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


@cache
def commit() -> dict[str, str]:
    """The last commit that changed this package, if it runs from a git checkout or was installed from one.

    `+changes` follows where files of the package differ from it.
    """
    folder = Path(__file__).parents[1]

    def git(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["git", "-C", str(folder), *words, "--", "."], capture_output=True, text=True, check=False
        )

    try:
        if found := git("log", "-1", "--format=%h").stdout.strip():
            return {"xstilts_commit": found + "+changes" * bool(git("status", "--porcelain").stdout.strip())}
        installed = json.loads(distribution("xstilts").read_text("direct_url.json") or "{}")
        found = installed.get("vcs_info", {}).get("commit_id", "")
    except (OSError, PackageNotFoundError, ValueError):
        return {}
    return {"xstilts_commit": found} if found else {}


def gather(directory: Path, inputs: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The environment of a stage that was just computed from `inputs` with theirs; removes its `environment.json`."""
    own = read_object(directory / FILE)
    (directory / FILE).unlink(missing_ok=True)
    inherited = [{DEPENDS: one.get(DEPENDS, {})} for one in inputs]
    return {"python": platform.python_version(), **together([*inherited, own])}


def together(environments: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Several environments as one: the last value of each entry, but all values of `depends_on`."""
    depends = merged(one.get(DEPENDS, {}) for one in environments)
    found = {name: value for one in environments for name, value in one.items() if name != DEPENDS}
    return {**found, **({DEPENDS: depends} if depends else {})}


def merged(settings: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The settings of several stages as one mapping: where they differ, a list of all values."""
    found: dict[str, list[Any]] = {}
    for one in settings:
        for name, value in one.items():
            values = value if isinstance(value, list) else [value]
            found.setdefault(name, []).extend(each for each in values if each not in found.get(name, []))
    return {name: values[0] if len(values) == 1 else sorted(values, key=str) for name, values in sorted(found.items())}


def notes(environment: Mapping[str, Any]) -> tuple[str, ...]:
    """The notes for a score's signature: `depends on micro_batch_tokens=512`."""
    return tuple(f"depends on {name}={_words(value)}" for name, value in environment.get(DEPENDS, {}).items())


def remarks(records: Sequence[Record]) -> list[str]:
    """Sentences about differences between these stages' environments, for readers of their numbers."""
    depends = [one.environment.get(DEPENDS, {}) for one in records]
    lines = [
        f"The stages were computed with {name} {mixed}: small differences between scores may come from that."
        for name in COMPARED
        if (mixed := _mixed(one.environment.get(name) for one in records))
    ]
    return lines + [
        f"Some numbers depend on {name}, which was {mixed}: compare only scores whose signatures agree in it."
        for name in sorted({name for one in depends for name in one})
        if (mixed := _mixed(one.get(name) for one in depends))
    ]


def _mixed(values: Iterable[Any]) -> str:
    """`2.11.0 (12 stages) and 2.13.0 (30)`; empty if all given values are equal."""
    counts = sorted(Counter(_words(value) for value in values if value is not None).items())
    if len(counts) < 2:
        return ""
    unit = " stage" if counts[0][1] == 1 else " stages"
    *firsts, last = [f"{value} ({count}{'' if n else unit})" for n, (value, count) in enumerate(counts)]
    return f"{', '.join(firsts)} and {last}"


def _words(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
