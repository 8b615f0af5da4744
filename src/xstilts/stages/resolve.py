"""From a backbone as an experiment file names it to a source at a revision, and to how its sentences are pooled."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xstilts.backbones.families import CHECKPOINTS, checkpoint_of, family_of
from xstilts.backbones.family import Retrieval
from xstilts.core.errors import ConfigError
from xstilts.core.files import read_json
from xstilts.graph.stage import drop_defaults

READ_BY = {"retrieval": ("pooling", "layer"), "mining": ("pooling", "layer"), "ranking": ("pooling",)}
TRAINED_BY = {"contrastive": ("pooling",), "ranking": ("pooling",)}
"""Of pooling and layer what a task type's predictions depend on, and its training."""


def resolve(source: str, revision: str | None, world: int | None) -> tuple[str, str | None]:
    """Source and revision as stages name them.

    A short name becomes the checkpoint's hub name at its pinned revision (a given `revision` wins), unless there is a
    folder of that name; `microworld:NAME` becomes the shipped encoder of the replicate's world; the rest stays.
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


def check_writes(source: str | None, architecture: str | None) -> None:
    """Refuse `output: text` of what is known to be an encoder; of an unknown model the stage that loads it finds out.

    Raises:
        ConfigError: naming the architecture.
    """
    known = checkpoint_of(source) if source else None
    folder = Path(source or "") / "config.json"
    kind = architecture or (known.model_type if known else "")
    if source and not kind and folder.is_file():
        kind = read_json(folder).get("model_type", "")
    family = family_of(kind)
    if family.model_types and family.kind == "encoder":
        raise ConfigError(
            f"`output: text` is for decoders and encoder-decoders, and {kind} is an encoder: leave it out, or take mt5 "
            "or qwen3 (`xstilts list backbones`)"
        )


def retrieval_of(source: str | None, pooling: str | None, layer: int | None) -> dict[str, Any]:
    """Pooling and layer: those asked for, else the checkpoint's; left out where they are the protocol's."""
    known = checkpoint_of(source) if source else None
    usual = known.retrieval if known else Retrieval()
    chosen = {"pooling": pooling or usual.pooling, "layer": usual.layer if layer is None else layer}
    return drop_defaults(chosen, {"pooling": "mean", "layer": None})


def part_for(users: Mapping[str, tuple[str, ...]], task_type: str, retrieval: Mapping[str, Any]) -> dict[str, Any]:
    """What of `retrieval` a task type depends on; `users` is `READ_BY` or `TRAINED_BY`."""
    return {name: value for name, value in retrieval.items() if name in users.get(task_type, ())}
