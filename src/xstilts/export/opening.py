"""A finished model opened for export: in 32 bits with its adapters merged, or with adapters over what they adapt.

Where it was trained or measured in less than 32 bits its values of then are taken too, so that the card can say how far
the folder's are from them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from xstilts.backbones.adapters import merge_adapters
from xstilts.backbones.backbone import Backbone
from xstilts.backbones.load import Weights, save_backbone
from xstilts.core.errors import XstiltsError
from xstilts.export.check import difference, refuse_different
from xstilts.export.finished import Finished
from xstilts.stages.changes import Changes, chain
from xstilts.stages.models import held_weights, open_backbone, source_of
from xstilts.tasks import Encoding

Values = Callable[[Backbone, str], list[Tensor]]
"""Logits or vectors of a backbone on the inputs of the check, computed in a precision."""


@dataclass(frozen=True)
class Source:
    """An opened model and how its inputs were cut."""

    backbone: Backbone
    encoding: Encoding

    @property
    def length(self) -> int:
        """Most pieces of a text, special tokens included, that the model can read and was used with."""
        return int(min(self.encoding.max_length, self.backbone.tokenizer.model_max_length))


@dataclass(frozen=True)
class Base:
    """The model under adapters.

    Attributes:
        source: a hub name with its revision, or a folder.
        weights: how they are held for the adapters to compute what they did in training.
    """

    source: str
    revision: str | None
    weights: Weights


def open_source(found: Finished, encoding: Encoding, merge: bool) -> Source:
    """The model in 32 bits; weights that were held in 4 stay so under adapters, and are written out to merge them."""
    held = held_weights(found.model.directory)
    weights = Weights() if held.quantize is None else replace(held, written_out=merge)
    backbone = open_backbone(found.model.directory, weights=weights)
    if merge:
        merge_adapters(backbone)
    return Source(backbone, encoding)


def base_under(found: Finished, folder: Path) -> Base:
    """What the adapters of a model lie over; written to `folder` where earlier phases trained it, and nowhere else.

    Raises:
        XstiltsError: the model has no adapters, or the folder is in use.
    """
    directory = found.model.directory
    if not (directory / "adapters").is_dir():
        raise XstiltsError(f"stage {found.model.key} holds whole weights and no adapter: leave out --as peft")
    folders = chain(directory)
    source, revision = source_of(folders[0])
    below = folders[-2:][0]
    if Changes.read(below):
        if folder.exists():
            raise XstiltsError(f"{folder}, for the model under the adapter, exists: name another folder with --to")
        save_backbone(open_backbone(below), folder)
        source = str(folder)
    held = held_weights(directory)
    source = str(Path(source).resolve()) if Path(source).is_dir() else source
    return Base(source, revision, held if held.quantize else Weights())


def measured(found: Finished, values: Values) -> list[Tensor] | None:
    """Values in the precision, and over the weights, with which the model was measured; None where that is 32 bits."""
    if found.precision == "fp32" and held_weights(found.model.directory) == Weights():
        return None
    return values(open_backbone(found.model.directory), found.precision)


def rounding(found: Finished, then: Sequence[Tensor], now: Sequence[Tensor]) -> float:
    """How far values as measured are from those in 32 bits.

    Raises:
        BackboneError: they differ, though they were computed in 32 bits too, over weights in 4.
    """
    apart = difference(then, now)
    if found.precision == "fp32":
        refuse_different(apart, "the model with its weights in 4 bits written out", "nothing was exported")
    return apart
