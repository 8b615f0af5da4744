"""`xstilts export`: a finished model as a folder that transformers, PEFT or sentence-transformers loads, with its card.

The folder is written beside its place, read back, compared with the model in the store, and only then moved there.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from torch import Tensor

from xstilts.backbones.backbone import Backbone
from xstilts.backbones.coder import Coder
from xstilts.core.errors import XstiltsError
from xstilts.core.files import write_text
from xstilts.data.readers.types import TYPES
from xstilts.export.adapter import write_adapter
from xstilts.export.build import check_layer, write_sentence_transformers, write_transformers
from xstilts.export.card import Exported, Words, card
from xstilts.export.check import our_logits, our_vectors, sample_features, sample_sentences
from xstilts.export.finished import Finished, Head
from xstilts.export.inputs import reads_pairs
from xstilts.export.opening import Source, base_under, measured, open_source, rounding
from xstilts.export.text import our_answers, write_text_model
from xstilts.metrics.retrieval import protocol_layer
from xstilts.stages.models import open_head
from xstilts.training.model import HeadSpec

Kind = Literal["transformers", "sentence-transformers", "peft"]


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
    by_vector = not head.type or TYPES.get(head.type).vectors  # of a bare backbone too
    kind = asked.kind or ("sentence-transformers" if by_vector else "transformers")
    if asked.layer is not None and kind != "sentence-transformers":
        raise XstiltsError("--layer goes with sentence vectors (--as sentence-transformers)")
    if kind == "peft" and by_vector:
        raise XstiltsError(
            "--as peft holds an adapter with a head; vectors: --as sentence-transformers, adapter merged"
        )
    if kind == "peft" and head.writes:
        raise XstiltsError("--as peft holds an adapter with a head; answers in text: leave it out, adapter merged")
    with folder(to) as scratch:
        if kind == "sentence-transformers":
            made = _vectors(found, head, asked.layer, scratch)
        elif head.writes:
            made = _writing(found, head, scratch)
        else:
            below = None if kind == "transformers" else to.with_name(f"{to.name}-base")
            made = _with_head(found, head, below, scratch)
        card_file = scratch / "README.md"
        write_text(card_file, card(found, made, to.resolve().name, words or Words()))
        for path in scratch.glob("*.safetensors"):  # written for the owner's eyes alone
            path.chmod(card_file.stat().st_mode)
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


def _with_head(found: Finished, head: Head, below: Path | None, directory: Path) -> Exported:
    """`below`: where a model under adapters may be written; None merges them."""
    model, spec, limits = found.model.directory, HeadSpec(*head), found.encoding(head)

    def values(backbone: Backbone, precision: str) -> list[Tensor]:
        features = sample_features(Coder(backbone.tokenizer), head.type, limits, head.labels)
        return our_logits(backbone, open_head(model, spec, backbone), head.type, features, precision)

    base = None if below is None else base_under(found, below)
    # An adapter over weights in 4 bits is compared in the precision in which it was trained, hence not again.
    then = None if base and base.weights.quantize else measured(found, values)
    source, adapter = open_source(found, limits, base is None), None
    module = open_head(model, spec, source.backbone)
    if base is None:
        fit, apart = write_transformers(source, head, module, directory)
    else:
        fit, adapter, apart = write_adapter(source, base, head, module, directory)
    return Exported(
        head,
        limits,
        fit.form.auto,
        fit.library.__name__,
        fit.form.outputs,
        apart,
        pairs=reads_pairs(found, head) is True,
        adapter=adapter,
        rounding=rounding(found, then, values(source.backbone, "fp32")) if then else None,
    )


def _writing(found: Finished, head: Head, directory: Path) -> Exported:
    limits = found.encoding(head)

    def values(backbone: Backbone, precision: str) -> list[Tensor]:
        return our_answers(backbone, head, limits, precision)

    then = measured(found, values)
    source = open_source(found, limits, merge=True)
    model, apart = write_text_model(source, head, directory)
    auto = "AutoModelForCausalLM" if source.backbone.decoder else "AutoModelForSeq2SeqLM"
    apart_then = rounding(found, then, values(source.backbone, "fp32")) if then else None
    return Exported(head, limits, auto, type(model).__name__, (), apart, rounding=apart_then)


def _vectors(found: Finished, head: Head, layer: int | None, directory: Path) -> Exported:
    pooling, usual = found.retrieval(head)

    def at(backbone: Backbone) -> int:
        if layer is not None:
            check_layer(layer, backbone)
            return layer
        if head.type and TYPES.get(head.type).cosine:  # trained at the last layer; others read the protocol's
            return backbone.layers
        return max(1, protocol_layer(backbone.layers)) if usual is None else usual

    def values(backbone: Backbone, precision: str) -> list[Tensor]:
        features = sample_sentences(Coder(backbone.tokenizer), Source(backbone, found.encoding(head)).length)
        return our_vectors(backbone, features, pooling, at(backbone), precision)

    then = measured(found, values)
    source = open_source(found, found.encoding(head), merge=True)
    chosen = at(source.backbone)
    apart = write_sentence_transformers(source, pooling, chosen, directory)
    model = type(source.backbone.model).__name__
    return Exported(
        head,
        source.encoding,
        "SentenceTransformer",
        model,
        (),
        apart,
        layer=chosen,
        pooling=pooling,
        rounding=rounding(found, then, values(source.backbone, "fp32")) if then else None,
    )
