"""From a backbone as an experiment file names it to a source at a revision, and to how its sentences are pooled."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xstilts.backbones.families import CHECKPOINTS, checkpoint_of
from xstilts.backbones.family import Retrieval
from xstilts.core.errors import ConfigError
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


def retrieval_of(source: str | None, pooling: str | None, layer: int | None) -> dict[str, Any]:
    """Pooling and layer: those asked for, else the checkpoint's; left out where they are the protocol's."""
    known = checkpoint_of(source) if source else None
    usual = known.retrieval if known else Retrieval()
    chosen = {"pooling": pooling or usual.pooling, "layer": usual.layer if layer is None else layer}
    return drop_defaults(chosen, {"pooling": "mean", "layer": None})


def part_for(users: Mapping[str, tuple[str, ...]], task_type: str, retrieval: Mapping[str, Any]) -> dict[str, Any]:
    """What of `retrieval` a task type depends on; `users` is `READ_BY` or `TRAINED_BY`."""
    return {name: value for name, value in retrieval.items() if name in users.get(task_type, ())}
