"""Examples as rows of JSON, and back without loss: how one stage hands examples to another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from xstilts.core.files import read_jsonl
from xstilts.data.examples import Answer, ChoiceExample, Example, SpanExample, TaggedExample, TextExample

_KINDS: Mapping[str, Any] = {"text": TextExample, "choice": ChoiceExample, "span": SpanExample, "tagged": TaggedExample}
_NAMES = {kind: name for name, kind in _KINDS.items()}


def to_row(example: Example) -> dict[str, Any]:
    """The example as a JSON object; of labelled text, choices, spans and tags alone."""
    return {"kind": _NAMES[type(example)], **asdict(example)}


def from_row(row: Mapping[str, Any]) -> Example:
    """The inverse of `to_row`, after a way through JSON text."""
    fields = {name: tuple(value) if isinstance(value, list) else value for name, value in row.items() if name != "kind"}
    if fields.get("answers"):
        fields["answers"] = tuple(Answer(**answer) for answer in fields["answers"])
    example: Example = _KINDS[row["kind"]](**fields)
    return example


def read_examples(path: Path) -> Iterator[Example]:
    """The examples of a file of such rows."""
    return (from_row(row) for _, row in read_jsonl(path))
