"""Names of routes and attention back ends, importable without torch."""

from typing import Literal

Backend = Literal["segments", "block_mask", "varlen"]
"""How packed attention is computed; see `xstilts.backbones.attention`."""

Route = Literal["packed", "padded"]
"""How a backbone is run; see `xstilts.backbones.backbone`."""
