"""Task types as values: all that is said of a type outside its own machinery, without torch.

`machinery` names the class in `xstilts.task_types` that makes features, heads, losses and predictions. A new type is
one entry of `types.toml` and one class there; `xstilts show TYPE` prints the value.
"""

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
    """What a plan assumes of data that is not prepared yet, from the mean lengths of XTREME's English files.

    Attributes:
        tokens: of a segment, with special tokens; `segments` an instance has; `instances` a row makes.
        predicted: share of the tokens over which an output layer predicts: those masked, or those of an answer.
        passes: over a prompt in prediction: one a choice; of generated answers assumed. 0: one for each label.
        feature: bytes a token in prepared features.
        record, prediction: bytes an example in files of gold and of predictions.
    """

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
    """A task type: an entry of `types.toml`.

    Attributes:
        machinery: `module:Class` in `xstilts.task_types`.
        fields: field of an own file -> what its column is called unless the user says so; the first that is there.
        optional: fields that a file may lack.
        make: what makes an example of a row of an own file (in `shapes`); None: own tasks cannot have this type.
        rules: version of how own files are read; raised where the same file begins to give other examples.
        encoding: version of what `prepare` makes of its examples; raised likewise.
        metrics: that fit the gold of own tasks, the usual one first; none for what is only trained on.
        max_length: of own tasks, in tokens with special tokens.
        labels: `classes`: a class or tag for each text or word; `choices`: names of choices; empty: none.
        in_text: the type by which a model that writes text does it; of such a type `asks` is the one that it answers.
        answers: whether a finished model answers single examples (`xstilts predict`), as the hub's pipeline tag.
        raw: instances are blocks of lines of raw text.
        fills: texts are cut into windows or joined, so that they are as long as they may be.
        trained: whether it can be trained on.
        cosine: its loss compares sentence vectors, for which bf16 is too coarse.
        read_by, trained_by, judged_by: what of a backbone's `retrieval` its predictions, training and scores depend on.
        options: numbers that a component of a mixture may set, each with its range.
        translated: training examples can be translated; `projected`: their gold has a place in the text.
        score: function in `xstilts.evaluation.score_match` that compares files of gold and predictions.
    """

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
        """Whether it has no head: sentence vectors are all there is."""
        return bool(self.read_by or self.cosine)


TYPES: Registry[Type] = Registry("task type")


def asked_type(name: str) -> Type:
    """The type that is asked, whether a head answers or the model writes text."""
    kind = TYPES.get(name)
    return TYPES.get(kind.asks) if kind.asks else kind


for _name, _row in tomllib.loads(Path(__file__).with_name("types.toml").read_text("utf-8")).items():
    TYPES.add(_name, TypeAdapter(Type).validate_python({"name": _name, **_row}))
