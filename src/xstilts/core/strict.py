"""Models of experiment files, which refuse unknown keys, and their errors in words, each with its line."""

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from xstilts.core.errors import UnknownName
from xstilts.core.languages import any_language

KeyPath = tuple[str | int, ...]
"""The keys and numbers of items that lead to a value."""


@dataclass
class Lines:
    """1-based lines: of each key and item, and of the first occurrence of each text."""

    places: dict[KeyPath, int] = field(default_factory=dict)
    values: dict[str, int] = field(default_factory=dict)
    nodes: int = 0

    def nearest(self, place: KeyPath) -> int | None:
        """The line of a place, or of the nearest place around it that has one."""
        return next((self.places[place[:n]] for n in range(len(place), 0, -1) if place[:n] in self.places), None)


class Strict(BaseModel):
    """A model of an experiment file: frozen, and unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    short: ClassVar[Mapping[type, str]] = {}
    """Short forms: a value of this type alone stands for the field."""

    @model_validator(mode="before")
    @classmethod
    def _no_unknown_keys(cls, values: Any) -> Any:
        if field := cls.short.get(type(values)):
            return {field: values}
        names = [field.alias or name for name, field in cls.model_fields.items()]
        for key in values if isinstance(values, dict) else ():
            if key not in names:
                near = difflib.get_close_matches(str(key), names, n=1)
                hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(names)}"
                raise PydanticCustomError("unknown_key", "{hint}", {"hint": hint, "key": [key]})
        return values


def mistake(problem: str, *key: str | int) -> PydanticCustomError:
    """A validator's error about a field of its model, or about a place in it, which gives the line."""
    return PydanticCustomError("mistake", "{problem}", {"problem": problem, "key": key})


def check_fields(model: type[BaseModel]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """A validator for a dictionary of some of `model`'s fields, whose errors have the line of the field."""

    def check(values: dict[str, Any]) -> dict[str, Any]:
        try:
            model(**values)
        except ValidationError as error:
            raise mistake(place_of(error)[0], *key_of(error)[:1]) from None
        return values

    return check


def key_of(error: ValidationError) -> KeyPath:
    """The place of the first error in the document; empty if it is about the whole document."""
    first = _first(error)
    return (*_location(first), *first.get("ctx", {}).get("key", ()))


def place_of(error: ValidationError, lines: Lines | None = None) -> tuple[str, int | None]:
    """The first error in one line of words, and its line in the file."""
    first, lines = _first(error), lines or Lines()
    context, where = first.get("ctx", {}), ".".join(map(str, _location(first)))
    line = lines.nearest(key_of(error))
    cause = context.get("error")
    if isinstance(cause, UnknownName):
        return str(cause), lines.values.get(cause.asked, line)
    if line is None:  # about the whole document: use the first name in the message that the document has
        named = re.findall(r"'([^']+)'", first["msg"])
        line = next((lines.values[name] for name in named if name in lines.values), None)
    if first["type"] == "unknown_key":
        return f"unknown key '{context['key'][0]}'{f' in {where}' if where else ''}: {first['msg']}", line
    message = first["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    found = "" if first["type"] in ("value_error", "missing", "mistake") else f" (found: {first['input']!r:.100})"
    return (f"{where}: {message}{found}" if where else message), line


def _first(error: ValidationError) -> Any:
    """The error to report: an unknown key first, because others may follow from it."""
    found = error.errors()
    return next((one for one in found if one["type"] == "unknown_key"), found[0])


def _location(mistake: Mapping[str, Any]) -> KeyPath:
    return tuple(part for part in mistake["loc"] if not str(part).startswith("function-"))


def _word(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("YAML reads this word as true or false: put it in quotes")
    return value


def _once(codes: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(codes))


Word = Annotated[str, BeforeValidator(_word)]
"""Text, not a truth value of YAML (`no`)."""
Code = Annotated[Word, AfterValidator(lambda form: any_language(form).code)]
"""A language in any spelling, as our code."""
CodeOrAll = Annotated[Word, AfterValidator(lambda form: form if form == "all" else any_language(form).code)]
Codes = Annotated[tuple[Code, ...], AfterValidator(_once)]
CodesOrAll = Annotated[tuple[CodeOrAll, ...], AfterValidator(_once)]
"""Each language once, whatever its spellings."""
