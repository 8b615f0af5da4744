"""Facts about a backbone before it is loaded: source, revision, kind, sizes, and pooling of sentences."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from xstilts.backbones.families import CHECKPOINTS, checkpoint_of, family_of
from xstilts.backbones.names import LAYER_FIELDS, WIDTH_FIELDS, Output, Pooling, Similarity, check_folder
from xstilts.core.errors import ConfigError
from xstilts.core.files import read_object
from xstilts.core.strict import Codes, Strict
from xstilts.graph.stage import drop_defaults


class LayerSpec(Strict):
    """The hidden state whose retrieval score enters means; a file may give only its number."""

    number: int | None = Field(default=None, ge=0, description="hidden state; 0: embeddings")
    validate_on: Codes | None = Field(
        default=None, min_length=1, description="choose the best layer on these languages; not zero-shot there"
    )

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return value if isinstance(value, dict | LayerSpec) else {"number": value}

    @model_validator(mode="after")
    def _one(self) -> LayerSpec:
        if (self.number is None) == (self.validate_on is None):
            raise ValueError("give the layer's number, or `validate_on` and languages")
        return self


class RetrievalSpec(Strict):
    """How to turn a sentence into a vector. Defaults are those of the checkpoint's authors, else of XTREME."""

    pooling: Pooling | None = Field(
        default=None, description="mean over all tokens, or the first or the last token; else the checkpoint's, or mean"
    )
    special_tokens: bool = Field(default=True, description="whether the mean is over special tokens too")
    layer: LayerSpec | None = Field(
        default=None,
        description="hidden state, 0: embeddings; or `validate_on`; else the checkpoint's, or 7/12 of the depth",
    )
    similarity: Similarity = Field(
        default="cosine",
        description="measure for nearest neighbours; margin: ratio margin over 4 neighbours, as in mining",
    )


def resolve(source: str, revision: str | None, world: int | None) -> tuple[str, str | None]:
    """Source and revision as stages name them.

    A short name becomes the checkpoint's hub name at its pinned revision (or the given `revision`), unless there is a
    folder of that name. `microworld:NAME` becomes the shipped encoder of the replicate's world.
    """
    if source in CHECKPOINTS and not Path(source).exists():
        known = CHECKPOINTS.get(source)
        return known.hub, revision or known.revision
    if not source.startswith("microworld:"):
        return source, revision
    from xstilts.microworld.encoders import encoder_path

    if world is None:
        raise ConfigError(f"backbone source '{source}' needs `worlds:` in the experiment")
    return str(encoder_path(world, source.removeprefix("microworld:"))), None


def shape_of(
    source: str | None, architecture: str | None, fields: Mapping[str, Any], output: Output, beside: Path | None = None
) -> dict[str, Any]:
    """`kind`, `max_positions` (tokens of its longest text), `width` (of hidden states) and `layers` of a model.

    Each is None if it is unknown before the model is loaded, `max_positions` also where there is no limit.

    Args:
        fields: configuration of a random start.
        beside: as of `check_folder`.

    Raises:
        BackboneError: `source` looks like a folder and is not a complete model folder.
        ConfigError: `output: text` of a known encoder; an unknown model fails in the stage that loads it.
    """
    if source is not None:
        check_folder(source, beside)
    config = _config_of(source, architecture, fields)
    name, kind = str(config["model_type"] or ""), None
    family = family_of(name)
    if family.model_types:
        kind = family.kind
    elif name and output == "text":
        from transformers import AutoConfig

        both = config.get("is_encoder_decoder")
        with suppress(ValueError):  # transformers does not know the architecture
            both = getattr(AutoConfig.for_model(name), "is_encoder_decoder", None) if both is None else both
        kind = None if both is None else "encoder-decoder" if both else "decoder"
    if output == "text" and kind == "encoder":
        raise ConfigError(
            f"`output: text` is for decoders and encoder-decoders, and {name} is an encoder: leave it out, or use "
            "mt5 or qwen3 (`xstilts list backbones`)"
        )
    width, layers = (
        next((config[field] for field in names if isinstance(config.get(field), int)), None)
        for names in (WIDTH_FIELDS, LAYER_FIELDS)
    )
    return {"kind": kind, "max_positions": family.max_positions(config), "width": width, "layers": layers}


def _config_of(source: str | None, architecture: str | None, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Configuration of a model in the catalogue, in its folder or in an experiment."""
    known = checkpoint_of(source) if source else None
    config = known.shape if known else read_object(Path(source) / "config.json") if source else fields
    return {**config, "model_type": architecture or (known.model_type if known else config.get("model_type"))}


def retrieval_of(source: str | None, asked: RetrievalSpec) -> dict[str, Any]:
    """The retrieval settings: those asked for, else the checkpoint's. Values equal to the protocol's are left out.

    Raises:
        ConfigError: `special_tokens: false`, but the vector is the state of one token.
    """
    known = checkpoint_of(source) if source else None
    number, validate_on = (asked.layer.number, asked.layer.validate_on) if asked.layer else (None, None)
    chosen = {
        "pooling": asked.pooling or (known.pooling if known else "mean"),
        "special_tokens": asked.special_tokens,
        "layer": known.layer if known and number is None else number,
        "similarity": asked.similarity,
        "validate_on": sorted(set(validate_on)) if validate_on else None,
    }
    if chosen["pooling"] != "mean" and not asked.special_tokens:
        raise ConfigError(
            f"`special_tokens: false` is for a mean, and a vector of this backbone is the {chosen['pooling']} "
            "token's: give `pooling: mean` too, or leave it out"
        )
    usually = {"pooling": "mean", "special_tokens": True, "layer": None, "similarity": "cosine", "validate_on": None}
    return drop_defaults(chosen, usually)


def part_for(names: Collection[str], retrieval: Mapping[str, Any]) -> dict[str, Any]:
    """The entries of `retrieval` that a task type depends on: `read_by`, `trained_by` or `judged_by` of the type."""
    return {name: value for name, value in retrieval.items() if name in names}
