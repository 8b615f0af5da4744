"""Writes the table of docs/backbones.md from the families in `xstilts.backbones.families`."""

from __future__ import annotations

from marked import write

from xstilts.backbones.families import FAMILIES, family_of
from xstilts.cli.known import by_family, depth, layer, size

HEADING = ("name", "hub", "revision", "parameters", "architecture", "route", "retrieval", "licence")


def table() -> str:
    """One line a checkpoint, then what one must know of some."""
    lines = [f"| {' | '.join(HEADING)} |", f"|{'---|' * len(HEADING)}"]
    for one in by_family():
        cells = (
            f"`{one.name}`",
            f"`{one.hub}`",
            f"`{one.revision[:12]}`" if one.revision else "unpinned",
            size(one.parameters),
            f"{family_of(one.model_type).kind} ({one.model_type})",
            family_of(one.model_type).route,
            f"{one.pooling}, layer {layer(one)} of {depth(one)}",
            one.licence,
        )
        lines.append(f"| {' | '.join(cells)} |")
    notes = [f"- `{one.name}`: {one.note}" for one in by_family() if one.note]
    sources: dict[str, list[str]] = {}
    for one in by_family():
        sources.setdefault(one.pooling_source, []).append(one.name)
    pooled = [f"- {', '.join(f'`{name}`' for name in names)}: {source}" for source, names in sources.items()]
    padded = [f"- {one.name}: {one.why_padded}" for one in FAMILIES if one.checkpoints and one.why_padded]
    parts = [lines, ["What to know:"], notes, ["Where pooling and layer come from:"], pooled, ["Why some are padded:"]]
    return "\n\n".join("\n".join(part) for part in (*parts, padded))


if __name__ == "__main__":
    write("backbones.md", "table", table())
