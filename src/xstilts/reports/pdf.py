"""Figures as PDF, for papers: CairoSVG (extra `pdf`) draws the SVG files, whose colours are literal."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from xstilts.core.errors import ConfigError

IN_ALL_FONTS = str.maketrans({"\u2212": "\u2013", "\u25cf": "\u2022"})
"""Minus signs and large dots as characters that every font has: cairo looks for missing ones in no other font."""


def converter() -> Callable[[str], bytes]:
    """A function from SVG to PDF; text stays text. Raises `ConfigError` if CairoSVG or cairo is not installed."""
    try:
        from cairosvg import svg2pdf
    except (ImportError, OSError) as error:
        lacks = str(error).partition("\n")[0]
        raise ConfigError(f"--pdf needs CairoSVG and cairo ({lacks}): pip install 'xstilts[pdf]'") from None

    def pdf(svg: str) -> bytes:
        found: bytes = svg2pdf(bytestring=svg.translate(IN_ALL_FONTS).encode())
        return found

    return pdf


def write_pdfs(folder: Path, convert: Callable[[str], bytes]) -> list[Path]:
    """Write each SVG file of a report as PDF beside it; returns their paths."""
    made, page = [], (folder / "index.html").read_text(encoding="utf-8")
    for figure in sorted(file for file in folder.glob("*.svg") if file.name in page):
        made.append(figure.with_suffix(".pdf"))
        made[-1].write_bytes(convert(figure.read_text(encoding="utf-8")))
    return made
