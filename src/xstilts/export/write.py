"""`xstilts export`: a finished model as a folder that plain transformers or sentence-transformers loads, with its card.

The folder is written beside its place, read back, compared with the model in the store, and only then moved there.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from xstilts.backbones.adapters import merge_adapters
from xstilts.backbones.load import Weights
from xstilts.core.errors import BackboneError, XstiltsError
from xstilts.core.files import read_json, write_text
from xstilts.export.build import Source, write_sentence_transformers, write_transformers
from xstilts.export.card import Exported, Words, card
from xstilts.export.finished import Finished, Head
from xstilts.export.inputs import reads_pairs
from xstilts.metrics.retrieval import protocol_layer
from xstilts.stages.models import open_backbone, open_head
from xstilts.training.model import HeadSpec

Kind = Literal["transformers", "sentence-transformers"]
_BY_VECTOR = ("retrieval", "mining", "ranking", "contrastive", "")
"""Head types without a head: sentence vectors are all there is. `""` is a bare backbone."""
_TRAINED_ON_LAST = ("contrastive", "ranking")
"""Types whose vectors were trained at the last layer; the others read that of the protocol."""


@dataclass(frozen=True)
class Asked:
    """What to export of a model.

    Attributes:
        task: the head; None for the only one, or the one that the named stage measured.
        kind: None for what the head has.
        layer: of sentence vectors; None for what the head was trained on or measured with.
    """

    task: str | None = None
    kind: Kind | None = None
    layer: int | None = None


def export(found: Finished, asked: Asked, to: Path, words: Words | None = None) -> Exported:
    """Write the folder `to`, new or empty.

    Raises:
        XstiltsError: there is no such head or class, or the folder would compute something else; nothing is left.
    """
    head = found.head(asked.task)
    kind = asked.kind or ("sentence-transformers" if head.type in _BY_VECTOR else "transformers")
    if asked.layer is not None and kind == "transformers":
        raise XstiltsError("--layer goes with sentence vectors (--as sentence-transformers)")
    with folder(to) as scratch:
        source = open_source(found, head)
        if kind == "transformers":
            made = _with_head(found, head, source, scratch)
        else:
            made = _vectors(found, head, source, asked.layer, scratch)
        write_text(scratch / "README.md", card(found, made, to.name, words or Words()))
    return made


@contextmanager
def folder(to: Path) -> Iterator[Path]:
    """A scratch folder that becomes `to` when the body succeeds, and is removed when it does not."""
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise XstiltsError(f"{to} exists and is not an empty folder: name another one with --to")
    to = to.absolute()
    scratch = to.with_name(f".{to.name}.part")
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        scratch.mkdir(parents=True)
        yield scratch
        if to.exists():
            to.rmdir()
        scratch.rename(to)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def open_source(found: Finished, head: Head) -> Source:
    """The model in float32 with its adapters merged.

    Raises:
        BackboneError: it was trained over weights in 4 bits, which float32 weights do not equal.
    """
    about = read_json(found.model.directory / "about.json")
    if (about.get("weights") or {}).get("quantize"):
        raise BackboneError(
            "the model was trained over weights in 4 bits: merged with them its adapter gives other predictions; "
            f"the adapter itself is in {found.model.directory / 'adapters'}, as PEFT loads it"
        )
    backbone = open_backbone(found.model.directory, weights=Weights())
    merge_adapters(backbone)
    return Source(backbone, found.encoding(head))


def _with_head(found: Finished, head: Head, source: Source, directory: Path) -> Exported:
    module = open_head(found.model.directory, HeadSpec(*head), source.backbone)
    fit, difference = write_transformers(source, head, module, directory)
    form, pairs = fit.form, reads_pairs(found, head) is True
    return Exported(head, source.encoding, form.auto, fit.library.__name__, form.outputs, difference, pairs=pairs)


def _vectors(found: Finished, head: Head, source: Source, layer: int | None, directory: Path) -> Exported:
    last = source.backbone.layers
    pooling, usual = found.retrieval(head)
    if layer is None and head.type in _TRAINED_ON_LAST:
        layer = last
    elif layer is None:
        layer = max(1, protocol_layer(last)) if usual is None else usual
    difference = write_sentence_transformers(source, pooling, layer, directory)
    model: Any = type(source.backbone.model).__name__
    return Exported(head, source.encoding, "SentenceTransformer", model, (), difference, layer, pooling)
