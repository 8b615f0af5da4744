"""YAML with line numbers, so that every error in an experiment file has its line."""

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from xstilts.core.errors import ConfigError
from xstilts.core.files import read_text
from xstilts.core.strict import KeyPath, Lines

TEXT, MERGE = "tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"
BYTES, NODES, LEVELS = 1_000_000, 50_000, 50
"""Limits of a file (aliases of aliases would fill the memory); built-in ones have a few thousand bytes, ten levels."""
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, marks that change the direction of text, halves of surrogate pairs."""


def load_yaml(path: Path) -> tuple[Any, Lines]:
    """The document and its lines. Raises `ConfigError` if it is not YAML, or larger than a person writes."""
    if path.is_file() and (size := path.stat().st_size) > BYTES:
        raise ConfigError(f"{size:,} bytes: an experiment file has at most {BYTES:,}", path)
    text, lines = read_text(path), Lines()
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        _collect(node, (), lines, ())
        document = None if node is None else loader.construct_document(node)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ConfigError(f"not YAML: the character U+{int(error.character):04X}", path, line) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        before = f"{error.context}, " if str(error.problem).startswith("but") else ""
        problem = error.problem if isinstance(error, _Refused) else f"not YAML: {before}{error.problem}"
        raise ConfigError(str(problem), path, mark.line + 1 if mark else None) from None
    return document, lines


def value_of(text: str, name: str) -> Any:
    """A single value, as on a command line. Raises `ConfigError`, which begins with `name`."""
    try:
        return _Loader(text).get_single_data()
    except _Refused as error:
        raise ConfigError(f"{name}: {error.problem}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{name}: not YAML: {getattr(error, 'problem', None) or 'the value'}") from None


_BASES = {8: re.compile(r"[-+]?0[0-9_]+$"), 60: re.compile(r"[-+]?[0-9][0-9_]*:")}
"""Forms of numbers in YAML 1.1 that YAML 1.2 and people read in another way."""


class _Refused(yaml.MarkedYAMLError):
    """Valid YAML that is refused."""

    def __init__(self, problem: str, mark: Any) -> None:
        super().__init__(problem=problem, problem_mark=mark)


class _Loader(yaml.SafeLoader):
    """Plain values, within the limits."""

    _depth = _read = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self._depth, self._read = self._depth + 1, self._read + 1
        _check_size(self._read, self._depth, self.peek_event().start_mark)  # type: ignore[no-untyped-call]
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        problem = ""
        try:
            value = super().construct_object(node, deep)
        except (ValueError, OverflowError) as error:  # of int(), float() and dates
            value, problem = None, f"a number of {len(node.value):,} digits" if len(node.value) > 1000 else str(error)
        if isinstance(value, int | float) and (
            base := next((b for b, form in _BASES.items() if form.match(node.value)), 0)
        ):
            problem = (
                f"{node.value:.40} is read as a number in base {base} by YAML: write it in base 10, or put it in quotes"
            )
        elif isinstance(value, int) and abs(value) >= 2**63:
            problem = "a number beyond 64 bits"
        elif isinstance(value, float) and not math.isfinite(value):
            problem = f"{value} is not a number to compute with"
        elif isinstance(value, str) and (found := _UNSEEN.search(value)):
            problem = f"the character U+{ord(found[0]):04X} in a text"
        if problem:
            raise _Refused(problem, node.start_mark)
        return value


def _check_size(nodes: int, levels: int, mark: Any) -> None:
    if nodes > NODES:
        raise _Refused(f"more than {NODES:,} values, with aliases (*) expanded", mark)
    if levels > LEVELS:
        raise _Refused(f"nested more than {LEVELS} levels deep", mark)


def _collect(node: Any, place: KeyPath, lines: Lines, above: Sequence[Any], merged: bool = False) -> None:
    """Collect the lines of a node, with aliases expanded; `above`: the nodes around it.

    `merged`: `<<` adds it to a mapping, whose own keys have priority.
    """
    if any(node is outer for outer in above):
        raise _Refused("a value that contains itself: remove the alias (*)", node.start_mark)
    above, lines.nodes = (*above, node), lines.nodes + 1
    if node is not None:
        _check_size(lines.nodes, len(above), max((one.start_mark for one in above), key=lambda mark: mark.line))
    if isinstance(node, yaml.MappingNode):
        for key, value in sorted(node.value, key=lambda pair: pair[0].tag == MERGE):
            line = key.start_mark.line + 1
            if key.tag == MERGE:
                for one in value.value if isinstance(value, yaml.SequenceNode) else (value,):
                    _collect(one, place, lines, above, merged=True)
                continue
            if key.tag != TEXT:
                scalar = isinstance(key, yaml.ScalarNode)
                said = f"'{key.value}' is not text in YAML: put it in quotes, as in '{key.value}':"
                raise _Refused(f"key {said if scalar else 'of several values is not text'}", key.start_mark)
            inner = (*place, str(key.value))
            if inner not in lines.places:
                lines.places[inner] = line
                lines.values.setdefault(str(key.value), line)
                _collect(value, inner, lines, above)
            elif not merged:
                raise _Refused(f"key '{key.value}' occurs twice", key.start_mark)
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            lines.places[(*place, number)] = value.start_mark.line + 1
            _collect(value, (*place, number), lines, above)
    elif isinstance(node, yaml.ScalarNode):
        lines.values.setdefault(str(node.value), node.start_mark.line + 1)
