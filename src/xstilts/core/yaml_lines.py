"""YAML with line numbers, so that every mistake in an experiment file is named by its line."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticCustomError

from xstilts.core.errors import ConfigError, UnknownName
from xstilts.core.files import read_text

Place = tuple[str | int, ...]
TEXT, MERGE = "tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"
BYTES, NODES, LEVELS = 1_000_000, 50_000, 50
"""Most of an experiment file; those that come with xstilts have some thousand bytes and ten levels."""


@dataclass(frozen=True)
class Lines:
    """1-based lines: of each key and item, and of the first place where a text stands."""

    places: dict[Place, int] = field(default_factory=dict)
    values: dict[str, int] = field(default_factory=dict)


def load_yaml(path: Path) -> tuple[Any, Lines]:
    """The document and its lines.

    Raises:
        ConfigError: no YAML, or more of it than a person writes: aliases of aliases would fill the memory.
    """
    if path.is_file() and (size := path.stat().st_size) > BYTES:
        raise ConfigError(f"{size:,} bytes: an experiment file has at most {BYTES:,}", path)
    text, lines = read_text(path), Lines()
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        _collect(node, (), lines, path, ())
        document = None if node is None else loader.construct_document(node)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ConfigError(f"not YAML: the character U+{int(error.character):04X}", path, line) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        before = f"{error.context}, " if str(error.problem).startswith("but") else ""
        problem = error.problem if isinstance(error, _Limit) else f"not YAML: {before}{error.problem}"
        raise ConfigError(str(problem), path, mark.line + 1 if mark else None) from None
    return document, lines


def value_of(text: str, name: str) -> Any:
    """A value that stands alone, as on a command line. Raises `ConfigError`, beginning with `name`."""
    try:
        return _Loader(text).get_single_data()
    except yaml.YAMLError as error:
        raise ConfigError(f"{name}: not YAML: {getattr(error, 'problem', None) or 'the value'}") from None


_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, marks that turn the direction of what follows, halves of surrogate pairs."""


class _Limit(yaml.MarkedYAMLError):
    """YAML that is not read all the same."""


