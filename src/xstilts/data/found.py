"""What a split of a task holds, for people to look at before training: rows, labels, and what looks odd."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from xstilts.data.examples import ChoiceExample, Example, PoolExample, SpanExample, TaggedExample, gold_of, texts_of
from xstilts.data.readers.labels import few, notes_on

_WITHHELD = "no gold"


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
    notes = notes_on(names, cleaned, tagged) if named else []
    if names and (never := [label for label in known if label not in names]):
        notes.append(f"no row has the label {few(never)}")
    if empty:
        notes.append(f"{empty} rows have an empty text" if empty > 1 else "1 row has an empty text")
    return Found(rows, {**names, **({_WITHHELD: withheld} if withheld else {})}, tuple(notes))
