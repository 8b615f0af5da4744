"""Writes the table of docs/translation.md: how well alignment projects spans and tags on microworlds 1 to 3.

The exact translation of training items is aligned with its English by an encoder, and what is projected from English is
compared with what the world says. `make projection`, a few minutes of one core.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from statistics import mean
from typing import NamedTuple

from marked import write

from xstilts.backbones.load import load_backbone, random_backbone
from xstilts.data.examples import Example, SpanExample, TaggedExample
from xstilts.microworld.encoders import encoder_path
from xstilts.microworld.grammar import LANGUAGES, TARGETS
from xstilts.microworld.world import DEFAULT, write_translations
from xstilts.tasks import TASKS
from xstilts.translation.align import Aligner
from xstilts.translation.carry import Carrier
from xstilts.translation.project import Align, Projector, Range, Sentence, Translated, running_text

WORLDS, COUNT = (1, 2, 3), 100
MEASURED = {"micro_qa": "qa", "micro_ner": "ner", "micro_tagging": "tagging"}
ENCODERS = (("aligned", 2), ("aligned", 3), ("mlm", 2), ("mlm", 3), ("random", 2))
"""Name and layer; they have three layers, so that 2 is the default."""


class Accuracy(NamedTuple):
    """Of some projections, in percent.

    Attributes:
        projected: examples that were kept.
        right: of all examples those whose span, or all of whose entities, are exactly right; of tags of single words,
            the right ones among the words of the examples that were kept.
    """

    projected: float
    right: float


def aligner(world: int, name: str, layer: int) -> Aligner:
    """A shipped encoder of a world, or one of the same shape with random weights."""
    backbone = load_backbone(str(encoder_path(world, "mlm" if name == "random" else name)))
    if name == "random":
        config = backbone.config
        fields = {key: value for key, value in config.to_diff_dict().items() if key not in ("model_type", "dtype")}
        backbone = random_backbone(config.model_type, fields, backbone.tokenizer, seed=0)
    made = Aligner(backbone)
    made.layer = layer
    return made


def items(folder: Path, world: int, task: str, count: int) -> dict[str, list[Example]]:
    """The first training items of one task of a world in every language, parallel."""
    size = replace(DEFAULT, **{MEASURED[task]: count, "test": 0, "validation": 0})
    write_translations(folder, {"seed": world, "size": asdict(size)}, MEASURED[task], list(LANGUAGES))
    return {code: TASKS.get(task).load(folder, "train", code) for code in LANGUAGES}


def accuracy(english: Sequence[Example], other: Sequence[Example], language: str, align: Align) -> Accuracy:
    """Projects from English to its exact translation, and compares."""
    told = {_text(source): _text(target) for source, target in zip(english, other, strict=True)}
    # No bracket comes back, so that everything is aligned.
    projector = Projector(language, lambda texts: [Translated(told[text.translate(_NONE)]) for text in texts], align)
    if isinstance(english[0], SpanExample):
        asked = [Sentence(_text(one), (_span(one),), ("",)) for one in english]
        found = [one.spans[0] if isinstance(one, Translated) else None for one in projector(asked)]
        right = sum(ours == _span(theirs) for ours, theirs in zip(found, other))
        return Accuracy(100 * sum(one is not None for one in found) / len(found), 100 * right / len(found))
    carried = [one.example for one in Carrier(projector)(english)]
    pairs = [(ours.tags, theirs.tags) for ours, theirs in zip(carried, other) if ours]
    projected = 100 * len(pairs) / len(english)
    if any(tag[:2] in ("B-", "I-") for one in other for tag in one.tags):
        return Accuracy(projected, 100 * sum(ours == theirs for ours, theirs in pairs) / len(english))
    words = [a == b for ours, theirs in pairs for a, b in zip(ours, theirs, strict=True)]
    return Accuracy(projected, 100 * sum(words) / max(1, len(words)))


_NONE = str.maketrans("", "", "[]")


def _text(example: Example) -> str:
    return running_text(example.words)[0] if isinstance(example, TaggedExample) else example.passage


def _span(example: Example) -> Range:
    start = example.answers[0].start
    return Range(start, start + len(example.answers[0].text))


def table() -> str:
    """Tasks and languages down, encoders across; means over worlds."""
    found: dict[tuple[str, str, tuple[str, int]], list[Accuracy]] = {}
    for world in WORLDS:
        encoders = {one: aligner(world, *one) for one in ENCODERS}
        for task in MEASURED:
            with tempfile.TemporaryDirectory() as folder:
                drawn = items(Path(folder), world, task, COUNT)
            for language in (one.code for one in TARGETS):
                for name, align in encoders.items():
                    cell = accuracy(drawn["en"], drawn[language], language, align)
                    found.setdefault((task, language, name), []).append(cell)
    heads = " | ".join(f"{name}, layer {layer}" for name, layer in ENCODERS)
    lines = [f"| task | language | {heads} |", f"|{'---|' * (2 + len(ENCODERS))}"]
    for task in MEASURED:
        for one in TARGETS:
            cells = [found[task, one.code, name] for name in ENCODERS]
            shown = [f"{mean(a.right for a in cell):.1f} ({mean(a.projected for a in cell):.0f})" for cell in cells]
            lines.append(f"| {task} | {one.code} | {' | '.join(shown)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    write("translation.md", "projection", table(), "make projection")
