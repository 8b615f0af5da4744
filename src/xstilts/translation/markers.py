"""Marker insertion: spans keep their place through translation when marks around them do.

Marks are put around the spans of the source, the marked text is translated, and the marks are found again and taken
out (Lee et al. 2018; Lewis et al. 2020 for MLQA's translated training data; Chen et al. 2023, EasyProject, arXiv
2211.15613, who compare kinds of marks). `tags` are numbered by letters, `<a>..</a><b>..</b>`, and may change places;
`brackets`, which most models keep best, cannot be told apart, so that all spans of a text must have one label.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from string import ascii_lowercase

from xstilts.translation.spec import Markers
from xstilts.translation.texts import Range

_TAG = re.compile(r"<\s*((?:/\s*)?)([A-Za-z])\s*>")
_BRACKET = re.compile(r"[\[\]\uff3b\uff3d\u3010\u3011]")
_LEFT = frozenset("[\uff3b\u3010")


def mark(text: str, spans: Sequence[Range], labels: Sequence[str], markers: Markers) -> str | None:
    """The text with marks around its spans, which are in order; None where they would not be found again."""
    tags = markers == "tags"
    if markers == "none" or not spans or (_TAG if tags else _BRACKET).search(text) or len(spans) > len(ascii_lowercase):
        return None
    if not tags and len(set(labels)) > 1:
        return None
    marked, done = "", 0
    for letter, span in zip(ascii_lowercase, spans):
        opening, closing = (f"<{letter}>", f"</{letter}>") if tags else ("[", "]")
        marked += text[done : span.start] + opening + text[span.start : span.end] + closing
        done = span.end
    return marked + text[done:]


def unmark(marked: str, count: int, markers: Markers) -> tuple[str, list[Range]] | None:
    """The text without its marks, and the spans in the order of the source (brackets: of the text).

    None unless each of the `count` pairs is there once, one after the other, around something.
    """
    clean, done, opened = "", 0, None
    spans: dict[int, Range] = {}
    for match in (_TAG if markers == "tags" else _BRACKET).finditer(marked):
        if markers == "tags":
            closes, number = bool(match[1]), ascii_lowercase.index(match[2].lower())
        else:
            closes, number = match[0] not in _LEFT, len(spans)
        clean = _joined(clean, marked[done : match.start()])
        done = match.end()
        if not closes:
            if opened is not None or number in spans or number >= count:
                return None
            opened = (number, len(clean))
            continue
        if opened is None or opened[0] != number:
            return None
        span = _trimmed(clean, Range(opened[1], len(clean)))
        if span is None:
            return None
        spans[number], opened = span, None
    clean = _joined(clean, marked[done:]).rstrip()
    return (clean, [spans[i] for i in range(count)]) if opened is None and len(spans) == count else None


def _joined(text: str, more: str) -> str:
    """One blank where a mark stood between two."""
    if not text:
        return more.lstrip()
    if text[-1].isspace():
        return text + more.lstrip()
    return text + more


def _trimmed(text: str, span: Range) -> Range | None:
    inside = text[span.start : span.end]
    start = span.start + len(inside) - len(inside.lstrip())
    end = span.start + len(inside.rstrip())
    return Range(start, end) if start < end else None
