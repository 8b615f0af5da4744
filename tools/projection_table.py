"""Writes the table of docs/translation.md: how well alignment projects spans and tags on microworlds 1 to 3.

`make projection`, a few minutes of one core.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from statistics import mean

from marked import write

from xstilts.backbones.load import load_backbone, random_backbone
from xstilts.microworld import TARGETS
from xstilts.microworld.encoders import encoder_path
from xstilts.translation.accuracy import MEASURED, Accuracy, accuracy, items
from xstilts.translation.align import Aligner

WORLDS, COUNT = (1, 2, 3), 100
ENCODERS = (("aligned", 2), ("aligned", 3), ("mlm", 2), ("mlm", 3), ("random", 2))
"""Name and layer; they have three layers, so that 2 is the default."""


def aligner(world: int, name: str, layer: int) -> Aligner:
    """A shipped encoder of a world, or one of the same shape with random weights."""
    if name != "random":
        return Aligner(load_backbone(str(encoder_path(world, name))), layer)
    like = load_backbone(str(encoder_path(world, "mlm")))
    fields = {key: value for key, value in like.config.to_diff_dict().items() if key not in ("model_type", "dtype")}
    return Aligner(random_backbone(like.config.model_type, fields, like.tokenizer, seed=0), layer)


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