class _Loader(yaml.SafeLoader):
    """Plain values only, with limits on what is written and on what aliases make of it."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = self._read = 0
        self._extent: dict[int, tuple[int, int]] = {}  # of each node: nodes and levels, aliases written out

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
        self._depth, self._read = self._depth + 1, self._read + 1
        self._check(self._read, self._depth, mark)
        node = super().compose_node(parent, index)
        self._depth -= 1
        if node is not None and id(node) not in self._extent:
            inside = [part for item in node.value for part in (item if isinstance(item, tuple) else (item,))]
            parts = [self._extent.get(id(part), (1, 1)) for part in inside] if isinstance(node.value, list) else []
            self._extent[id(node)] = 1 + sum(n for n, _ in parts), 1 + max((depth for _, depth in parts), default=0)
        nodes, levels = self._extent.get(id(node), (1, 1))
        self._check(nodes, self._depth + levels, mark)
        return node

    def _check(self, nodes: int, levels: int, mark: Any) -> None:
        if nodes > NODES:
            raise _Limit(problem=f"more than {NODES:,} values, aliases (*) written out", problem_mark=mark)
        if levels > LEVELS:
            raise _Limit(problem=f"nested more than {LEVELS} levels deep", problem_mark=mark)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            value = super().construct_object(node, deep)
            problem = _problem(value)
        except (ValueError, OverflowError) as error:  # of int(), float() and dates
            problem = f"a number of {len(node.value):,} digits" if len(node.value) > 1000 else str(error)
        if problem:
            raise _Limit(problem=problem, problem_mark=node.start_mark)
        return value


def _problem(value: Any) -> str:
    """What is wrong with a value that YAML allows."""
    if isinstance(value, int) and abs(value) >= 2**63:
        return "a number beyond 64 bits"
    if isinstance(value, float) and not math.isfinite(value):
        return f"{value} is not a number to compute with"
    if isinstance(value, str) and (found := _UNSEEN.search(value)):
        return f"the character U+{ord(found[0]):04X} in a text"
    return ""


def _collect(node: Any, place: Place, lines: Lines, path: Path, above: tuple[Any, ...], merged: bool = False) -> None:
    """Note the lines of a node; `merged`: of one that `<<` adds to a mapping, whose own keys stand over it."""
    if any(node is outer for outer in above):
        raise ConfigError("a value that contains itself: take the alias (*) out", path, node.start_mark.line + 1)
    above = (*above, node)
    if isinstance(node, yaml.MappingNode):
        for key, value in sorted(node.value, key=lambda pair: pair[0].tag == MERGE):
            if key.tag == MERGE:
                for one in value.value if isinstance(value, yaml.SequenceNode) else (value,):
                    _collect(one, place, lines, path, above, merged=True)
                continue
            if key.tag != TEXT:
                named = f"'{key.value}'" if isinstance(key, yaml.ScalarNode) else "of several values"
                hint = f": put it in quotes, as in {named}:" if isinstance(key, yaml.ScalarNode) else ""
                raise ConfigError(f"key {named} is no text to YAML{hint}", path, key.start_mark.line + 1)
            inner = (*place, str(key.value))
            if inner in lines.places:
                if merged:
                    continue
                raise ConfigError(f"key '{key.value}' occurs twice", path, key.start_mark.line + 1)
            lines.places[inner] = key.start_mark.line + 1
            lines.values.setdefault(str(key.value), key.start_mark.line + 1)
            _collect(value, inner, lines, path, above)
    elif isinstance(node, yaml.SequenceNode):
        for i, value in enumerate(node.value):
            lines.places[(*place, i)] = value.start_mark.line + 1
            _collect(value, (*place, i), lines, path, above)
    elif isinstance(node, yaml.ScalarNode):
        lines.values.setdefault(str(node.value), node.start_mark.line + 1)


def _first(error: ValidationError) -> Any:
    """The mistake to tell: a misspelt key is usually also a missing one, and the misspelling is what to say."""
    found = error.errors()
    return next((one for one in found if one["type"] == "extra_forbidden"), found[0])


def _location(mistake: Mapping[str, Any]) -> Place:
    return tuple(part for part in mistake["loc"] if not str(part).startswith("function-"))


def key_of(error: ValidationError) -> Place:
    """Where in the document the first mistake is; empty where it is about the document as a whole."""
    first = _first(error)
    return (*_location(first), *first.get("ctx", {}).get("key", ()))


def place_of(error: ValidationError, lines: Lines, model: type[BaseModel]) -> tuple[str, int | None]:
    """The first mistake in one line of words, and its line in the file."""
    first = _first(error)
    context, location = first.get("ctx", {}), _location(first)
    line = _nearest(key_of(error), lines.places)
    cause = context.get("error")
    if isinstance(cause, UnknownName):
        return str(cause), lines.values.get(cause.asked, line)
    if line is None:  # of the document as a whole: the first name that its message quotes and the document holds
        line = next(
            (lines.values[name] for name in re.findall(r"'([^']+)'", first["msg"]) if name in lines.values), None
        )
    where = ".".join(str(part) for part in location)
    if first["type"] == "extra_forbidden":
        known = _fields(model, location[:-1])
        near = difflib.get_close_matches(str(location[-1]), known, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(known)}"
        inside = f" in {where.rpartition('.')[0]}" if len(location) > 1 else ""
        return f"unknown key '{location[-1]}'{inside}: {hint}", line
    message = first["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    found = "" if first["type"] in ("value_error", "missing", "options") else f" (found: {first['input']!r:.100})"
    return (f"{where}: {message}{found}" if where else message), line


def _nearest(location: tuple[Any, ...], lines: Mapping[Place, int]) -> int | None:
    for length in range(len(location), 0, -1):
        if location[:length] in lines:
            return lines[location[:length]]
    return None


def _fields(model: type[BaseModel], location: tuple[Any, ...]) -> list[str]:
    """Names that are allowed at a place of the document."""
    current: Any = model
    is_key = False  # of a dictionary of models: a name of the user's own
    for part in location:
        if isinstance(part, int) or is_key:
            is_key = False
            continue
        field: Any = getattr(current, "model_fields", {}).get(part)
        current = _model_in(field.annotation) if field is not None else None
        if current is None:
            return []
        is_key = get_origin(field.annotation) is dict
    names: Mapping[str, Any] = getattr(current, "model_fields", {})
    return [field.alias or name for name, field in names.items()]


def _model_in(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        found = _model_in(argument)
        if found is not None:
            return found
    return None


def check_fields(model: type[BaseModel]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """A validator for a dictionary of some of `model`'s fields, whose errors name the field's own line."""

    def check(values: dict[str, Any]) -> dict[str, Any]:
        try:
            model(**values)
        except ValidationError as error:
            problem, _ = place_of(error, Lines(), model)
            key = [str(part) for part in error.errors()[0]["loc"][:1]]
            raise PydanticCustomError("options", "{problem}", {"problem": problem, "key": key}) from None
        return values

    return check
