"""Language codes in YAML: any spelling is read as our code."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

from xstilts.core.languages import any_language


def _word(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("YAML reads this word as true or false: put it in quotes")
    return value


def _once(codes: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(codes))


Word = Annotated[str, BeforeValidator(_word)]
"""Text that YAML has not taken for a truth value (`no`)."""
Code = Annotated[Word, AfterValidator(lambda form: any_language(form).code)]
"""Of a language: of the table, or one that a task of one's own names, which is checked with the whole file."""
CodeOrAll = Annotated[Word, AfterValidator(lambda form: form if form == "all" else any_language(form).code)]
Codes = Annotated[tuple[Code, ...], AfterValidator(_once)]
CodesOrAll = Annotated[tuple[CodeOrAll, ...], AfterValidator(_once)]
"""Each once: two spellings of one language are one."""
