"""Write the table of what a forward pass keeps, in `docs/planning.md`, as the planner counts it."""

from __future__ import annotations

from collections.abc import Iterator

import marked

from xstilts.backbones.families import CHECKPOINTS
from xstilts.planning.formulas import Tuning
from xstilts.planning.survey import Conditions, Survey, survey

SHOWN = (
    "xlm-r-base",
    "xlm-r-large",
    "mmbert-base",
    "eurobert-210m",
    "qwen3-0.6b",
    "mt5-base",
    "mdeberta-v3-base",
    "rembert",
)
HOW = (
    (Tuning(), Conditions("fp32")),
    (Tuning(), Conditions("bf16")),
    (Tuning(rank=16), Conditions("bf16", held="bfloat16")),
)


def lines() -> Iterator[str]:
    yield "| checkpoint | parameters | N | fp32 | bf16 | bf16, LoRA 16 on all linear layers |"
    yield "|---|---|---|---|---|---|"
    for name in SHOWN:
        known = CHECKPOINTS.get(name)
        found = [survey({**known.shape, "model_type": known.model_type}, *how) for how in HOW]
        yield f"| {_called(name, found[0])} | {_cells(found)} |"


def _called(name: str, found: Survey) -> str:
    return f"{name} (padded, {Conditions().segment} tokens)" if found.route == "padded" else name


def _cells(found: list[Survey]) -> str:
    counts = found[0].counts
    kept = [f"{one.kept.per_layer / one.kept.hidden:.1f}" for one in found]
    return " | ".join([f"{counts.total / 1e6:.1f} M", f"{counts.linear / 1e6:.1f} M", *kept])


if __name__ == "__main__":
    marked.write("planning.md", "activations", "\n".join(lines()))
