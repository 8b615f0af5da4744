"""Examples and their translations: which texts are translated, and how gold is carried over.

Labels and right choices stay. Of a span question the first answer is projected (training reads no other). Of tagged
sentences entities (BIO) are projected as spans; tags of single words go along the alignment, as many as are covered.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from xstilts.data.examples import Answer, ChoiceExample, Example, SpanExample, TaggedExample, TextExample
from xstilts.translation.project import Projector, Sentence, cut, entities, tags_along
from xstilts.translation.quality import Judge
from xstilts.translation.texts import Range, running_text, sentences, words_of


class Carried(NamedTuple):
    """What became of an example: its translation, or why there is none; by which method gold was projected, if any."""

    example: Example | None
    reason: str = ""
    method: str = ""


class _Text(NamedTuple):
    """A text cut into sentences: the number of each in the batch, and where it stands."""

    text: str
    places: list[Range]
    first: int


class _Joined(NamedTuple):
    text: str
    span: Range | None
    method: str
    score: float | None


@dataclass
class _Batch:
    """The sentences of some examples, to be translated together."""

    sentences: list[Sentence]

    def add(self, text: str, span: Range | None = None) -> _Text:
        """Take in a text; a span in it is to be projected."""
        places = sentences(text, [span] if span else [])
        taken = _Text(text, places, len(self.sentences))
        for place in places:
            inside = span is not None and place.overlaps(span)
            shifted: tuple[Range, ...] = ()
            if span and inside:
                shifted = (Range(max(span.start, place.start) - place.start, min(span.end, place.end) - place.start),)
            self.sentences.append(Sentence(text[place.start : place.end], shifted, ("",) * len(shifted)))
        return taken


@dataclass
class Carrier:
    """Translates examples of one task into one language.

    Args:
        judge: of translations; None keeps all.
        coverage: least share of aligned words of a sentence with a tag for every word.
    """

    projector: Projector
    judge: Judge | None = None
    coverage: float = 0.6

    def __call__(self, examples: Sequence[Example]) -> list[Carried]:
        """One entry an example, in their order."""
        if all(isinstance(example, TaggedExample) for example in examples):
            return self._tagged([example for example in examples if isinstance(example, TaggedExample)])
        batch = _Batch([])
        taken = [[batch.add(text, span) for text, span in _texts(example)] for example in examples]
        projected = self.projector(batch.sentences)

        def joined(part: _Text) -> _Joined | str:
            text, end, span, method, scores = "", 0, None, "", []
            for number, place in enumerate(part.places, start=part.first):
                found = projected[number]
                if found is None:
                    return self.projector.lost(batch.sentences[number])
                text += part.text[end : place.start]
                if found.spans:
                    span, method = Range(*(len(text) + at for at in found.spans[0])), found.method
                text, end = text + found.text, place.end
                scores += [] if found.score is None else [found.score]
            return _Joined(text + part.text[end:], span, method, min(scores, default=None))

        return [
            self._kept(example, [joined(part) for part in parts])
            for example, parts in zip(examples, taken, strict=True)
        ]

    def _kept(self, example: Example, parts: Sequence[_Joined | str]) -> Carried:
        texts = []
        for part in parts:
            if isinstance(part, str):
                return Carried(None, part)
            texts.append(part)
        scores = [part.score for part in texts if part.score is not None]
        pairs = [(source, part.text) for (source, _), part in zip(_texts(example), texts, strict=True)]
        if self.judge and (reason := self.judge(pairs, min(scores, default=None))):
            return Carried(None, reason)
        method = next((part.method for part in texts if part.method), "")
        return Carried(_rebuilt(example, texts), method=method)

    def _tagged(self, examples: Sequence[TaggedExample]) -> list[Carried]:
        by_word = any(tag[:2] not in ("O", "B-", "I-") for example in examples for tag in example.tags or ())
        return list(self._word_tags(examples) if by_word else self._entities(examples))

    def _entities(self, examples: Sequence[TaggedExample]) -> Iterator[Carried]:
        asked, kinds = [], []
        for example in examples:
            text, places = running_text(example.words)
            found = entities(example.tags or ())
            spans = tuple(Range(places[begin].start, places[end - 1].end) for begin, end, _ in found)
            kinds.append([kind for _, _, kind in found])
            asked.append(Sentence(text, spans, tuple(kinds[-1])))
        for example, one, own, projected in zip(examples, asked, kinds, self.projector(asked)):
            if projected is None:
                yield Carried(None, self.projector.lost(one))
                continue
            words = words_of(projected.text, self.projector.language)
            tags = ["O"] * len(words)
            for span, kind in zip(projected.spans, own):
                inside = [j for j, word in enumerate(words) if word.overlaps(span)]
                for j in inside:
                    tags[j] = f"{'B' if j == inside[0] else 'I'}-{kind}"
            new = replace(example, words=tuple(cut(projected.text, words)), tags=tuple(tags))
            yield self._judged(new, (one.text, projected.text), projected.score, projected.method)

    def _word_tags(self, examples: Sequence[TaggedExample]) -> Iterator[Carried]:
        sources = [running_text(example.words)[0] for example in examples]
        known = self.projector.plain(sources)
        targets = [words_of(found.text if (found := known[text]) else "", self.projector.language) for text in sources]
        words = [
            tuple(cut(found.text, place)) if (found := known[text]) else () for text, place in zip(sources, targets)
        ]
        pairs = [(example.words, own) for example, own in zip(examples, words) if own]
        alignments = iter(self.projector.align(pairs) if self.projector.align and pairs else [])
        for example, source, own in zip(examples, sources, words):
            found = known[source]
            if not own:
                yield Carried(None, "empty" if found else "too long")
                continue
            tags, share = tags_along(example.tags or (), one) if (one := next(alignments, None)) else ([], 0.0)
            if not tags or share < self.coverage:
                yield Carried(None, "not projected")
                continue
            new = replace(example, words=own, tags=tuple(tags))
            yield self._judged(new, (source, found.text if found else ""), found and found.score, "alignment")

    def _judged(self, new: TaggedExample, pair: tuple[str, str], score: float | None, method: str) -> Carried:
        reason = self.judge([pair], score) if self.judge else "" if new.words else "empty"
        return Carried(None, reason) if reason else Carried(new, method=method)


def example_texts(example: Example) -> list[str]:
    """All that an example says."""
    if isinstance(example, TaggedExample):
        return [" ".join(example.words)]
    return [text for text, _ in _texts(example)]


def _texts(example: Example) -> list[tuple[str, Range | None]]:
    """The texts of an example, and the span in each that is to be projected."""
    match example:
        case TextExample(text=text, pair=pair):
            return [(text, None), *([] if pair is None else [(pair, None)])]
        case ChoiceExample():
            return [(text, None) for text in (example.context, example.question, *example.choices)]
        case SpanExample(question=question, passage=passage, answers=answers):
            first = answers[0] if answers else None
            span = Range(first.start, first.start + len(first.text)) if first else None
            return [(question, None), (passage, span)]
    raise AssertionError(f"{type(example).__name__} is not translated")


def _rebuilt(example: Example, texts: Sequence[_Joined]) -> Example:
    words = [part.text for part in texts]
    match example:
        case TextExample():
            return replace(example, text=words[0], pair=words[1] if example.pair is not None else None)
        case ChoiceExample():
            return replace(example, context=words[0], question=words[1], choices=tuple(words[2:]))
        case SpanExample():
            span, passage = texts[1].span, words[1]
            answers = (Answer(passage[span.start : span.end], span.start),) if span else example.answers and ()
            return replace(example, question=words[0], passage=passage, answers=answers)
    raise AssertionError(f"{type(example).__name__} is not translated")
