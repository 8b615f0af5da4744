"""Labels in files, probable typing mistakes among them, and counts of a split.

Labels that a user lists are used as they are. Labels found in files are checked: a marker of missing gold is
refused, and so are labels that differ only by case or by blanks.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from xstilts.core.errors import count
from xstilts.data import examples as ex

_INVISIBLE = "\u200b\u200e\u200f\u2060\ufeff\u00ad"
"""Without the joiners: at the end of a word they may change its last letter."""
_UNSEEN = " \t\r\n\u00a0\u200c\u200d" + _INVISIBLE
_MISSING = {"None", "NA", "<NA>", "#N/A", "#NAME?", "\\N"}
_IN_ANY_CASE = {"nan", "null", "n/a"}
_DASHES = dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2212"), "-")
_CYRILLIC = "\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0423\u0425\u0406\u0408\u0405"
_CYRILLIC += "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0458\u0455"
_GREEK = "\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7\u03bf"
_LATIN = str.maketrans(_CYRILLIC + _GREEK, "ABEKMHOPCTYXIJSaeopcyxijs" + "ABEZHIKMNOPTYXo")
"""Letters of other scripts that look like Latin ones."""
_SECOND = bytes({*range(0x80, 0xC0)} - {0x81, 0x8D, 0x8F, 0x90, 0x9D}).decode("cp1252") + "\x80-\x9f"
_MARKS = "\u00a0\u00ab\u00bb\u2013\u2014\u2018\u2019\u201c\u201d\u2022\u2026"
_GARBLED = re.compile(
    f"\ufffd|\u00c3(?:(?![{_MARKS}])[{_SECOND}]|[{_MARKS}](?=[a-z]))|\u00e2\u20ac|(?:[\u00d0\u00d1][{_SECOND}]){{2}}"
)
"""U+FFFD, or UTF-8 read as Windows-1252 or Latin-1: two of its bytes, as in `\u00c3\u00bc` for `\u00fc`, or Cyrillic.

