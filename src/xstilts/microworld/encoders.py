"""The shipped encoders: models pretrained on microworlds, so that the demonstration need not pretrain."""

from pathlib import Path

from xstilts.core.errors import BackboneError, UnknownName

WORLDS = (1, 2, 3)
OF_DEMO = ("english", "mlm")
"""The encoders of `xstilts demo`, the only ones in a wheel (`pyproject.toml`)."""
NAMES = (
    *OF_DEMO,
    *("masked", "aligned", "tlm", "simcse"),
    *("xlmr", "xlmr-english", "bert", "modernbert", "mt5", "qwen3", "small", "large"),
)


def folder(world: int, name: str) -> Path:
    """The folder of an encoder if it exists."""
    return Path(__file__).parent / "encoders" / f"world-{world}" / name


def encoder_path(world: int, name: str) -> Path:
    """Folder of a shipped encoder. Raises `UnknownName` if there is none of this name, or none for this world.

    Raises `BackboneError` if xstilts was installed from a wheel, which has only those of the demonstration.
    """
    if world not in WORLDS or name not in NAMES:
        known = [f"{one}:{encoder}" for one in WORLDS for encoder in NAMES]
        raise UnknownName("shipped encoder (world:name)", f"{world}:{name}", known, "xstilts list backbones")
    path = folder(world, name)
    if not path.is_dir():
        raise BackboneError(
            f"encoder 'microworld:{name}' is not installed: a wheel of xstilts has only those of `xstilts demo` "
            f"({', '.join(OF_DEMO)}); the repository has all: run `pip install --editable .` in a checkout of it "
            "(`make encoders` there pretrains them again)"
        )
    return path
