"""What can be said of backbones without torch: names of routes and back ends, and whether a folder is a model."""

from pathlib import Path
from typing import Literal

from xstilts.core.errors import BackboneError

TOKENIZER_FILES = ("tokenizer*", "vocab*", "*.model")

Backend = Literal["segments", "block_mask", "varlen"]
"""How packed attention is computed; see `xstilts.backbones.attention`."""

Route = Literal["packed", "padded"]
"""How a backbone is run; see `xstilts.backbones.backbone`."""


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
