"""Translating examples: which texts are translated, how gold is carried over, and which translations are left out.

Labels and right choices stay. Of a span question the first answer is projected (training reads no other). Entities
(BIO) of tagged sentences are projected as spans; tags of single words follow the alignment. Left out are translations
that are empty, of odd length, copied, in the wrong language, or have a low score.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import py3langid

from xstilts.data.examples import Answer, ChoiceExample, Example, SpanExample, TaggedExample, TextExample, texts_of
from xstilts.translation import project
from xstilts.translation.project import NOT_PROJECTED, NOT_TRANSLATED, Projector, Range, Sentence, Translated
from xstilts.translation.spec import SOURCE, Quality

_FEW_WORDS, _FEW_LETTERS = 3, 20
"""Shorter translations are never copies (names are the same in both languages); shorter texts are not identified."""


class QualityCheck:
    """Gives the reason why a translation into a language is left out, or "" to keep it."""

    def __init__(self, quality: Quality, language: str) -> None:
        self.quality, self.languages = quality, [SOURCE, language]
        self.identifies = quality.identify and language != SOURCE
        try:
            py3langid.set_languages(self.languages)
        except ValueError:
            self.identifies = False

    def __call__(self, pairs: Sequence[tuple[str, str]], score: float | None = None) -> str:
        """The first fault of the (source, translation) pairs of an example; `score` is that of its worst sentence."""
        if any(source.strip() and not target.strip() for source, target in pairs):
            return "empty"
        least = self.quality.min_score
        if score is not None and least is not None and score < least:
            return "low score"
        for source, target in pairs:
            shorter, longer = sorted((len(source) + 10, len(target) + 10))
            if longer > self.quality.length_ratio * shorter:
                return "length"
            if _copied(source, target) > self.quality.copied:
                return "copied"
        text = " ".join(target for _, target in pairs)
        if not self.identifies or len(text) < _FEW_LETTERS:
            return ""
        py3langid.set_languages(self.languages)  # one setting for all judges
        return "language" if py3langid.classify(text)[0] == SOURCE else ""


def _copied(source: str, target: str) -> float:
    """The share of the translation's words, with letters or digits, that occur as often in the source."""
    ours, theirs = (
        Counter(word.lower() for word in project.cut(text, project.words_of(text, SOURCE)) if word[0].isalnum())
        for text in (target, source)
    )
    total = ours.total()
    return (ours & theirs).total() / total if total >= _FEW_WORDS else 0.0


class Carried(NamedTuple):
    """The translation of an example, or the reason why there is none; the method that projected its gold, if any."""

    example: Example | None
    reason: str = ""
    method: str = ""


