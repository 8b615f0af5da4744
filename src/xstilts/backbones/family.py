"""What differs between architectures, and the checkpoints studies name, as values. The values are in `families/`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from xstilts.backbones.names import Pooling

Kind = Literal["encoder", "encoder-decoder", "decoder"]

XTREME = (
    "none of its own: the mean over all tokens at 7/12 of the depth, as XTREME (Hu et al. 2020, "
    "scripts/run_tatoeba.sh) and jiant read XLM-R Large"
)


@dataclass(frozen=True)
class Retrieval:
    """How a sentence becomes a vector where nothing is trained for it.

    Attributes:
        pooling: the mean over all tokens, special tokens included; the first token; or the last.
        layer: hidden state that is read, 0 being the embedding output; None: 7/12 of the depth (`protocol_layer`).
        source: where pooling and layer were published.
    """

    pooling: Pooling = "mean"
    layer: int | None = None
    source: str = XTREME


@dataclass(frozen=True)
class Checkpoint:
    """Published weights under the short name that experiment files use.

    Attributes:
        name: what users type.
        hub: repository on the Hugging Face hub.
        revision: its commit, 40 hex digits; None where none could be verified: then the stage that loads it records
            the commit that the hub gave.
        parameters: of the backbone as transformers' AutoModel builds it, without task heads.
        licence: of the weights.
        citation: authors, year, title, arXiv number.
        model_type: transformers' name of the architecture.
        shape: the configuration fields from which `AutoConfig.for_model(model_type, **shape)` makes the real
            architecture. What is not given is the configuration class's own default.
        retrieval: how sentences are pooled.
        note: what one must know before using it.
    """

    name: str
    hub: str
    revision: str | None
    parameters: int
    licence: str
    citation: str
    model_type: str
    shape: Mapping[str, Any]
    retrieval: Retrieval = field(default_factory=Retrieval)
    note: str = ""


def table(fields: Mapping[str, Any], usual: int = 512) -> int | None:
    """Rows of a learned table of positions, `usual`: transformers' default; None where the fields do not tell."""
    rows = fields.get("max_position_embeddings", usual)
    return rows if isinstance(rows, int) else None


@dataclass(frozen=True)
class Family:
    """How one architecture is fed.

    Attributes:
        name: of the family.
        model_types: `config.model_type` values it covers.
        kind: of an encoder-decoder the encoder alone is the backbone; a decoder's tokens do not see what follows.
        packed: whether its attention can be replaced. Where it cannot, the pack is padded, run, and packed again.
        why_padded: the reason, where it cannot.
        first_position: position id of the first token, from the config.
        room: tokens of the longest text that its table of positions has rows for, from the fields of its configuration;
            None where positions are relative or rotary, and there is no table.
        on_pack: called with (model, longest segment) before each packed forward, (model, None) before a padded one.
        checkpoints: published weights.
    """

    name: str
    model_types: tuple[str, ...]
    kind: Kind = "encoder"
    packed: bool = True
    why_padded: str = ""
    first_position: Callable[[Any], int] = lambda config: 0
    room: Callable[[Mapping[str, Any]], int | None] = lambda fields: None
    on_pack: Callable[[Any, int | None], None] | None = None
    checkpoints: tuple[Checkpoint, ...] = ()

    @property
    def route(self) -> Literal["packed", "padded"]:
        return "packed" if self.packed else "padded"
