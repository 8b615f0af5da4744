"""Labels as files write them, what looks like a typing mistake among them, and what else a split holds.

Labels that a user lists are used as they are. Labels that are found in files are checked: a marker of missing gold is
refused, and so are labels that differ only by case or by blanks.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

from xstilts.data.examples import ChoiceExample, Example, PoolExample, SpanExample, TaggedExample, gold_of, texts_of

_WITHHELD = "no gold"
_INVISIBLE = "\u200b\u200e\u200f\u2060\ufeff\u00ad"
"""Without the joiners: at the end of a word they may change its last letter."""
_MISSING = {"None", "NA", "<NA>", "#N/A", "\\N"}
_IN_ANY_CASE = {"nan", "null", "n/a"}
_DASHES = dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2212"), "-")
_BLANK = re.compile("[\u034f\u115f\u1160\u2800\u3164\uffa0\ufe00-\ufe0f]")
"""Invisible fillers and variation selectors that are no format characters."""


def clean(label: str) -> str:
    """The label in NFC, without blanks (no-break ones too) and invisible characters around it."""
    before = None
    while before != label:
        before, label = label, label.strip().strip(_INVISIBLE)
    return unicodedata.normalize("NFC", label)


def doubt(counts: Mapping[str, int], tags: bool = False) -> tuple[str, str] | None:
    """The first odd label (or tag) in files, and why it is odd."""
    if missing := _missing(counts, tags):
        told = f"label '{missing}' ({counts[missing]}) looks like a marker of missing gold"
        return missing, f"{told}: remove such rows from the file, or list it under `labels:` if it is a class"
    for label, told in _twins(counts, tags):
        return label, f"{told}: write them alike, or give `labels:` if both are meant"
    return None


def _twins(counts: Mapping[str, int], tags: bool) -> Iterator[tuple[str, str]]:
    """Labels that differ from a more frequent one only by case, blanks and the like, and the pair in words.

    The types behind `B-` and `I-` of tags are compared too.
    """
    frequent = [label for label, _ in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))]
    found: set[frozenset[str]] = set()
    for part in (str, _type) if tags else (str,):
        first: dict[str, str] = {}
        for label in frequent:
            one = first.setdefault(_folded(part(label)), label)
            pair = frozenset((one, label))
            if part(one) != part(label) and pair not in found:
                found.add(pair)
                alike = _seen(one) == _seen(label) or not (one + label).isprintable()
                names = [f"{ascii(each) if alike else repr(each)} ({counts[each]})" for each in (one, label)]
                yield label, f"{' and '.join(names)} look like one label"


def _type(tag: str) -> str:
    match = re.fullmatch(r"[A-Z][-_](.+)", tag, re.DOTALL)
    return match[1] if match else tag


def _missing(counts: Mapping[str, int], tags: bool) -> str | None:
    """A label that marks missing gold: `nan` and its like, `_` among tags, or a single negative number."""
    markers = _MISSING | ({"_"} if tags else {"-", "?"})  # which may be the tags of punctuation marks
    plain = {label: _plain(label) for label in counts}
    negative = [label for label, name in plain.items() if re.fullmatch(r"-[0-9]+(\.0+)?", name)]
    ignored = [label for label in negative if plain[label] == "-100" and "100" not in counts]  # torch ignores it
    if len(negative) == 1 and set(counts) - {negative[0]} != {plain[negative[0]].removeprefix("-")}:  # -1, 1: classes
        return negative[0]
    marked = (label for label, name in plain.items() if name in markers or name.casefold() in _IN_ANY_CASE)
    return next(chain(ignored, marked), None)


def _plain(label: str) -> str:
    """The label in characters of usual width, with hyphens for dashes and without quotes around it."""
    name = unicodedata.normalize("NFKC", label).translate(_DASHES)
    return re.sub(r"""^(["'`]+)(.+)\1$""", r"\2", name)


def _folded(label: str) -> str:
    """What labels that look like one have in common; Turkish has two small letters for I."""
    small = _plain(label).casefold().replace("i\u0307", "i").replace("\u0131", "i")
    return re.sub(r"^(-?)\+?0*([0-9]+)(?:\.0*)?$", r"\1\2", _seen(small))


def _seen(label: str) -> str:
    """The label without invisible characters, and with single blanks between its words."""
    seen = "".join(one for one in label if unicodedata.category(one) != "Cf" and not _BLANK.match(one))
    return " ".join(seen.split())


@dataclass(frozen=True)
class Found:
    """What the files of one split and language hold.

    Attributes:
        rows: examples; sentences in tagging, queries and candidates in pools.
        labels: label or tag -> how often it occurs, by code points; for choices the place of the right one (`choice
            1`), for questions `answerable` and `unanswerable`; `no gold` where it is withheld. Empty for other types.
        notes: what is worth a look, one line each.
    """

    rows: int
    labels: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def found_in(examples: Iterable[Example], cleaned: Mapping[str, int], known: Iterable[str] = ()) -> Found:
    """Count what some examples hold, in one pass.

    Args:
        cleaned: labels as files write them, where they are read without the blanks around them; filled while reading.
        known: the labels that a task says it has.
    """
    labels: Counter[str] = Counter()
    rows = empty = 0
    named = tagged = False
    for example in examples:
        rows += 1
        texts = example.choices if isinstance(example, ChoiceExample) else texts_of(example)
        empty += not all(map(str.strip, texts))
        gold = gold_of(example)
        if isinstance(example, PoolExample) or (gold == () and not isinstance(example, SpanExample)):
            continue
        if gold is None:
            labels[_WITHHELD] += 1
        elif isinstance(example, ChoiceExample):
            labels[f"choice {gold + 1}"] += 1
        elif isinstance(example, SpanExample):
            labels["answerable" if gold else "unanswerable"] += 1
        else:
            named, tagged = True, isinstance(example, TaggedExample)
            labels.update(gold if tagged else (gold,))
    withheld = labels.pop(_WITHHELD, 0)
    names = dict(sorted(labels.items()))
    notes = _notes_on(names, cleaned, tagged) if named else []
    if names and (never := [label for label in known if label not in names]):
        notes.append(f"no row has the label {_few(never)}")
    if empty:
        notes.append(f"{empty} rows have an empty text" if empty > 1 else "1 row has an empty text")
    return Found(rows, {**names, **({_WITHHELD: withheld} if withheld else {})}, tuple(notes))


def _notes_on(counts: Mapping[str, int], cleaned: Mapping[str, int], tags: bool) -> list[str]:
    """What is odd about labels (or tags), a line each."""
    once = [label for label, count in counts.items() if count == 1]
    notes = [f"{_few(once)} occur{'s' * (len(once) == 1)} once"] if once else []
    if cleaned:
        notes.append(f"blanks removed around {sum(cleaned.values())} labels, such as {next(iter(cleaned))!a}")
    notes += [told for _, told in _twins(counts, tags)]
    if missing := _missing(counts, tags):
        notes.append(f"'{missing}' looks like a marker of missing gold")
    return notes


def _few(labels: Sequence[str]) -> str:
    """Some labels in quotes, and how many more there are."""
    more = f" and {len(labels) - 5} more" if len(labels) > 5 else ""
    return ", ".join(map(repr, labels[:5])) + more
