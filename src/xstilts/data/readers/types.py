"""Task types as values: everything about a type except its machinery, without torch; see `types.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, ConfigDict, TypeAdapter

from xstilts.core.registry import Registry
from xstilts.data.examples import Example
from xstilts.data.readers import shapes
from xstilts.data.readers.common import Row
from xstilts.data.readers.tables import Name

Maker = Callable[[Row, shapes.Gold | None], Example | None]


@dataclass(frozen=True)
class Usual:
    """What a plan assumes of data that is not prepared yet; `types.toml` says what each number is."""

    tokens: int = 64
    segments: int = 1
    instances: float = 1.0
    predicted: float = 0.0
    passes: float = 1.0
    feature: float = 4.0
    record: float = 70.0
    prediction: float = 110.0


@dataclass(frozen=True)
class Type:
    """A task type: an entry of `types.toml`, which says what each key is."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    name: str
    machinery: str
    fields: Mapping[str, tuple[Name, ...]] = field(default_factory=dict)
    optional: frozenset[str] = frozenset()
    make: Annotated[Maker | None, BeforeValidator(lambda name: getattr(shapes, name))] = None
    rules: int = 1
    encoding: int = 1
    metrics: tuple[str, ...] = ()
    max_length: int = 128
    labels: str = ""
    in_text: str = ""
    asks: str = ""
    answers: str = ""
    raw: bool = False
    fills: bool = False
    trained: bool = True
    cosine: bool = False
    read_by: tuple[str, ...] = ()
    trained_by: tuple[str, ...] = ()
    judged_by: tuple[str, ...] = ()
    options: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    translated: bool = False
    projected: bool = False
    score: str = ""
    usual: Usual = Usual()

    @property
    def vectors(self) -> bool:
        """Whether it has no head and uses sentence vectors alone."""
        return bool(self.read_by or self.cosine)


TYPES: Registry[Type] = Registry("task type")


def asked_type(name: str) -> Type:
    """The type that a head would have, for one whose answers a model writes as text; else the type itself."""
    kind = TYPES.get(name)
    return TYPES.get(kind.asks) if kind.asks else kind


for _name, _row in tomllib.loads(Path(__file__).with_name("types.toml").read_text("utf-8")).items():
    TYPES.add(_name, TypeAdapter(Type).validate_python({"name": _name, **_row}))
