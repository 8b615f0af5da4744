"""Backbones that have a short name: as a table, one by one, and as the page in the documentation."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

from xstilts.backbones.families import CHECKPOINTS, FAMILIES
from xstilts.backbones.family import Checkpoint, Family
from xstilts.backbones.names import LAYER_FIELDS
from xstilts.metrics.retrieval import protocol_layer
from xstilts.microworld.encoders import NAMES, WORLDS, folder


def family(checkpoint: Checkpoint) -> Family:
    """The family it belongs to."""
    return next(one for one in FAMILIES if checkpoint in one.checkpoints)


def depth(checkpoint: Checkpoint) -> int:
    """Number of layers."""
    return int(next(checkpoint.shape[key] for key in LAYER_FIELDS if key in checkpoint.shape))


def layer(checkpoint: Checkpoint) -> int:
    """The hidden state that retrieval reads."""
    given = checkpoint.retrieval.layer
    return protocol_layer(depth(checkpoint)) if given is None else given


def size(parameters: int) -> str:
    """`278 M`, `3.5 B`."""
    return f"{parameters / 1e6:.0f} M" if parameters < 1e9 else f"{parameters / 1e9:.1f} B"


def by_family() -> list[Checkpoint]:
    """Families in alphabetical order, each with its checkpoints as its file has them."""
    return [checkpoint for one in FAMILIES for checkpoint in one.checkpoints]


def facts(checkpoint: Checkpoint) -> dict[str, Any]:
    """All that is known of it."""
    own = family(checkpoint)
    return {
        "name": checkpoint.name,
        "hub": checkpoint.hub,
        "revision": checkpoint.revision,
        "parameters": checkpoint.parameters,
        "family": own.name,
        "architecture": own.kind,
        "route": own.route,
        "pooling": checkpoint.retrieval.pooling,
        "layer": layer(checkpoint),
        "layers": depth(checkpoint),
        "licence": checkpoint.licence,
    }


def listed() -> list[dict[str, Any]]:
    """Every checkpoint with its facts, then the encoders of the microworlds: shipped, or in the repository alone."""
    return [facts(one) for one in by_family()] + list(_shipped())


def _shipped() -> Iterator[dict[str, Any]]:
    for world, name in product(WORLDS, sorted(NAMES)):
        where = "shipped" if folder(world, name).is_dir() else "repository"
        yield {"name": f"microworld:{name}", "world": str(world), "where": where}


def rows() -> list[dict[str, str]]:
    """The same as one readable table."""
    table = [
        {
            "name": one.name,
            "hub": one.hub,
            "parameters": size(one.parameters),
            "architecture": family(one).kind,
            "route": family(one).route,
            "revision": one.revision[:12] if one.revision else "unpinned",
            "retrieval": f"{one.retrieval.pooling}, layer {layer(one)} of {depth(one)}",
        }
        for one in by_family()
    ]
    blank = dict.fromkeys(table[0], "-")
    shipped = [{**blank, "name": row["name"], "hub": f"{row['where']}, world {row['world']}"} for row in _shipped()]
    return [*table, *shipped]


def described(name: str) -> dict[str, Any]:
    """One checkpoint, for a person: facts, sources, what to know, and the configuration of its architecture."""
    one = CHECKPOINTS.get(name)
    own = family(one)
    found = facts(one)
    read = "mean with special tokens" if found["pooling"] == "mean" else f"{found['pooling']} token"
    where = f"layer {found['layer']} of {found['layers']} unless `retrieval:` says otherwise"
    retrieval = f"{read}, cosine, {where}; source: {one.retrieval.source}"
    route = own.route if own.packed else f"{own.route}: {own.why_padded}"
    return {
        "name": one.name,
        "hub": one.hub,
        "revision": one.revision or "unpinned: the stage that loads it records the commit",
        "parameters": f"{one.parameters:,} ({size(one.parameters)}) without heads",
        "architecture": f"{own.kind} ({one.model_type})",
        "route": route,
        "retrieval": retrieval,
        "licence": one.licence,
        "citation": one.citation,
        "note": one.note or "-",
        "shape": [f"{key} {value}" for key, value in one.shape.items()],
    }
