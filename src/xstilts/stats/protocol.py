"""The protocol of a target's scores, which must agree before two means can be compared."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from xstilts.stats.table import ScoreTable

SCRIPT = "script="


@dataclass(frozen=True)
class Protocol:
    """The measurement behind a run's mean over languages.

    Attributes:
        examples: language -> number of test examples; the largest, if seeds differ.
        scripts: official scripts, as signatures name them.
        sources: language -> fingerprint of its test data, where that is known.
        oracle: whether weights were chosen on validation data of the target languages.
    """

    splits: tuple[str, ...]
    metrics: tuple[str, ...]
    scripts: tuple[str, ...]
    examples: tuple[tuple[str, int], ...]
    sources: tuple[tuple[str, str], ...]
    oracle: bool

    @classmethod
    def of(cls, table: ScoreTable, languages: Collection[str]) -> Protocol:
        """The protocol of one run's scores on one target, in some of its languages."""
        rows = [row for row in table.targets().rows if row.score.language in languages]
        scores, sources, counts = [row.score for row in rows], dict[str, set[str]](), dict[str, int]()
        for row, one in zip(rows, scores):
            sources.setdefault(one.language, set()).add(row.source)
            counts[one.language] = max(one.n, counts.get(one.language, 0))
        parts = {part for one in scores for part in one.signature.split(" | ") if part.startswith(SCRIPT)}
        return cls(
            tuple(sorted({one.split for one in scores})),
            tuple(sorted({one.metric for one in scores})),
            tuple(sorted(part.removeprefix(SCRIPT) for part in parts)),
            tuple(sorted(counts.items())),
            tuple((code, " ".join(sorted(found))) for code, found in sorted(sources.items()) if "" not in found),
            any(one.oracle for one in scores),
        )

    @property
    def languages(self) -> tuple[str, ...]:
        return tuple(code for code, _ in self.examples)

    @property
    def words(self) -> str:
        """`test, accuracy, 14 languages, 100 to 500 examples each`."""
        codes = f"{len(self.languages)} language{'s' * (len(self.languages) > 1)}"
        kind = " and ".join(self.metrics).replace("_", " ")
        number = _range(dict(self.examples), self.languages)
        return f"{' and '.join(self.splits)}, {kind}, {codes}, {number} examples each" + ", oracle" * self.oracle

    def differs(self, other: Protocol) -> list[str]:
        """Why its mean cannot be compared with another's: this value against the other's, for each that differs."""
        found = []
        if less := sorted(set(other.languages) - set(self.languages)):
            found.append(f"without {', '.join(less)}")
        if more := sorted(set(self.languages) - set(other.languages)):
            found.append(f"also in {', '.join(more)}")
        ours, theirs = dict(self.examples), dict(other.examples)
        if changed := [code for code in ours if code in theirs and ours[code] != theirs[code]]:
            found.append(f"{_range(ours, changed)} examples against {_range(theirs, changed)}")
        one_by_one = dict(self.sources), dict(other.sources)
        if others := [c for c in one_by_one[0] if one_by_one[1].get(c, one_by_one[0][c]) != one_by_one[0][c]]:
            found.append(f"other test data in {', '.join(others)}")
        for name in ("splits", "metrics", "scripts"):
            one, two = (" and ".join(getattr(side, name)) or "none" for side in (self, other))
            found += [f"{name.removesuffix('s')} {one} against {two}"] if one != two else []
        if self.oracle != other.oracle:
            found.append(f"weights {'' if self.oracle else 'not '}chosen on the target languages (oracle)")
        return found


def _range(counts: Mapping[str, int], codes: Collection[str]) -> str:
    numbers = [counts[code] for code in codes]
    return f"{min(numbers)}" if min(numbers) == max(numbers) else f"{min(numbers)} to {max(numbers)}"
