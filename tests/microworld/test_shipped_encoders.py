"""The encoders of the microworlds: all in the repository, the demonstration's in a wheel, in half precision."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from xstilts.backbones.load import load_backbone
from xstilts.core.errors import BackboneError, UnknownName
from xstilts.microworld import encoders
from xstilts.microworld.encoders import NAMES, OF_DEMO, WORLDS, encoder_path
from xstilts.session.loading import load
from xstilts.studies.files import packaged

REPOSITORY = Path(__file__).parents[2]
MAX_WHEEL = 15_000_000
ENCODERS = REPOSITORY / "src/xstilts/microworld/encoders"


def test_the_repository_has_every_encoder_and_no_other() -> None:
    there = {path.relative_to(ENCODERS).as_posix() for path in ENCODERS.glob("*/*")}
    assert there == {f"world-{world}/{name}" for world in WORLDS for name in NAMES}


def test_a_wheel_has_the_encoders_of_the_demonstration_alone_and_is_small() -> None:
    builders = pytest.importorskip("hatchling.builders.wheel")
    files = [Path(file.path) for file in builders.WheelBuilder(str(REPOSITORY)).recurse_included_files()]
    found = {path.parent.relative_to(ENCODERS) for path in files if path.is_relative_to(ENCODERS)}
    assert found == {Path(f"world-{world}", name) for world in WORLDS for name in OF_DEMO}
    assert set((REPOSITORY / "src").rglob("*.py")) <= set(files)
    assert sum(path.stat().st_size for path in files) < MAX_WHEEL, "before they are compressed"


def test_the_demonstration_needs_what_a_wheel_has() -> None:
    experiment = load(packaged("demo"))
    sources = {source for spec in experiment.backbones for source in (spec.source, *spec.controls.values())}
    assert {source for source in sources if source != "auto"} == {f"microworld:{name}" for name in OF_DEMO}
    assert set(experiment.worlds) == set(WORLDS)


def test_what_a_wheel_lacks_is_told_with_where_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(encoders, "folder", lambda world, name: tmp_path / name)
    (tmp_path / "mlm").mkdir()
    assert encoder_path(1, "mlm") == tmp_path / "mlm"
    with pytest.raises(BackboneError) as raised:
        encoder_path(1, "tlm")
    assert str(raised.value) == (
        "encoder 'microworld:tlm' is not installed: a wheel of xstilts has only those of `xstilts demo` "
        "(english, mlm); the repository has all: run `pip install --editable .` in a checkout of it "
        "(`make encoders` there pretrains them again)"
    )


@pytest.mark.parametrize("world, name, hint", [(1, "mlmm", "did you mean 1:mlm"), (4, "mlm", "did you mean 3:mlm")])
def test_an_encoder_that_there_never_was_brings_the_nearest_ones(world: int, name: str, hint: str) -> None:
    with pytest.raises(UnknownName, match=f"unknown shipped encoder .* '{world}:{name}': {hint}"):
        encoder_path(world, name)


def test_encoders_are_stored_in_half_precision_and_computed_in_single() -> None:
    for path in ENCODERS.glob("*/*/*.safetensors"):
        assert {value.dtype for value in load_file(path).values()} == {torch.float16}, path
    assert load_backbone(str(encoder_path(1, "mlm"))).model.dtype == torch.float32
