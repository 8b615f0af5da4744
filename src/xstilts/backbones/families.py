"""Families of architectures, as values, and published checkpoints, read from `checkpoints.toml`.

An architecture of no family is tried packed, and checked when it is loaded.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from xstilts.backbones.names import Pooling, Route
from xstilts.core.registry import Registry

Kind = Literal["encoder", "encoder-decoder", "decoder"]
Fields = Mapping[str, Any]
"""Fields of a `config.json`."""

XTREME = (
    "none of its own: the mean over all tokens at 7/12 of the depth, as XTREME (Hu et al. 2020, "
    "scripts/run_tatoeba.sh) and jiant read XLM-R Large"
)


@dataclass(frozen=True)
class Checkpoint:
    """Published weights with a short name.

    Attributes:
        name: in experiment files.
        hub: repository on the Hugging Face hub; `revision`: its commit, 40 hex digits. None where none could be
            verified; the stage that loads it then records the commit it got.
        parameters: of the backbone as transformers' AutoModel builds it, without task heads.
        model_type: transformers' name of the architecture.
        shape: fields with which `AutoConfig.for_model(model_type, **shape)` makes the real architecture.
        pooling: how a sentence becomes a vector without training; `pooling_source`: where that was published.
        layer: hidden state that is pooled, 0 being the embedding output; None: 7/12 of the depth (`protocol_layer`).
        note: what to know before using it.
    """

    name: str
    hub: str
    revision: str | None
    parameters: int
    licence: str
    citation: str
    model_type: str
    shape: Fields
    pooling: Pooling = "mean"
    layer: int | None = None
    pooling_source: str = XTREME
    note: str = ""


@dataclass(frozen=True)
class Family:
    """How one kind of architecture is fed.

    Attributes:
        model_types: `config.model_type` values of the family.
        kind: of an encoder-decoder the encoder alone is the backbone; a decoder's token sees nothing to its right.
        why_padded: why its attention cannot be replaced, so that it takes the padded route; empty: it runs packed.
        offset: rows before the first token's in a learned table of positions; None where positions are no such table.
        on_pack: called with (model, longest segment) before a packed forward pass, (model, None) before a padded one.
    """

    name: str
    model_types: tuple[str, ...]
    kind: Kind = "encoder"
    why_padded: str = ""
    offset: Callable[[Fields], int | None] = lambda fields: None
    on_pack: Callable[[Any, int | None], None] | None = None
    checkpoints: tuple[Checkpoint, ...] = ()

    @property
    def route(self) -> Route:
        return "padded" if self.why_padded else "packed"

    def max_positions(self, fields: Fields) -> int | None:
        """Tokens of the longest text; None where positions have no table, or where `fields` do not say."""
        usual = 514 if fields.get("model_type") == "xlm-roberta-xl" else 512  # transformers' default
        offset, rows = self.offset(fields), fields.get("max_position_embeddings", usual)
        return rows - offset if isinstance(rows, int) and offset is not None else None


def _bias_of_longest(model: Any, longest: int | None) -> None:
    """Have T5 build its relative position bias for the longest segment, not for the whole row (tokens x tokens)."""
    for module in model.modules():
        if not getattr(module, "has_relative_attention_bias", False):
            continue
        module.__dict__.pop("compute_bias", None)
        if longest is not None:
            module.__dict__["compute_bias"] = partial(_build_bias, module.compute_bias, longest)


def _build_bias(build: Callable[..., Any], longest: int, *_: Any, device: Any = None, **__: Any) -> Any:
    return build(longest, longest, device=device)


def _after_padding(fields: Fields) -> int | None:
    """XLM-R's first token has the position after the padding index: 514 rows hold 512 tokens."""
    padding = fields.get("pad_token_id", 1)
    return padding + 1 if isinstance(padding, int) else None


_FAMILIES = (
    Family("bert", ("bert",), offset=lambda fields: 0),
    Family("bloom", ("bloom",), "decoder", "position biases are built from the padding mask"),
    # It has no fast tokenizer, so no task can be encoded for it yet.
    Family(
        "canine", ("canine",), why_padded="characters are down-sampled in blocks that cross the borders of segments"
    ),
    Family(
        "deberta",
        ("deberta", "deberta-v2"),
        why_padded="attention adds scores of relative positions inside the model",
        offset=lambda fields: 0 if fields.get("position_biased_input", True) else None,
    ),
    Family("eurobert", ("eurobert",)),
    Family("gte", ("gte",)),
    Family("llama", ("llama",), "decoder"),
    Family("modernbert", ("modernbert",)),
    Family("mt5", ("t5", "mt5", "umt5"), "encoder-decoder", on_pack=_bias_of_longest),
    Family("qwen3", ("qwen3",), "decoder"),
    Family(
        "rembert",
        ("rembert",),
        why_padded="transformers accepts a registered attention and never calls it",
        offset=lambda fields: 0,
    ),
    Family("xglm", ("xglm",), "decoder", "its attention is written out in the model and cannot be replaced"),
    Family(
        "xlm-roberta",
        ("xlm-roberta", "xlm-roberta-xl", "roberta", "camembert", "xmod", "data2vec-text"),
        offset=_after_padding,
    ),
)


_INHERITED = ("model_type", "licence", "citation", "pooling", "layer", "pooling_source", "note", "shape", "varies")


def _published(name: str, table: Fields, group: Fields) -> Iterator[Checkpoint]:
    """The checkpoints of a table of `checkpoints.toml`; `group`: what it inherits from the tables around it."""
    own = {key: table[key] for key in _INHERITED if key in table}
    known = {**group, **own, "shape": {**group.get("shape", {}), **own.get("shape", {})}}
    if "hub" not in table:
        for inner in (key for key in table if key not in own):
            yield from _published(inner, table[inner], known)
        return
    shape = {**dict(zip(known.pop("varies", ()), table.get("sizes", ()), strict=True)), **known.pop("shape")}
    yield Checkpoint(name, table["hub"], table.get("revision"), table["parameters"], shape=shape, **known)


FAMILIES: Registry[Family] = Registry("family of backbones")
CHECKPOINTS: Registry[Checkpoint] = Registry("backbone")
UNLISTED = Family("", ())

_tables = tomllib.loads((Path(__file__).parent / "checkpoints.toml").read_text(encoding="utf-8"))
for _family in _FAMILIES:
    _listed = tuple(_published(_family.name, _tables.get(_family.name, {}), {}))
    FAMILIES.add(_family.name, replace(_family, checkpoints=_listed))
    for _checkpoint in _listed:
        CHECKPOINTS.add(_checkpoint.name, _checkpoint)


def family_of(model_type: str) -> Family:
    """The family of a `config.model_type`; one without a name where none lists it."""
    return next((family for family in FAMILIES if model_type in family.model_types), UNLISTED)


def checkpoint_of(source: str) -> Checkpoint | None:
    """The checkpoint with this short name or hub repository; None for any other model."""
    return next((one for one in CHECKPOINTS if source in (one.name, one.hub)), None)


def hint(source: str) -> str:
    """The nearest listed checkpoints, as the end of a message that `source` cannot be loaded; may be empty."""
    if checkpoint_of(source):
        return ""
    names = {name.lower(): one.name for one in CHECKPOINTS for name in (one.name, one.hub)}
    near = difflib.get_close_matches(source.lower(), names, n=3, cutoff=0.7)
    found = list(dict.fromkeys(names[name] for name in near))
    return f"; did you mean {' or '.join(found)}? (`xstilts list backbones`)" if found else ""
