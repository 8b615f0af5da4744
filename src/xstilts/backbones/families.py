"""Families of architectures and their published checkpoints, from `checkpoints.toml`.

An architecture without a family takes the packed route, and is checked when it is loaded.
"""

import difflib
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from xstilts.backbones.names import Pooling, Route
from xstilts.core.registry import Registry

Kind = Literal["encoder", "encoder-decoder", "decoder"]
Fields = Mapping[str, Any]
"""Fields of a `config.json`."""

XTREME = (
    "none of its own: the mean over all tokens at 7/12 of the depth, as for XLM-R Large in XTREME (Hu et al. 2020, "
    "scripts/run_tatoeba.sh) and jiant"
)


@dataclass(frozen=True)
class Checkpoint:
    """Published weights with a short name.

    Attributes:
        name: in experiment files.
        hub: repository on the Hugging Face hub.
        revision: its commit, 40 hex digits; None if none could be verified (a start stage records what it loads).
        shape: fields for `AutoConfig.for_model(model_type, **shape)`.
        pooling: how a sentence becomes a vector without training.
        layer: hidden state to pool, 0 being the embedding output; None: 7/12 of the depth (`protocol_layer`).
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
    """A family of architectures; the attributes are keys of `checkpoints.toml`, which explains them."""

    name: str
    model_types: Sequence[str] = ()
    kind: Kind = "encoder"
    why_padded: str = ""
    positions: Literal["", "table", "after padding", "relative"] = ""
    checkpoints: tuple[Checkpoint, ...] = ()

    @property
    def route(self) -> Route:
        return "padded" if self.why_padded else "packed"

    def offset(self, fields: Fields) -> int | None:
        """The first token's row in the table of positions; None if there is no table, or `fields` do not tell."""
        if self.positions == "table":
            return 0 if fields.get("position_biased_input", True) else None
        padding = fields.get("pad_token_id", 1)
        return padding + 1 if self.positions == "after padding" and isinstance(padding, int) else None

    def max_positions(self, fields: Fields) -> int | None:
        """The largest number of tokens of a text; None if there is no table of positions, or `fields` do not tell."""
        usual = 514 if fields.get("model_type") == "xlm-roberta-xl" else 512  # transformers' default
        offset, rows = self.offset(fields), fields.get("max_position_embeddings", usual)
        return rows - offset if isinstance(rows, int) and offset is not None else None


def bias_of_longest(model: Any, longest: int | None) -> None:
    """Make T5 build its position bias for the longest segment, not for tokens x tokens of a pack; None undoes that."""
    for module in model.modules():
        if not getattr(module, "has_relative_attention_bias", False):
            continue
        module.__dict__.pop("compute_bias", None)
        if longest is not None:
            module.__dict__["compute_bias"] = partial(_build_bias, module.compute_bias, longest)


def _build_bias(build: Callable[..., Any], longest: int, *_: Any, device: Any = None, **__: Any) -> Any:
    return build(longest, longest, device=device)


_OWN = ("model_types", "kind", "why_padded", "positions")
_INHERITED = ("model_type", "licence", "citation", "pooling", "layer", "pooling_source", "note", "shape", "varies")


def _published(name: str, table: Fields, group: Fields) -> Iterator[Checkpoint]:
    """The checkpoints of a table of `checkpoints.toml`, with the defaults of the tables around it in `group`."""
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
UNLISTED = Family("")

for _name, _table in tomllib.loads((Path(__file__).parent / "checkpoints.toml").read_text(encoding="utf-8")).items():
    _own = {key: _table.pop(key) for key in _OWN if key in _table}
    _family = Family(_name, **_own, checkpoints=tuple(_published(_name, _table, {})))
    FAMILIES.add(_name, _family)
    for _checkpoint in _family.checkpoints:
        CHECKPOINTS.add(_checkpoint.name, _checkpoint)


def family_of(model_type: str) -> Family:
    """The family of a `config.model_type`, or `UNLISTED`."""
    return next((family for family in FAMILIES if model_type in family.model_types), UNLISTED)


def checkpoint_of(source: str) -> Checkpoint | None:
    """The checkpoint with this short name or hub repository, or None."""
    return next((one for one in CHECKPOINTS if source in (one.name, one.hub)), None)


def hint(source: str) -> str:
    """The nearest checkpoints, for the end of a message that `source` cannot be loaded; may be empty."""
    if checkpoint_of(source):
        return ""
    names = {name.lower(): one.name for one in CHECKPOINTS for name in (one.name, one.hub)}
    near = difflib.get_close_matches(source.lower(), names, n=3, cutoff=0.7)
    found = list(dict.fromkeys(names[name] for name in near))
    return f"; did you mean {' or '.join(found)}? (`xstilts list backbones`)" if found else ""
