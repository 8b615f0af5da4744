"""Models of experiment files, which refuse unknown keys, and their errors in words, each with its line."""

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Annotated, Any, ClassVar, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from xstilts.core.errors import UnknownName
from xstilts.core.languages import any_language

KeyPath = tuple[str | int, ...]
"""The path to a value: keys and item numbers."""


@dataclass
class Lines:
    """1-based lines: of each key and item, and of the first occurrence of each text."""

    places: dict[KeyPath, int] = field(default_factory=dict)
    values: dict[str, int] = field(default_factory=dict)
    nodes: int = 0

    def nearest(self, place: KeyPath) -> int | None:
        """The line of a place, or of the nearest place around it that has one."""
        return next((self.places[place[:n]] for n in range(len(place), 0, -1) if place[:n] in self.places), None)


ALIASES: Mapping[str, tuple[str, ...]] = {
    "lr": ("learning_rate",),
    **dict.fromkeys(("bs", "batch", "train_batch_size"), ("batch_size",)),
    **dict.fromkeys(("max_len", "max_seq_length", "max_seq_len"), ("max_length",)),
    **dict.fromkeys(("wd", "decay"), ("weight_decay",)),
    **dict.fromkeys(("model", "models", "encoder"), ("backbones", "source")),
    **dict.fromkeys(("dataset", "datasets", "data"), ("tasks", "files")),
    **dict.fromkeys(("num_epochs", "num_train_epochs"), ("epochs",)),
    **dict.fromkeys(("max_steps", "num_steps"), ("steps",)),
    **dict.fromkeys(("intermediate", "intermediate_tasks"), ("recipes",)),
}
"""Names of keys in other programs -> ours, one for each place."""


class Strict(BaseModel):
    """A model of an experiment file: frozen, and unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    short: ClassVar[Mapping[type, str]] = {}
    """Short forms: type of a bare value -> the field that it sets."""

    @model_validator(mode="before")
    @classmethod
    def _no_unknown_keys(cls, values: Any) -> Any:
        if field := cls.short.get(type(values)):
            return {field: values}
        names = [field.alias or name for name, field in cls.model_fields.items()]
        if not isinstance(values, dict | cls):
            several, more = cls.short.get(list), " ..." * (len(names) > 6)
            forms = ["a name"] * (str in cls.short) + [f"a list of {several}"] * bool(several)
            forms.append(f"keys with values (keys: {', '.join(names[:6])}{more})")
            if isinstance(values, str) and several:
                forms = [f"a list of {several}, as in [{values}]"]
            raise mistake(f"give {' or '.join(forms)} (found: {values!r:.100})")
        if not isinstance(values, dict):
            return values
        for key in values:
            if key not in names:
                near = [name for name in ALIASES.get(str(key).lower(), ()) if name in names]
                near = near or difflib.get_close_matches(str(key).lower(), names, n=1)
                hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(names)}"
                if "max_length" in (key, *ALIASES.get(str(key).lower(), ())) and not near:
                    hint = "`max_length` is a field of a task, as in tasks: {short: {like: xnli, max_length: 64}}"
                raise PydanticCustomError("unknown_key", "{hint}", {"hint": hint, "key": [key]})
        for name in _numbers(cls):
            if _has_bool(values.get(name)):
                raise mistake(f"`{name}` is a number, and YAML reads the value as true or false", name)
        return values


@cache
def _numbers(model: type[Strict]) -> tuple[str, ...]:
    """The fields that hold numbers, and neither truth values nor any value."""
    kinds = {field.alias or name: set(_kinds(field.annotation)) for name, field in model.model_fields.items()}
    return tuple(name for name, found in kinds.items() if found & {int, float} and not found & {bool, Any})


def _kinds(annotation: Any) -> Iterator[Any]:
    """The types that an annotation is made of, those of literals too."""
    yield annotation if isinstance(annotation, type) or annotation is Any else type(annotation)
    for part in get_args(annotation):
        yield from _kinds(part)


def _has_bool(value: Any) -> bool:
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return isinstance(value, bool) or any(map(_has_bool, parts))


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
    context, where = first.get("ctx", {}), ".".join(str(part) for part in _location(first) if part != "[key]")
    line = lines.nearest(key_of(error))
    cause = context.get("error")
    if isinstance(cause, UnknownName):
        return str(cause), lines.values.get(cause.asked, line)
    if line is None:  # about the whole document: use the first name in the message that the document has
        named = re.findall(r"'([^']+)'", first["msg"])
        line = next((lines.values[name] for name in named if name in lines.values), None)
    if first["type"] == "unknown_key":
        return f"unknown key '{context['key'][0]}'{f' in {where}' if where else ''}: {first['msg']}", line
    message = _advice(first) or first["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    found = "" if first["type"] in ("value_error", "missing", "mistake") else f" (found: {first['input']!r:.100})"
    return (f"{where}: {message}{found}" if where else message), line


def _advice(first: Mapping[str, Any]) -> str:
    """Advice on what to write; empty where pydantic's message is clear."""
    value, context = first["input"], first.get("ctx", {})
    match first["type"]:
        case "tuple_type" | "list_type":
            shown = value.replace(",", ", ").replace("  ", " ") if isinstance(value, str) else value
            return (
                "give a list: a line with `- ` for each item" if isinstance(value, dict) else f"give a list: [{shown}]"
            )
        case "dict_type":
            return "give keys with values, as in {key: value}"
        case "too_short" if not value:
            return f"give at least {context['min_length']} of them"
        case "string_pattern_mismatch":
            marks = " ".join(context["pattern"].split("]")[1].removeprefix("[A-Za-z0-9"))
            longest = ", at most 100 of them" * ("{0,99}" in context["pattern"])
            return f"use letters from A to Z, digits and {marks}{longest}; the first is a letter or a digit"
    return ""


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
    if not codes:
        raise ValueError("give at least one language, or leave this out")
    return tuple(dict.fromkeys(codes))


def _not_all(value: Any) -> Any:
    if value in ("all", ["all"]):
        raise ValueError("name the languages in a list, as in [de, sw], or leave this out for the default")
    return value


Word = Annotated[str, BeforeValidator(_word)]
"""Text, not a truth value of YAML (`no`)."""
Code = Annotated[Word, AfterValidator(lambda form: any_language(form).code)]
"""A language in any spelling, as our code."""
CodeOrAll = Annotated[Word, AfterValidator(lambda form: form if form == "all" else any_language(form).code)]
Codes = Annotated[tuple[Code, ...], BeforeValidator(_not_all), AfterValidator(_once)]
CodesOrAll = Annotated[tuple[CodeOrAll, ...], AfterValidator(_once)]
"""Each language once, in any spelling."""
