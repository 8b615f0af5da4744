"""What a split of a task holds, for people to look at before anything is trained: rows, labels, and what is odd."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from xstilts.data.examples import (
    ChoiceExample,
    Example,
    PoolExample,
    SpanExample,
    TaggedExample,
    TextExample,
    gold_of,
    texts_of,
)
from xstilts.data.readers.labels import few, notes_on

_WITHHELD = "no gold"


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
    kind: type[Example] | None = None
    for example in examples:
        rows, kind = rows + 1, type(example)
        texts = example.choices if isinstance(example, ChoiceExample) else texts_of(example)
        empty += not all(map(str.strip, texts))
        gold = gold_of(example)
        match example:
            case PoolExample():
                sizes["queries" if example.query else "candidates"] += 1
            case _ if gold is None:
                labels[_WITHHELD] += 1
            case TextExample():
                labels[gold] += 1
            case TaggedExample():
                labels.update(gold)
            case ChoiceExample():
                labels[f"choice {gold + 1}"] += 1
            case SpanExample():
                labels["answerable" if gold else "unanswerable"] += 1
        if isinstance(example, TaggedExample):
            sizes["words"] += len(example.words)
        elif isinstance(example, ChoiceExample):
            sizes[f"{len(example.choices)} choices"] += 1
    names = {label: count for label, count in sorted(labels.items()) if label != _WITHHELD}
    notes = notes_on(names, cleaned, kind is TaggedExample) if kind in (TextExample, TaggedExample) else []
    if names and (never := [label for label in known if label not in names]):
        notes.append(f"no row has the label {few(never)}")
    if empty:
        notes.append(f"{empty} rows have an empty text" if empty > 1 else "1 row has an empty text")
    if labels[_WITHHELD]:
        names[_WITHHELD] = labels[_WITHHELD]
    return Found(rows, names, dict(sorted(sizes.items())), tuple(notes))
