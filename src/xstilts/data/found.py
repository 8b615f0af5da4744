"""What a split of a task holds, for people to look at before anything is trained: rows, labels, and what is odd."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from xstilts.data.examples import (
    ChoiceExample,
    Example,
    ParallelExample,
    PlainText,
    PoolExample,
    SpanExample,
    TaggedExample,
    TextExample,
    gold_of,
)
from xstilts.data.readers.labels import few, notes_on


@dataclass(frozen=True)
class Found:
    """What was found in the files of one split and language.

    Attributes:
        rows: examples; of tagging sentences, of pools queries and candidates.
        labels: label, or tag, -> how often it occurs, by code points; of choices the place of the right one (`choice
            1`), of questions `answerable` and `unanswerable`; `no gold` where it is withheld. Empty for types without.
        sizes: what else was counted: `words` of tagging, rows with `3 choices`, `queries` of a pool.
        notes: what is worth a look, one line each.
    """

    rows: int
    labels: Mapping[str, int] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def found_in(examples: Iterable[Example], cleaned: Mapping[str, int], known: Iterable[str] = ()) -> Found:
    """What some examples hold, in one pass.

    Args:
        cleaned: labels as files write them, where they are read without the blanks around them; filled while reading.
        known: the labels that a task says it has.
    """
    labels: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    rows = empty = 0
    tags = texts = False
    for example in examples:
        rows += 1
        empty += not all(text.strip() for text in _texts(example))
        tags = tags or isinstance(example, TaggedExample)
        texts = texts or isinstance(example, TextExample)
        labels.update(_labels(example))
        match example:
            case TaggedExample():
                sizes["words"] += len(example.words)
            case ChoiceExample():
                sizes[f"{len(example.choices)} choices"] += 1
            case PoolExample():
                sizes["queries" if example.query else "candidates"] += 1
    names = {label: count for label, count in sorted(labels.items()) if label != _WITHHELD}
    notes = notes_on(names, cleaned, tags) if tags or texts else []
    if names and (never := [label for label in known if label not in names]):
        notes.append(f"no row has the label {few(never)}")
    if empty:
        notes.append(f"{empty} rows have an empty text" if empty > 1 else "1 row has an empty text")
    if labels[_WITHHELD]:
        names[_WITHHELD] = labels[_WITHHELD]
    return Found(rows, names, dict(sorted(sizes.items())), tuple(notes))


_WITHHELD = "no gold"


def _labels(example: Example) -> Iterable[str]:
    gold = gold_of(example)
    if gold is None:
        return () if isinstance(example, PoolExample) else (_WITHHELD,)
    match example:
        case TextExample():
            return (gold,)
        case TaggedExample():
            return tuple(gold)
        case ChoiceExample():
            return (f"choice {gold + 1}",)
        case SpanExample():
            return ("answerable" if gold else "unanswerable",)
    return ()


def _texts(example: Example) -> tuple[str, ...]:
    match example:
        case TextExample():
            return (example.text,) if example.pair is None else (example.text, example.pair)
        case ChoiceExample():
            return example.choices
        case SpanExample():
            return (example.question, example.passage)
        case ParallelExample():
            return (example.source, example.target)
        case PlainText() | PoolExample():
            return (example.text,)
    return ()
