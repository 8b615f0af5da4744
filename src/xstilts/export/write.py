"""`xstilts export`: a finished model as a folder that transformers, PEFT or sentence-transformers loads, with its card.

The folder is written beside its place, read back and compared with the model in the store, and only then moved there.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

from xstilts.backbones.adapters import merge_adapters
from xstilts.backbones.backbone import Backbone
from xstilts.backbones.load import Weights, save_backbone
from xstilts.core.errors import XstiltsError
from xstilts.core.files import new_folder, write_text
from xstilts.data.readers.types import TYPES
from xstilts.export.build import Base, write_head, write_sentence_transformers, write_text_model
from xstilts.export.card import Exported, Words, card
from xstilts.export.finished import Finished, Head
from xstilts.export.predicting import reads_pairs
from xstilts.metrics.retrieval import protocol_layer
from xstilts.stages.models import Changes, chain, held_weights, open_backbone, open_head, source_of
from xstilts.training.model import HeadSpec

Kind = Literal["transformers", "sentence-transformers", "peft"]


def export(
    found: Finished,
    to: Path,
    task: str | None = None,
    kind: Kind | None = None,
    layer: int | None = None,
    words: Words | None = None,
) -> Exported:
    """Write the folder `to`, new or empty.

    Args:
        task: the head; by default the only one, or the one that the named stage measured.
        kind: by default what suits the head.
        layer: of sentence vectors; by default the layer at which they were trained or measured.

    Raises `XstiltsError`, and leaves nothing, if there is no such head or class, or the folder gives other values.
    """
    head = found.head(task)
    by_vector = not head.type or TYPES.get(head.type).vectors  # a bare backbone too
    kind = kind or ("sentence-transformers" if by_vector else "transformers")
    if layer is not None and kind != "sentence-transformers":
        raise XstiltsError("--layer goes with sentence vectors (--as sentence-transformers)")
    if kind == "peft" and (by_vector or head.writes):
        problem = "--as peft writes an adapter with a head, and this model has none: leave it out to merge both"
        raise XstiltsError(problem)
    with new_folder(to) as scratch:
        if kind == "sentence-transformers":
            made = _vectors(found, head, layer, scratch)
        else:
            made = _model(found, head, to.with_name(f"{to.name}-base") if kind == "peft" else None, scratch)
        write_text(scratch / "README.md", card(found, made, to.resolve().name, words or Words()))
        for path in scratch.glob("*.safetensors"):  # safetensors makes files that only their owner can read
            path.chmod((scratch / "README.md").stat().st_mode)
    return made


def _opened(found: Finished, merge: bool = True) -> Backbone:
    """The model in 32 bits; `merge` adds adapters to the weights, also to those that were held in 4 bits."""
    held = held_weights(found.model.directory)
    weights = Weights() if held.quantize is None else replace(held, written_out=True)
    backbone = open_backbone(found.model.directory, weights=weights)
    if merge:
        merge_adapters(backbone)
    return backbone


def _base_under(found: Finished, folder: Path) -> Base:
    """The model under the adapters; written into `folder` if earlier phases trained it."""
    directory = found.model.directory
    if not (directory / "adapters").is_dir():
        raise XstiltsError(f"stage {found.model.key} holds whole weights and no adapter: leave out --as peft")
    if held_weights(directory).quantize:
        raise XstiltsError("--as peft writes no adapter of weights in 4 bits: leave it out to merge the two")
    folders = chain(directory)
    source, revision = source_of(folders[0])
    below = folders[-2:][0]
    if Changes.read(below):
        if folder.exists():
            raise XstiltsError(f"{folder}, for the model under the adapter, exists: name another folder with --to")
        save_backbone(open_backbone(below), folder)
        source = str(folder)
    return str(Path(source).resolve()) if Path(source).is_dir() else source, revision


def _model(found: Finished, head: Head, below: Path | None, directory: Path) -> Exported:
    """`below`: where a model under adapters may be written; None merges them."""
    limits = found.encoding(head)
    base = _base_under(found, below) if below else None
    backbone = _opened(found, merge=base is None)
    if head.writes:
        auto = "AutoModelForCausalLM" if backbone.decoder else "AutoModelForSeq2SeqLM"
        return Exported(head, limits, auto, type(backbone.model).__name__, write_text_model(backbone, directory))
    module = open_head(found.model.directory, HeadSpec(*head), backbone)
    layout, adapter, apart = write_head(backbone, limits, head, module, directory, base)
    auto, library = adapter.auto if adapter else layout.form.auto, layout.library.__name__
    pairs = reads_pairs(found, head) is True
    return Exported(head, limits, auto, library, apart, layout.form.outputs, pairs=pairs, adapter=adapter)


def _vectors(found: Finished, head: Head, layer: int | None, directory: Path) -> Exported:
    (pooling, usual), limits, backbone = found.retrieval(head), found.encoding(head), _opened(found)
    if layer is None and head.type and TYPES.get(head.type).cosine:  # trained at the last layer
        layer = backbone.layers
    elif layer is None:
        layer = max(1, protocol_layer(backbone.layers)) if usual is None else usual
    apart = write_sentence_transformers(backbone, limits, pooling, layer, directory)
    library = type(backbone.model).__name__
    return Exported(head, limits, "SentenceTransformer", library, apart, layer=layer, pooling=pooling)
