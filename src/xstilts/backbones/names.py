"""What can be said of backbones without torch: routes, back ends, attention, adapters, whether a folder is a model."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from xstilts.core.errors import BackboneError

TOKENIZER_FILES = ("tokenizer*", "vocab*", "*.model")

Backend = Literal["segments", "block_mask", "varlen"]
"""How packed attention is computed; see `xstilts.backbones.attention`."""

LAYER_FIELDS = ("num_hidden_layers", "num_layers", "n_layer")
"""Configuration fields that hold the number of layers; an architecture has one of them."""

Route = Literal["packed", "padded"]
"""How a backbone is run; see `xstilts.backbones.backbone`."""

Output = Literal["head", "text"]
"""How a backbone answers: through heads of ours, or in text, with the output layer it was pretrained with."""

Attention = Literal["auto", "causal", "bidirectional"]
"""What a decoder's tokens see of their segment; see `Backbone.set_attention`."""

Token = Literal["first", "last"]
"""The token of a segment that stands for all of it."""

Pooling = Literal["mean", "first", "last"]
"""How the states of a sentence become one vector: their mean, or the state of its first or last token."""

Similarity = Literal["cosine", "margin"]
"""By what sentence vectors are compared: their cosine, or its ratio to the cosines with their neighbours."""


class LoRA(BaseModel):
    """Low-rank adapters (Hu et al. 2022), by default on every linear layer, which QLoRA found to matter more than the
    rank (Dettmers et al. 2023, section 4).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    rank: int = Field(default=16, gt=0, description="of the update of each layer")
    alpha: int = Field(default=32, gt=0, description="the update is scaled by alpha / rank")
    dropout: float = Field(default=0.05, ge=0, lt=1, description="of what enters an adapter")
    targets: tuple[str, ...] = Field(default=(), description="names of the adapted layers; none: all linear ones")
    carry: bool = Field(
        default=False,
        description="go on with the adapter of the phase before; else it stays, frozen, under a new one, as if merged",
    )


def check_folder(source: str) -> None:
    """Refuse a source that is written like a folder and is no model folder. Raises `BackboneError`."""
    path = Path(source)
    looks_local = source.startswith((".", "/", "~")) or path.exists()
    if not looks_local:
        return
    if not path.is_dir():
        raise BackboneError(f"backbone '{source}': no such folder")
    if not (path / "config.json").is_file():
        found = ", ".join(sorted(p.name for p in path.iterdir())[:5]) or "nothing"
        raise BackboneError(
            f"backbone '{source}' is no model folder: config.json is missing (found: {found}); "
            "save one with save_pretrained"
        )
    # Without these transformers makes a tokenizer that knows no words, and says nothing.
    if not any(True for pattern in TOKENIZER_FILES for _ in path.glob(pattern)):
        raise BackboneError(f"backbone '{source}' has no tokenizer: save the tokenizer into the same folder")
