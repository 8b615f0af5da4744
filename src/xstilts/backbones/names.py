"""Options of backbones and the contents of a model folder, without torch."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from xstilts.core.errors import BackboneError
from xstilts.core.files import read_object
from xstilts.core.strict import Strict

WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
"""Files of weights; transformers reads the first that exists."""
ADAPTERS = ("adapter_model.safetensors", "adapter_model.bin")
"""Files of adapter weights, read if the folder has an `adapter_config.json`."""
OWN_CODE = (
    "it needs remote code (`auto_map` in config.json or tokenizer_config.json), which xstilts never runs: use a "
    "checkpoint whose architecture transformers has, or convert this one to it"
)

LAYER_FIELDS = ("num_hidden_layers", "num_layers", "n_layer")
"""Configuration fields for the number of layers; each architecture has one of them."""
WIDTH_FIELDS = ("hidden_size", "d_model", "n_embd")
"""Configuration fields for the size of hidden states."""

Backend = Literal["segments", "block_mask", "varlen"]
"""How packed attention is computed; see `xstilts.backbones.attention`."""
Route = Literal["packed", "padded"]
"""How a backbone is run; see `xstilts.backbones.backbone`."""
Output = Literal["head", "text"]
"""How a backbone answers: with our heads, or in text with its pretrained output layer."""
Attention = Literal["auto", "causal", "bidirectional"]
"""The attention of a decoder; see `Backbone.set_attention`."""
Token = Literal["first", "last"]
"""The token that represents its segment."""
Pooling = Literal["mean", "first", "last"]
"""How the states of a sentence become one vector: their mean, or the state of its first or last token."""
Similarity = Literal["cosine", "margin"]
"""How sentence vectors are compared: by cosine, or by its ratio to the cosines with their neighbours."""


class LoRA(Strict):
    """Low-rank adapters (Hu et al. 2022), by default on every linear layer (Dettmers et al. 2023, section 4)."""

    rank: int = Field(default=16, gt=0, description="rank of each layer's update")
    alpha: int = Field(default=32, gt=0, description="the update is scaled by alpha / rank")
    dropout: float = Field(default=0.05, ge=0, lt=1, description="dropout on the input of an adapter")
    targets: tuple[str, ...] = Field(default=(), description="names of the adapted layers; default: all linear ones")
    carry: bool = Field(
        default=False,
        description="continue to train the adapter of the previous phase; otherwise it is frozen below a new one",
    )


def check_folder(source: str, beside: Path | None = None) -> None:
    """Raises `BackboneError` if `source` looks like a folder and is not a complete model folder.

    Args:
        beside: the folder of the experiment file, in which a relative path may have been meant.
    """
    path = Path(source)
    if not (source.startswith((".", "/", "~")) or path.exists()):
        return
    if not path.is_dir():
        looked = "" if path.is_absolute() else f": looked for {path.resolve()}, from the working folder"
        near = beside and (beside / path).resolve()
        hint = f"; {near} exists: give this path" if near and near.is_dir() else ""
        raise BackboneError(f"backbone '{source}': no such folder{looked}{hint}")
    if not (path / "config.json").is_file():
        found = ", ".join(sorted(p.name for p in path.iterdir())[:5]) or "nothing"
        fault = f"config.json is missing (found: {found}); save one with save_pretrained"
        raise BackboneError(f"backbone '{source}' is not a model folder: {fault}")
    fields = read_object(path / "config.json")
    if "auto_map" in fields:
        from transformers import CONFIG_MAPPING

        if str(fields.get("model_type")) not in CONFIG_MAPPING:
            raise BackboneError(f"backbone '{source}' cannot be loaded: {OWN_CODE}")
    # Without these files transformers silently makes an empty tokenizer.
    if not any(True for pattern in ("tokenizer*", "vocab*", "*.model") for _ in path.glob(pattern)):
        raise BackboneError(f"backbone '{source}' has no tokenizer: save the tokenizer into the same folder")
    if not weight_files(path):
        raise BackboneError(f"backbone '{source}' has no weights ({', '.join(WEIGHTS)}): save the model into it")


def weight_files(folder: Path) -> list[Path]:
    """The files from which transformers reads weights, with the shards of an index; may be empty."""
    named = read_object(folder / "config.json").get("transformers_weights")
    groups: list[tuple[str, ...]] = [WEIGHTS if named is None else (str(named),)]
    if (folder / "adapter_config.json").is_file():
        groups.append(ADAPTERS)
    found = [path for names in groups for path in [folder / n for n in names if (folder / n).is_file()][:1]]
    for index in [path for path in found if path.name.endswith(".index.json")]:
        shards = read_object(index).get("weight_map")
        found += [folder / name for name in sorted({*map(str, shards.values())})] if isinstance(shards, dict) else []
    return found
