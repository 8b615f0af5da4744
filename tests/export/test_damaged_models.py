"""A finished model whose files were damaged is neither exported nor asked."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from export.exported import World


@pytest.mark.parametrize("file", ["trained.safetensors", "heads.safetensors", "about.json"])
def test_a_flipped_bit_is_refused_in_one_line(
    world: World, tmp_path: Path, typed: Callable[..., tuple[int, str, str]], file: str
) -> None:
    """Of weights it was exported and answered with in silence."""
    shutil.copytree(world.store, tmp_path / "store")
    model = tmp_path / "store" / "train" / world.model("micro_topic").key
    data = (model / file).read_bytes()
    (model / file).write_bytes(data[:-9] + bytes([data[-9] ^ 1]) + data[-8:])
    text = tmp_path / "in.jsonl"
    text.write_text('{"id": "1", "text": "a b c"}\n')
    why = f"{file} has changed since it was written"
    told = f"error: {model} is damaged ({why}): `xstilts run` computes it again\n"
    asked = (world.key("micro_topic"), "--store", tmp_path / "store", "--to", tmp_path / "out")
    assert typed("export", *asked) == (2, "", told)
    assert typed("predict", *asked, "--input", text) == (2, "", told)
    assert not (tmp_path / "out").exists()