@dataclass
class Carrier:
    """Translates examples of one task into one language; without a judge all are kept.

    A sentence with a tag for every word is left out where less than `coverage` of its words is aligned.
    """

    projector: Projector
    judge: QualityCheck | None = None
    coverage: float = 0.6

    def __call__(self, examples: Sequence[Example]) -> list[Carried]:
        """One entry per example, in their order."""
        tagged = [example for example in examples if isinstance(example, TaggedExample)]
        if len(tagged) == len(examples):
            by_word = any(tag[:2] not in ("O", "B-", "I-") for example in tagged for tag in example.tags or ())
            return list(self._word_tags(tagged) if by_word else self._entities(tagged))
        asked = [
            _sentence(text, place, span)
            for example in examples
            for text, span in _texts(example)
            for place in project.sentences(text, span)
        ]
        found = iter(self.projector(asked))
        return [self._kept(example, [_joined(*part, found) for part in _texts(example)]) for example in examples]

    def _kept(self, example: Example, parts: Sequence[Translated | str]) -> Carried:
        texts = [part for part in parts if isinstance(part, Translated)]
        if len(texts) < len(parts):
            return Carried(None, next(part for part in parts if isinstance(part, str)))
        pairs = [(source, part.text) for (source, _), part in zip(_texts(example), texts, strict=True)]
        score = min((part.score for part in texts if part.score is not None), default=None)
        method = next((part.method for part in texts if part.method), "")
        return self._judged(_rebuilt(example, texts), pairs, score, method)

    def _entities(self, examples: Sequence[TaggedExample]) -> Iterator[Carried]:
        asked = []
        for example in examples:
            text, places = project.running_text(example.words)
            found = project.entities(example.tags or ())
            spans = tuple(Range(places[begin].start, places[end - 1].end) for begin, end, _ in found)
            asked.append(Sentence(text, spans, tuple(kind for _, _, kind in found)))
        for example, one, projected in zip(examples, asked, self.projector(asked)):
            if isinstance(projected, str):
                yield Carried(None, projected)
                continue
            words = project.words_of(projected.text, self.projector.language)
            tags = ["O"] * len(words)
            for span, kind in zip(projected.spans, one.labels):
                for n, j in enumerate(j for j, word in enumerate(words) if word.overlaps(span)):
                    tags[j] = f"{'I' if n else 'B'}-{kind}"
            new = replace(example, words=tuple(project.cut(projected.text, words)), tags=tuple(tags))
            yield self._judged(new, [(one.text, projected.text)], projected.score, projected.method)

    def _word_tags(self, examples: Sequence[TaggedExample]) -> Iterator[Carried]:
        sources = [project.running_text(example.words)[0] for example in examples]
        known = self.projector.plain(sources)
        texts = [found.text if (found := known[source]) else "" for source in sources]
        words = [tuple(project.cut(text, project.words_of(text, self.projector.language))) for text in texts]
        pairs = [(example.words, own) for example, own in zip(examples, words) if own]
        alignments = iter(self.projector.align(pairs) if self.projector.align and pairs else [])
        for example, source, own in zip(examples, sources, words):
            found = known[source]
            if found is None or not own:
                yield Carried(None, "empty" if found else NOT_TRANSLATED)
                continue
            tags, share = project.tags_along(example.tags or (), one) if (one := next(alignments, None)) else ([], 0.0)
            if not tags or share < self.coverage:
                yield Carried(None, NOT_PROJECTED)
                continue
            new = replace(example, words=own, tags=tuple(tags))
            yield self._judged(new, [(source, found.text)], found.score, "alignment")

    def _judged(self, new: Example, pairs: Sequence[tuple[str, str]], score: float | None, method: str) -> Carried:
        empty = isinstance(new, TaggedExample) and not new.words
        reason = self.judge(pairs, score) if self.judge else "empty" * empty
        return Carried(None, reason) if reason else Carried(new, method=method)


def _sentence(text: str, place: Range, span: Range | None) -> Sentence:
    """One sentence of a text, with the part of a span that is in it."""
    if span is None or not place.overlaps(span):
        return Sentence(text[place.start : place.end])
    inside = Range(max(span.start, place.start) - place.start, min(span.end, place.end) - place.start)
    return Sentence(text[place.start : place.end], (inside,), ("",))


def _joined(text: str, span: Range | None, found: Iterator[Translated | str]) -> Translated | str:
    """The translation of a text from those of its sentences, the next in `found`; or why there is none."""
    joined, end, moved = "", 0, []
    for place, one in [(place, next(found)) for place in project.sentences(text, span)]:
        if isinstance(one, str):
            return one
        before = joined + text[end : place.start]
        moved.append(one._replace(spans=tuple(Range(len(before) + a, len(before) + b) for a, b in one.spans)))
        joined, end = before + one.text, place.end
    scores = [one.score for one in moved if one.score is not None]
    with_span = next((one for one in moved if one.spans), Translated(""))
    return with_span._replace(text=joined + text[end:], score=min(scores, default=None))


def example_texts(example: Example) -> list[str]:
    """All texts of an example."""
    return [*texts_of(example), *(example.choices if isinstance(example, ChoiceExample) else ())]


def _texts(example: Example) -> list[tuple[str, Range | None]]:
    """The texts of an example, and the span in each that is to be projected."""
    match example:
        case TextExample():
            return [(text, None) for text in (example.text, example.pair) if text is not None]
        case ChoiceExample():
            return [(text, None) for text in (example.context, example.question, *example.choices)]
        case SpanExample(question=question, passage=passage, answers=answers):
            first = answers[0] if answers else None
            return [(question, None), (passage, Range(first.start, first.start + len(first.text)) if first else None)]
    raise AssertionError(f"{type(example).__name__} is not translated")


def _rebuilt(example: Example, texts: Sequence[Translated]) -> Example:
    first, *others = [part.text for part in texts]
    match example:
        case TextExample():
            return replace(example, text=first, pair=others[0] if others else None)
        case ChoiceExample():
            return replace(example, context=first, question=others[0], choices=tuple(others[1:]))
        case SpanExample():
            (passage,) = others
            answers = tuple(Answer(passage[span.start : span.end], span.start) for span in texts[1].spans)
            return replace(example, question=first, passage=passage, answers=answers or (example.answers and ()))
    raise AssertionError(f"{type(example).__name__} is not translated")
