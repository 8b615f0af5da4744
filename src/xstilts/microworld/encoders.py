"""The shipped encoders: models pretrained on microworlds, so that the demonstration need not pretrain."""

from __future__ import annotations

from pathlib import Path

from xstilts.core.errors import UnknownName

FOLDER = Path(__file__).parent / "encoders"


def encoder_path(world: int, name: str) -> Path:
    """Folder of a shipped encoder. Raises `UnknownName` where there is none for this world."""
    path = FOLDER / f"world-{world}" / name
    if not path.is_dir():
        there = [f"{p.parent.name.removeprefix('world-')}:{p.name}" for p in sorted(FOLDER.glob("world-*/*"))]
        raise UnknownName("shipped encoder (world:name)", f"{world}:{name}", there)
    return path
