"""`xstilts export`: write a finished model as a folder for other libraries."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, get_args

from typer import Option

from xstilts.cli import options as opt
from xstilts.cli.output import lines, show
from xstilts.core.errors import UnknownName
from xstilts.export.finished import Finished
from xstilts.export.write import Kind, Words
from xstilts.export.write import export as write
from xstilts.graph.store import Store


def export(  # noqa: PLR0913, PLR0917
    stage: opt.Stage,
    to: Annotated[Path, Option(help="Folder to write; must be new or empty.")],
    store: opt.Store = Path("runs"),
    task: opt.Task = None,
    form: Annotated[
        str | None, Option("--as", help="transformers, sentence-transformers or peft. Default: what suits the head.")
    ] = None,
    layer: Annotated[
        int | None, Option(help="Layer of the sentence vectors; the layers above it are left out.")
    ] = None,
    experiment: Annotated[
        Path | None, Option(help="Experiment file whose title and limitations go into the card.")
    ] = None,
    as_json: opt.Json = False,
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
    words = Words()
    if experiment is not None:
        from xstilts.session.loading import load

        read = load(experiment)
        words = Words(read.title or read.name, read.question, read.limitations)
    found = Finished.find(Store(store, must_exist=True), stage)
    made = write(found, to, task, form, layer, words)  # type: ignore[arg-type]
    if as_json:
        told: dict[str, object] = {
            "folder": str(to),
            "stage": found.model.key,
            "head": made.head.task,
            "type": made.head.type,
        }
        told |= {"load_with": made.auto, "class": made.library, "layer": made.layer or None}
        show({**told, "largest_difference": made.difference}, as_json)
        return
    loads = f"{made.auto}.from_pretrained loads it ({made.library})"
    if made.layer:
        loads = f"SentenceTransformer loads it ({made.pooling} of layer {made.layer})"
    apart = f"differ from ours by at most {made.difference:.0e}" if made.difference else "are exactly ours"
    lines([f"{to}: {loads}", f"read back, its values {apart}; README.md is its card"])
