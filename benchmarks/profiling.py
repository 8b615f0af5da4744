"""Where a training step of ours spends its time: torch's profiler over some steps, by kind of operation.

    python -m benchmarks.profiling --model models/me5-small --data DIR --lengths nli
    python -m benchmarks.profiling --model models/me5-small --data DIR --markdown docs/benchmarks.md

Shares are of the time inside operations (`self_cpu_time_total`), forward and backward together. What the profiler adds
to each operation falls on small ones, so that their shares are upper bounds.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks.contenders import PACKED, in_fp32, set_up
from benchmarks.data import Asked, make_bench
from benchmarks.lengths import REAL
from benchmarks.measure import cores, environment, told
from benchmarks.tables import Table, markdown, plain, write_section
from xstilts.backbones.backbone import bf16_is_slow
from xstilts.core.machine import Machine
from xstilts.training.loop import make_optimizer, train

KINDS = {
    "linear layers (mm, addmm)": ("mm", "addmm", "linear", "matmul"),
    "attention: products (bmm)": ("bmm",),
    "attention: softmax": ("_softmax", "_softmax_backward_data"),
    "GELU": ("gelu", "gelu_backward"),
    "LayerNorm": ("native_layer_norm", "native_layer_norm_backward"),
    "copies and casts": ("copy_", "_to_copy", "clone", "contiguous"),
    "gather and scatter": (
        "index_select",
        "index",
        "index_put_",
        "_index_put_impl_",
        "gather",
        "scatter",
        "index_fill_",
    ),
    "dropout by hash": (
        "bitwise_and",
        "bitwise_xor",
        "bitwise_or_",
        "__rshift__",
        "__lshift__",
        "bitwise_right_shift_",
    ),
    "embedding": ("embedding", "embedding_dense_backward"),
    "AdamW": ("_fused_adamw_",),
    "gradient norm and clipping": ("linalg_vector_norm", "_foreach_norm", "_foreach_mul_"),
}
OTHERS = 6
"""Further operations that are named."""


def shares(events: Iterable[Any]) -> list[tuple[str, float]]:
    """Kind of operation -> share of the time, the largest first; the largest others by name."""
    kind_of = {f"aten::{name}": kind for kind, names in KINDS.items() for name in names}
    times: dict[str, float] = defaultdict(float)
    for event in events:
        times[kind_of.get(event.key, event.key)] += event.self_cpu_time_total
    total = sum(times.values())
    ordered = sorted(times.items(), key=lambda pair: -pair[1])
    known = [(name, time / total) for name, time in ordered if name in KINDS]
    others = [(name, time / total) for name, time in ordered if name not in KINDS]
    rest = sum(share for _, share in others[OTHERS:])
    return [*sorted([*known, *others[:OTHERS]], key=lambda pair: -pair[1]), (f"{len(others) - OTHERS} others", rest)]


def main() -> None:
    parser = argparse.ArgumentParser("benchmarks.profiling", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", type=Path, required=True, metavar="FOLDER", help="a pretrained encoder")
    parser.add_argument("--data", type=Path, required=True, metavar="FOLDER", help="official files")
    parser.add_argument("--lengths", choices=tuple(REAL), default="nli")
    parser.add_argument("--batch", type=int, default=32, help="examples per step")
    parser.add_argument("--steps", type=int, default=5, help="profiled steps, after 3 others")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table into its section of a page")
    given = parser.parse_args()
    torch.set_num_threads(cores())
    contender = in_fp32(PACKED) if bf16_is_slow("cpu") else PACKED
    with tempfile.TemporaryDirectory() as folder:
        asked = Asked("", given.lengths, given.model, given.data)
        bench = make_bench(Path(folder), asked, (given.batch, given.steps, 3), "cpu")
        model, phase = set_up(contender, bench, seed=0)
        steps = train(model, phase, make_optimizer(model, phase.config), Machine(device="cpu"))
        for _ in range(bench.warmup):
            next(steps)
        with profile(activities=[ProfilerActivity.CPU]) as found:
            for _ in steps:
                pass
    table: Table = (
        ["operation", "share of the time"],
        [[name.removeprefix("aten::"), f"{100 * share:.1f} %"] for name, share in shares(found.key_averages())],
    )
    said = (
        f"{told(environment('cpu', cores()))}. '{given.model.name}', {contender.name}, '{given.lengths}', "
        f"{given.batch} instances a step, {given.steps} steps."
    )
    print(f"{said}\n\n{plain(table)}")
    if given.markdown:
        write_section(given.markdown, "profile", f"{said}\n\n{markdown(table)}", "profiling")


if __name__ == "__main__":
    main()
