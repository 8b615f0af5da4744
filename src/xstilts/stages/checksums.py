"""What data and models are told by in a key: checksums of their files, or a hub name with its revision."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xstilts.backbones.names import weight_files
from xstilts.data.locate import Root
from xstilts.graph.stage import Stage
from xstilts.stages.digests import digest
from xstilts.tasks.base import Split, Task, check_language, check_split

# What a folder of weights is told by, beside the weights that are read; training leftovers beside them do not count.
MODEL_FILES = ("*.json", "*.safetensors", "*.model", "*.txt")
OF_TOKENIZER = ("tokenizer*", "*.model", "vocab.*", "special_tokens_map.json")
PIECES = ("merges.txt", "added_tokens.json")
"""What a tokenizer is made of besides where `tokenizer.json` does not hold all of it."""


@dataclass(frozen=True)
class DataSource:
    """Where the files of a task are: data folders, or a world that a stage writes.

    Attributes:
        roots: the data folders, searched in turn; empty where `world` writes the files.
        world: stage that writes the files.
    """

    roots: tuple[Path, ...] = ()
    world: Stage | None = None


def identity(source: str, revision: str | None, patterns: Sequence[str], also: Sequence[Path] = ()) -> dict[str, Any]:
    """What a model source is in a key: checksums of a folder's files (`also` those), or a hub name with revision."""
    folder = Path(source)
    if not folder.is_dir():
        return {"hub": source, "revision": revision}
    found = {*also, *(path for pattern in patterns for path in folder.glob(pattern))}
    paths = sorted(path for path in found if path.is_file())
    return {"files": {os.path.relpath(path, folder): digest(path) for path in paths}}


def identity_of_model(source: str, revision: str | None) -> dict[str, Any]:
    """The same of a whole model, in whatever form its weights lie there."""
    return identity(source, revision, MODEL_FILES, weight_files(Path(source)))


def identity_of_tokenizer(source: str, revision: str | None) -> dict[str, Any]:
    """The same of a model's tokenizer."""
    whole = (Path(source) / "tokenizer.json").is_file()
    return identity(source, revision, OF_TOKENIZER if whole else (*OF_TOKENIZER, *PIECES))


def there(data: DataSource, task: Task, languages: Sequence[str]) -> list[str]:
    """Of some languages those whose raw text this corpus has."""
    there = languages if data.world else task.available(data.roots, "train")
    return [code for code in languages if code in there]


def checksums(data: DataSource, task: Task, split: Split, languages: Sequence[str]) -> dict[str, Any]:
    """Checksums of the raw files, by language; a world's key stands for its files."""
    if data.world:
        check_split(task, split)
        for language in languages:
            check_language(task, language)
        return {"world": True}
    table: dict[str, Any] = {}
    for language in languages:
        paths = [*task.paths(data.roots, split, language), *task.gold_paths(data.roots, split, language)]
        paths += task.beside_paths(data.roots, language)
        table[language] = {name: digest(path) for name, path in _named(paths, data.roots).items()}
    return table


def _named(paths: Sequence[Path], roots: Sequence[Path]) -> dict[str, Path]:
    """Files by their names; those of one name in different folders by their paths below a data folder."""
    found = list(dict.fromkeys(paths))
    count = Counter(path.name for path in found)
    return {path.name if count[path.name] == 1 else _below(path, roots): path for path in found}


def _below(path: Path, roots: Sequence[Path]) -> str:
    root = next((root for root in roots if path.is_relative_to(root)), None)
    return path.relative_to(root).as_posix() if root else str(path)


def roots_of(data: DataSource) -> list[str] | None:
    """The data folders as settings name them; None where a world stands in their place."""
    return None if data.world else [str(root.absolute()) for root in data.roots]


def read_in(settings: Mapping[str, Any], inputs: Mapping[str, Path], world: str = "world") -> Root:
    """Where a stage finds its files: in the world that is its input `world`, else in the folders of its settings."""
    return inputs[world] if world in inputs else tuple(map(Path, settings["roots"]))
