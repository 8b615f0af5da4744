"""Study files: an experiment file with a `study:` block, or a variant of one.

A variant says `base: NAME` (NAME.yaml beside it, or one that comes with xstilts) and then only what differs: each of
its top-level keys, and each key under `study:`, replaces that of the base. By default its name is its file's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from xstilts.core.errors import ConfigError, UnknownName
from xstilts.core.strict import KeyPath, Lines, key_of, place_of
from xstilts.core.yaml_lines import load_yaml
from xstilts.studies.spec import StudySpec

STUDY = "study"
BASE = "base"


@dataclass(frozen=True)
class Document:
    """An experiment file before it is validated.

    Attributes:
        values: the keys of the file and its bases, without the study block.
        study: the study block; None without one.
        lines: lines of keys and items, each in the file that holds it.
        owners: (top-level key) or (`study`, key) -> the file it comes from.
        texts: file -> text -> line where the text first stands; the file itself first, then its bases.
    """

    path: Path
    values: dict[str, Any]
    study: dict[str, Any] | None
    lines: Lines
    owners: Mapping[KeyPath, Path]
    texts: Mapping[Path, dict[str, int]]

    def mistake(self, error: ValidationError, within: KeyPath = ()) -> ConfigError:
        """A validation error with its file and line; `within`: the place of the model in the file."""
        place, depth = (*within, *key_of(error)), len(within)
        inner = {place[depth:]: line for place, line in self.lines.places.items() if place[:depth] == within}
        # An error about no single key is at the line of the name that it mentions, in this file or a base.
        for path in [self.owner(place)] if place else self.texts:
            problem, line = place_of(error, Lines(inner, self.texts[path]))
            if line is not None:
                return ConfigError(problem, path, line)
        return ConfigError(problem, self.owner(place), self.lines.places.get(within))

    def at(self, place: KeyPath, problem: str) -> ConfigError:
        """A mistake at a place of the file."""
        return ConfigError(problem, self.owner(place), self.lines.nearest(place))

    def owner(self, place: KeyPath) -> Path:
        """The file that holds a place."""
        return self.owners.get(place[:2], self.owners.get(place[:1], self.path))

    def spec(self) -> StudySpec | None:
        """The study block, validated. Raises `ConfigError` with file and line."""
        if self.study is None:
            return None
        try:
            return StudySpec(**self.study)
        except ValidationError as error:
            raise self.mistake(error, (STUDY,)) from None


def load_document(path: Path, above: Sequence[Path] = ()) -> Document:
    """Read a file and the bases it names.

    Raises:
        ConfigError: not a YAML mapping, an unknown base, or a circle of bases.
    """
    values, lines = load_yaml(path)
    if not isinstance(values, dict):
        raise ConfigError("an experiment file holds `name:`, `backbones:`, `recipes:`, `targets:` ...", path, 1)
    study = values.pop(STUDY, None)
    if study is not None and not isinstance(study, dict):
        raise ConfigError("`study:` holds `question:`, `citation:`, `claims:` ...", path, lines.places[STUDY,])
    owners: dict[KeyPath, Path] = {(str(key),): path for key in values}
    owners.update({(STUDY, str(key)): path for key in study or ()})
    if BASE not in values:
        return Document(path, values, study, lines, owners, {path: lines.values})
    named, line = str(values.pop(BASE)), lines.places[BASE,]
    places = (path.parent / f"{named}.yaml", packaged(named))
    base = next((one for one in places if one.is_file() and one.resolve() != path.resolve()), None)
    if base is None:
        known = [*packaged_names(), *(one.stem for one in path.parent.glob("*.yaml"))]
        raise ConfigError(str(UnknownName("base", named, known)), path, line)
    if base in (*above, path):
        raise ConfigError(f"base '{named}' is itself a variant of this file", path, line)
    below = load_document(base, (*above, path))
    whole = {**below.values, "name": path.stem, **values}
    block = {**(below.study or {}), **(study or {})} if below.study or study else None
    texts = {path: lines.values, **below.texts}
    replaced = {place[: 2 if place[0] == STUDY else 1] for place in lines.places} - {(STUDY,)}
    kept = {place: line for place, line in below.lines.places.items() if not {place[:1], place[:2]} & replaced}
    return Document(path, whole, block, Lines({**kept, **lines.places}), {**below.owners, **owners}, texts)


def packaged(name: str) -> Path:
    """The path of a file that comes with xstilts."""
    return Path(str(files("xstilts.studies").joinpath(f"{name}.yaml")))


def packaged_names() -> list[str]:
    """The names of all files that come with xstilts."""
    return sorted(path.stem for path in packaged("any").parent.glob("*.yaml"))


def studies() -> list[str]:
    """The names of the studies that come with xstilts (files with a study block), the embedded ones first."""
    named = [name for name in packaged_names() if load_document(packaged(name)).study is not None]
    return sorted(named, key=lambda name: ("-" in name, name))


def study_file(name: str) -> Path:
    """The file of a study that comes with xstilts (`curriculum`), or a user's own file. Raises `UnknownName`."""
    if name in packaged_names():
        return packaged(name)
    if Path(name).suffix in (".yaml", ".yml") or Path(name).is_file():
        return Path(name)
    here = [path.name for path in Path().glob("*.y*ml")]
    raise UnknownName("study or file", name, [*studies(), *here], "xstilts study")
