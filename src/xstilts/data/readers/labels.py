"""Labels as files write them: blanks around them, and labels that look like a slip of the pen.

Labels that a user writes out are taken as they are. Where they are found in files, nobody has looked at them: a marker
of missing gold is refused, and so are labels that differ only by case or by blanks.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

_INVISIBLE = "\u200b\u200e\u200f\u2060\ufeff\u00ad"
"""Not the joiners: at the end of a word they may change its last letter."""
_MISSING = {"None", "NA", "<NA>", "#N/A", "\\N", "-", "?"}
_IN_ANY_CASE = {"nan", "null", "n/a"}
_NOT_IN_TEXT = {"-", "?"}
"""Of `_MISSING`: what may be the tag of a punctuation mark."""

_DASHES = dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2212"), "-")
_BLANK = re.compile("[\u034f\u115f\u1160\u2800\u3164\uffa0\ufe00-\ufe0f]")
"""Fillers and variation selectors: nobody sees them, but they are no format characters."""


class Doubt(NamedTuple):
    """Why labels cannot be taken as they were found, and the label whose first row shows it."""

    label: str
    problem: str


def clean(label: str) -> str:
    """The label in NFC, without blanks (no-break ones too) and invisible characters around it."""
    before = None
    while before != label:
        before, label = label, label.strip().strip(_INVISIBLE)
    return unicodedata.normalize("NFC", label)


def doubt(counts: Mapping[str, int], tags: bool = False) -> Doubt | None:
    """The first thing that is odd about labels, or tags, found in files; `counts` says how often each occurs."""
    if missing := _missing(counts, tags):
        return Doubt(
            missing,
            f"label '{missing}' ({counts[missing]}) looks like a marker of missing gold: leave such rows out of the "
            "file, or list it under `labels:` if it is a class",
        )
    for pair in twins(counts, tags):
        return Doubt(pair.other, f"{pair.told(counts)}: write them alike, or give `labels:` if both are meant")
    return None


class Twins(NamedTuple):
    """Two labels, the more frequent one first, and what alone they differ by."""

    one: str
    other: str
    how: str

    def told(self, counts: Mapping[str, int]) -> str:
        """Both in quotes with their counts."""
        alike = self.how in ("blanks", "invisible characters") or not (self.one + self.other).isprintable()
        first, second = (ascii(label) if alike else repr(label) for label in (self.one, self.other))
        return f"{first} ({counts[self.one]}) and {second} ({counts[self.other]}) differ only by {self.how}"


def twins(counts: Mapping[str, int], tags: bool = False) -> Iterator[Twins]:
    """Labels that differ only by case, blanks and the like; of tags, the types behind `B-` and `I-` count too."""
    frequent = [label for label, _ in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))]
    found: set[frozenset[str]] = set()
    for part in (_whole, _type) if tags else (_whole,):
        first: dict[str, str] = {}
        for label in frequent:
            one = first.setdefault(_folded(part(label)), label)
            pair = frozenset((one, label))
            if part(one) != part(label) and pair not in found:
                found.add(pair)
                yield Twins(one, label, _how(part(one), part(label)))


def _whole(label: str) -> str:
    return label


def _type(tag: str) -> str:
    match = re.fullmatch(r"[A-Z][-_](.+)", tag, re.DOTALL)
    return match[1] if match else tag


def _missing(counts: Mapping[str, int], tags: bool) -> str | None:
    """A label that marks missing gold: `nan` and its like, `_` among tags, or a single negative number."""
    markers = (_MISSING - _NOT_IN_TEXT) | {"_"} if tags else _MISSING
    plain = {label: _plain(label) for label in counts}
    negative = [label for label, name in plain.items() if re.fullmatch(r"-[0-9]+(\.0+)?", name)]
    ignored = [label for label in negative if plain[label] == "-100" and "100" not in counts]  # torch leaves it out
    if len(negative) == 1 and set(counts) - {negative[0]} != {plain[negative[0]].removeprefix("-")}:  # -1, 1: classes
        return negative[0]
    marked = (label for label, name in plain.items() if name in markers or name.casefold() in _IN_ANY_CASE)
    return next(chain(ignored, marked), None)


def _plain(label: str) -> str:
    """The label in characters of usual width, with hyphens for dashes and without quotes around it."""
    name = unicodedata.normalize("NFKC", label).translate(_DASHES)
    return re.sub(r"""^(["'`]+)(.+)\1$""", r"\2", name)


def _folded(label: str) -> str:
    name = " ".join(_seen(_small(_plain(label))).split())
    return re.sub(r"^(-?)\+?0*([0-9]+)(?:\.0*)?$", r"\1\2", name)


def _small(label: str) -> str:
    """In small letters, of which Turkish has two for I."""
    return label.casefold().replace("i\u0307", "i").replace("\u0131", "i")


def _seen(label: str) -> str:
    return "".join(one for one in label if unicodedata.category(one) != "Cf" and not _BLANK.match(one))


def _how(one: str, other: str) -> str:
    if _small(one) == _small(other):
        return "case"
    if one.split() == other.split() or "".join(one.split()) == "".join(other.split()):
        return "blanks"
    if re.fullmatch(r"[-+]?[0-9.]+", one) and re.fullmatch(r"[-+]?[0-9.]+", other):
        return "the way a number is written"
    if one.strip("\"'`") == other.strip("\"'`"):
        return "quotes"
    return "invisible characters" if _seen(one) == _seen(other) else "characters that look alike"


def notes_on(counts: Mapping[str, int], cleaned: Mapping[str, int], tags: bool = False) -> list[str]:
    """What is worth telling of labels beside their counts.

    Args:
        counts: label -> how often it occurs.
        cleaned: labels as the file writes them, where they are read without something around them, with counts.
        tags: whether they are tags.
    """
    once = [label for label, count in counts.items() if count == 1]
    notes = [f"{few(once)} occur{'s' * (len(once) == 1)} once"] if once else []
    if cleaned:
        notes.append(f"blanks removed around {sum(cleaned.values())} labels, such as {next(iter(cleaned))!a}")
    notes += [pair.told(counts) for pair in twins(counts, tags)]
    if missing := _missing(counts, tags):
        notes.append(f"'{missing}' looks like a marker of missing gold")
    return notes


def few(labels: Sequence[str]) -> str:
    """Some labels in quotes, and how many more there are."""
    more = f" and {len(labels) - 5} more" if len(labels) > 5 else ""
    return ", ".join(map(repr, labels[:5])) + more
