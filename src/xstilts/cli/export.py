"""`xstilts export`: a finished model as a folder for other libraries, and a line on what was written."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, get_args

import typer

from xstilts.cli.options import JsonOption, StageArgument, StoreOption, TaskOption
from xstilts.cli.output import emit
from xstilts.core.errors import UnknownName
from xstilts.export.card import Words
from xstilts.export.finished import find_model
from xstilts.export.write import Asked, Kind
from xstilts.export.write import export as write


def export(  # noqa: PLR0913, PLR0917
    stage: StageArgument,
    to: Annotated[Path, typer.Option(help="Folder to write; must be new or empty.", show_default=False)],
    store: StoreOption = Path("runs"),
    task: TaskOption = None,
    form: Annotated[
        str | None,
        typer.Option("--as", help="transformers, sentence-transformers or peft. Default: what suits the head."),
    ] = None,
    layer: Annotated[
        int | None, typer.Option(help="Layer of the sentence vectors; the layers above it are left out.")
    ] = None,
    experiment: Annotated[
        Path | None, typer.Option(help="Experiment file whose title and limitations go into the card.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write a trained model as a Hugging Face folder with a model card.

    The folder loads without xstilts, with the AutoModelFor... class of its
    task, or with SentenceTransformer. Before it is kept, it is loaded and
    compared with the model in the store. A head that transformers would
    compute in another way is refused. LoRA adapters are merged into the
    weights, or kept apart with --as peft (docs/export.md). `xstilts list
    models` prints the keys of stages.

    Examples:
      xstilts export 3f2a9c --to my-nli
      xstilts export 3f2a9c --task micro_nli --to my-nli --store runs/demo
      xstilts export 3f2a9c --as peft --to my-adapter
      xstilts export 3f2a9c --as sentence-transformers --layer 7 --to vectors
    """
    if form is not None and form not in get_args(Kind):
        raise UnknownName("form of a folder", form, get_args(Kind))
    words = _words(experiment)
    found = find_model(store, stage)
    made = write(found, Asked(task, form, layer), to, words)  # type: ignore[arg-type]
    if as_json:
        emit(
            {
                "folder": str(to),
                "stage": found.model.key,
                "head": made.head.task,
                "type": made.head.type,
                "load_with": made.loader,
                "class": made.library,
                "layer": made.layer or None,
                "largest_difference": made.difference,
            }
        )
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