Quotation marks, dashes and blanks may stand behind a capital A with tilde in Portuguese.
"""
_MANY = 10
"""From this number of examples on, a single label is odd."""
_BLANK = re.compile("[\u034f\u115f\u1160\u2800\u3164\uffa0\ufe00-\ufe0f]")
"""Invisible fillers and variation selectors that are not format characters."""


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
    """Labels, or types of tags, that differ from a more frequent one only by case or blanks, and the pair in words."""
    frequent = [label for label, _ in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))]
    found: set[frozenset[str]] = set()
    for part in (str, _type) if tags else (str,):
        first: dict[str, str] = {}
        for label in frequent:
            one = first.setdefault(_folded(part(label)), label)
            pair = frozenset((one, label))
            if part(one) != part(label) and pair not in found:
                found.add(pair)
                shown = repr if looks(one) != looks(label) and (one + label).isprintable() else ascii
                names = " and ".join(f"{shown(each)} ({counts[each]})" for each in (one, label))
                yield label, f"{names} look like one label"


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
    """A form that is equal for labels that look alike; Turkish has two small letters for I."""
    small = _plain(label).translate(_LATIN).casefold().replace("i\u0307", "i").replace("\u0131", "i")
    return re.sub(r"^(-?)\+?0*([0-9]+)(?:\.0*)?$", r"\1\2", _seen(small))


def _seen(label: str) -> str:
    """The label without invisible characters, and with single blanks between its words."""
    seen = "".join(one for one in label if unicodedata.category(one) != "Cf" and not _BLANK.match(one))
    return " ".join(seen.split())


def looks(label: str) -> str:
    """A form that is equal for labels or names that look the same on a screen."""
    return _seen(unicodedata.normalize("NFC", label).translate(_LATIN))


@dataclass(frozen=True)
class Found:
    """The content of the files of one split and language.

    Attributes:
        rows: examples; sentences in tagging, queries and candidates in pools.
        labels: label or tag -> how often it occurs, by code points; for choices the place of the right one (`choice
            1`), for questions `answerable` and `unanswerable`. Empty for other types.
        notes: what is worth a look, one line each.
        withheld: examples without gold.
    """

    rows: int
    labels: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    withheld: int = 0


def found_in(
    examples: Iterable[tuple[Path, int | None, ex.Example]],
    cleaned: Mapping[str, int],
    known: Iterable[str] = (),
    most_words: int = 0,
) -> Found:
    """Count what some examples hold, in one pass.

    Args:
        examples: each with its file and line.
        cleaned: labels as files write them, where they are read without the blanks around them; filled while reading.
        known: the labels that a task says it has.
        most_words: of a tagged sentence; longer ones are counted in a note. 0: any number.
    """
    labels: Counter[str] = Counter()
    seen: Counter[str] = Counter()
    first: dict[str, str] = {}
    named = tagged = classes = False
    golds: dict[int, int] = {}
    for path, line, example in examples:
        seen["rows"] += 1
        texts = [*ex.texts_of(example), *(example.choices if isinstance(example, ex.ChoiceExample) else ())]
        for fault in (*_faults(example, texts, most_words), *_repeated(example, texts, golds)):
            seen[fault] += 1
            first.setdefault(fault, f"{path.name}:{line}" if line else path.name)
        gold = ex.gold_of(example)
        if isinstance(example, ex.PoolExample) or (gold == () and not isinstance(example, ex.SpanExample)):
            seen["withheld"] += gold is None
        elif gold is None:
            seen["withheld"] += 1
        elif isinstance(example, ex.SpanExample):
            labels["answerable" if gold else "unanswerable"] += 1
        elif isinstance(example, ex.ChoiceExample):
            classes = True
            labels[f"choice {gold + 1}"] += 1
        else:
            named, classes, tagged = True, True, isinstance(example, ex.TaggedExample)
            labels.update(gold if tagged else (gold,))
    names, rows = dict(sorted(labels.items())), seen["rows"]
    notes = _notes_on(names, cleaned, tagged) if named else []
    if names and (never := [label for label in known if label not in names]):
        notes.append(f"no row has the label{'s' * (len(never) > 1)} {_few(never)}")
    if classes and len(names) == 1 and rows >= _MANY and not seen["withheld"]:
        notes.append(f"all {rows} rows have the label {_few([*names])}: was the gold removed?")
    if classes and len(names) > _MANY and all(re.fullmatch(r"-?[0-9]+\.[0-9]+", name) for name in names):
        notes.append("the labels are numbers on a scale: each is a class of its own here, since there is no regression")
    for fault, told in _TOLD.items():
        if seen[fault] > rows * _REPEATED.get(fault, 0):
            have = f"{count(seen[fault], 'row')} {'has' if seen[fault] == 1 else 'have'}"
            notes.append(f"{have} {told.format(place=first[fault])}")
    if rows and seen["same"] == rows:
        notes.append("both sides of all pairs are the same text")
    return Found(rows, names, tuple(notes), seen["withheld"])


_TOLD = {
    "again": "the texts and the gold of an earlier row, the first at {place}",
    "otherwise": "the texts of an earlier row and other gold, the first at {place}",
    "target": "the English side of an earlier row, the first at {place}: only one of them counts as right",
    "source": "the source sentence of an earlier row, the first at {place}: only one of them can be answered right",
    "empty": "an empty text",
    "missing": "a text such as 'nan' or '#N/A', the first at {place}: was the cell empty?",
    "twins": "two equal choices, the first at {place}",
    "garbled": "U+FFFD or wrongly decoded text, the first at {place}: was another encoding read as UTF-8?",
    "long": "more words than `max_length`, the first at {place}: put an empty line after each sentence",
}
_REPEATED = {"again": 0.01, "otherwise": 0.01, "target": 0.01, "source": 0.05}
"""Noted from this share of the rows on. Bibles repeat up to 1.5 % of their verses."""


def _repeated(example: ex.Example, texts: Sequence[str], golds: dict[int, int]) -> Iterator[str]:
    """How an example repeats an earlier one. `golds`: hash of the texts -> that of the gold, or 0; filled here."""
    if isinstance(example, ex.PoolExample | ex.PlainText):
        return
    if isinstance(example, ex.ParallelExample):
        sides = {side: hash((side, _plainly(getattr(example, side)))) for side in ("target", "source")}
        yield from [side for side, key in sides.items() if key in golds][:1]
        golds.update(dict.fromkeys(sides.values(), 0))
        return
    key, gold = hash(tuple(texts)), hash(ex.gold_of(example))
    before = golds.get(key)
    golds.setdefault(key, gold)
    if before is not None:
        yield "again" if before == gold else "otherwise"


def _faults(example: ex.Example, texts: Sequence[str], most_words: int) -> Iterator[str]:
    choices = example.choices if isinstance(example, ex.ChoiceExample) else ()
    if any(not text.strip() or not text.strip(_UNSEEN) for text in choices or texts):
        yield "empty"
    if any(text in _MISSING or text.casefold() in _IN_ANY_CASE for text in texts):
        yield "missing"
    if len(set(choices)) < len(choices):
        yield "twins"
    if any(map(_GARBLED.search, texts)):
        yield "garbled"
    if isinstance(example, ex.TaggedExample) and len(example.words) > most_words > 0:
        yield "long"
    if isinstance(example, ex.ParallelExample):
        bare = [re.sub(r"\W", "", _plainly(text)) or text.strip() for text in texts]
        yield from ["same"] * (bare[0] == bare[1])


def _plainly(text: str) -> str:
    """A text without outer blanks, in small letters and in NFC."""
    return unicodedata.normalize("NFC", text.strip().casefold())


def _notes_on(counts: Mapping[str, int], cleaned: Mapping[str, int], tags: bool) -> list[str]:
    once = [label for label, number in counts.items() if number == 1]
    notes = [f"{_few(once)} occur{'s' * (len(once) == 1)} once"] if once else []
    forms = [label for label in cleaned if unicodedata.normalize("NFC", label) == clean(label)]
    blanks = [label for label in cleaned if label not in forms]
    for found, told in ((blanks, "blanks removed around {}"), (forms, "{} not in Unicode form NFC")):
        if number := sum(cleaned[label] for label in found):
            notes.append(f"{told.format(count(number, 'label'))}, such as {found[0]!a}")
    notes += [told for _, told in _twins(counts, tags)]
    if missing := _missing(counts, tags):
        notes.append(f"'{missing}' looks like a marker of missing gold")
    return notes


def _few(labels: Sequence[str]) -> str:
    """Some labels in quotes, and how many more there are."""
    more = f" and {len(labels) - 5} more" if len(labels) > 5 else ""
    return ", ".join(map(repr, labels[:5])) + more
