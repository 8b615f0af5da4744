"""`xstilts export`: a finished model as a folder for other libraries, and a line on what was written."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, get_args

from xstilts.cli.output import emit
from xstilts.core.errors import UnknownName
from xstilts.export.card import Words
from xstilts.export.finished import find_model
from xstilts.export.write import Asked, Kind, export


def show_export(stage: str, to: Path, store: Path, options: dict[str, Any]) -> None:
    """Write the folder and say which class loads it.

    Args:
        options: `task`, `kind` (`--as`), `layer`, `experiment`, `json`.
    """
    kind = options["kind"]
    if kind is not None and kind not in get_args(Kind):
        raise UnknownName("form of a folder", kind, get_args(Kind))
    words = _words(options["experiment"])
    found = find_model(store, stage)
    made = export(found, Asked(options["task"], kind, options["layer"]), to, words)
    told = {
        "folder": str(to),
        "stage": found.model.key,
        "head": made.head.task,
        "type": made.head.type,
        "load_with": made.loader,
        "class": made.library,
        "layer": made.layer or None,
        "largest_difference": made.difference,
    }
    if options["json"]:
        emit(told)
        return
    sys.stdout.write(
        f"{to}: {made.loader}.from_pretrained loads it ({made.library})\n"
        if not made.layer
        else f"{to}: SentenceTransformer loads it ({made.pooling} of layer {made.layer})\n"
    )
    apart = f"differ from ours by at most {made.difference:.0e}" if made.difference else "are exactly ours"
    sys.stdout.write(f"read back, its values {apart}; README.md is its card\n")


def _words(file: Path | None) -> Words:
    if file is None:
        return Words()
    from xstilts.session.loading import load

    experiment = load(file)
    return Words(experiment.title or experiment.name, experiment.question, experiment.limitations)
