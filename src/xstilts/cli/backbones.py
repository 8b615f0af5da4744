"""Backbones with a short name, for `xstilts list` and `show` and for a page of the documentation."""

from itertools import product
from typing import Any

from xstilts.backbones.families import CHECKPOINTS, FAMILIES, Checkpoint, Family
from xstilts.backbones.names import LAYER_FIELDS
from xstilts.metrics.retrieval import protocol_layer
from xstilts.microworld.encoders import NAMES, WORLDS, folder


def family(checkpoint: Checkpoint) -> Family:
    """Its family."""
    return next(one for one in FAMILIES if checkpoint in one.checkpoints)


def depth(checkpoint: Checkpoint) -> int:
    """Number of layers."""
    return int(next(checkpoint.shape[key] for key in LAYER_FIELDS if key in checkpoint.shape))


def layer(checkpoint: Checkpoint) -> int:
    """The layer whose hidden states retrieval uses."""
    given = checkpoint.layer
    return protocol_layer(depth(checkpoint)) if given is None else given


def size(parameters: int) -> str:
    """`278 M`, `3.5 B`."""
    return f"{parameters / 1e6:.0f} M" if parameters < 1e9 else f"{parameters / 1e9:.1f} B"


def by_family() -> list[Checkpoint]:
    """All checkpoints, family by family."""
    return [checkpoint for one in FAMILIES for checkpoint in one.checkpoints]


def listed() -> list[dict[str, Any]]:
    """Every checkpoint, then the encoders of the microworlds, which are shipped or only in the repository."""
    rows: list[dict[str, Any]] = []
    for one in by_family():
        own = family(one)
        rows.append(
            {
                **{name: getattr(one, name) for name in ("name", "hub", "revision", "parameters")},
                **{"family": own.name, "architecture": own.kind, "route": own.route, "pooling": one.pooling},
                **{"layer": layer(one), "layers": depth(one), "licence": one.licence},
            }
        )
    for world, name in product(WORLDS, sorted(NAMES)):
        where = "shipped" if folder(world, name).is_dir() else "repository"
        rows.append({"name": f"microworld:{name}", "world": str(world), "where": where})
    return rows


def rows() -> list[dict[str, str]]:
    """Backbones as rows of a table for people."""
    names = ("name", "hub", "parameters", "architecture", "route", "revision", "retrieval")
    shown = []
    for one in listed():
        if "world" in one:
            own = {"hub": f"{one['where']}, world {one['world']}"}
        else:
            own = {name: one[name] for name in ("hub", "architecture", "route")}
            own |= {"parameters": size(one["parameters"]), "revision": (one["revision"] or "unpinned")[:12]}
            own["retrieval"] = f"{one['pooling']}, layer {one['layer']} of {one['layers']}"
        shown.append({**dict.fromkeys(names, "-"), "name": one["name"], **own})
    return shown


def described(name: str) -> dict[str, Any]:
    """One checkpoint, for a person, with sources, notes and the configuration of its architecture."""
    one = CHECKPOINTS.get(name)
    own = family(one)
    read = "mean with special tokens" if one.pooling == "mean" else f"{one.pooling} token"
    where = f"layer {layer(one)} of {depth(one)} unless `retrieval:` says otherwise"
    return {
        "name": one.name,
        "hub": one.hub,
        "revision": one.revision or "unpinned: the stage that loads it records the commit",
        "parameters": f"{one.parameters:,} ({size(one.parameters)}) without heads",
        "architecture": f"{own.kind} ({one.model_type})",
        "route": f"{own.route}: {own.why_padded}" if own.why_padded else own.route,
        "retrieval": f"{read}, cosine, {where}; source: {one.pooling_source}",
        "licence": one.licence,
        "citation": one.citation,
        "note": one.note or "-",
        "shape": [f"{key} {value}" for key, value in one.shape.items()],
    }
