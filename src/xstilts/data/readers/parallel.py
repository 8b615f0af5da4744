"""Sentences with their English translations: Tatoeba (LASER v1), NTREX-128, verse-aligned Bibles.

Files are aligned line by line; the path given is the side in the language asked for, the English side lies beside it.
In an example, `source` is that language and `target` is English; the id is the line's number, or the verse.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from xstilts.core.errors import DataError
from xstilts.core.packed import unpacked_name
from xstilts.data.examples import Example, ParallelExample
from xstilts.data.readers.common import beside, checked, lines_of
from xstilts.data.readers.text import verses

_RANGE = "<range>"


@checked
def tatoeba(path: Path, language: str) -> Iterator[Example]:
    """LASER's Tatoeba pairs `tatoeba.deu-eng.deu` and `.eng` (Artetxe and Schwenk, TACL 2019).

    Raises:
        DataError: among others, when the English side is sorted. XTREME's own copy (`de-en.en`) is, so that line n no
            longer translates line n and the right pairs cannot be had from it.
    """
    stem, _, side = unpacked_name(path).rpartition(".")
    english = beside(path, f"{stem}.{'eng' if len(side) == 3 else 'en'}", "its English side ")
    sentences = lines_of(english)
    if len(sentences) >= 10 and all(one <= two for one, two in pairwise(sentences)):
        raise DataError(
            "the English side is sorted (XTREME's own copy), its lines do not translate those beside it; "
            "use LASER's data/tatoeba/v1",
            english,
        )
    yield from _aligned(path, english)


@checked
def ntrex(path: Path, language: str) -> Iterator[Example]:
    """NTREX-128: `newstest2019-ref.deu.txt` with `newstest2019-src.eng.txt` beside it (Federmann et al. 2022)."""
    yield from _aligned(path, beside(path, "newstest2019-src.eng.txt", "its English side "))


@checked
def ebible_pairs(path: Path, language: str) -> Iterator[Example]:
    """Verses that both Bibles have; the English one is the first `eng-*.txt` by name (Akerman et al. 2023).

    A verse that is joined to its neighbour in either Bible (`<range>`) is left out, with the one it is joined to.
    """
    names = sorted(entry.name for entry in path.parent.glob("eng-*.txt*"))
    if not names:
        raise DataError("no English Bible (eng-*.txt) beside it", path)
    here, there = verses(path), verses(path.with_name(names[0]))
    if len(here) != len(there):
        raise DataError(f"has {len(here)} lines, {names[0]} has {len(there)}", path)
    joined = [_RANGE in (one[1], two[1]) for one, two in zip(here, there)]
    for number, ((verse, source), (_, target)) in enumerate(zip(here, there)):
        if source.strip() and target.strip() and not any(joined[number : number + 2]):
            yield ParallelExample(verse, source, target)


def _aligned(path: Path, english: Path) -> Iterator[Example]:
    sources, targets = lines_of(path), lines_of(english)
    if len(sources) != len(targets):
        raise DataError(f"has {len(sources)} lines, {english.name} has {len(targets)}", path)
    for number, (source, target) in enumerate(zip(sources, targets), start=1):
        if not source.strip() or not target.strip():
            raise DataError("an empty sentence", path if not source.strip() else english, number)
        yield ParallelExample(str(number), source, target)
