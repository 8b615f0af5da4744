"""One attention layer by back end, forward and backward, on the same segments: where the packed engine's time goes.

`padded` is one call of torch's scaled dot product attention over [segments, heads, longest, head size] under a key
mask, as transformers makes it. What all layers of a batch share (layout, masks of `segments` and `padded`) is built
before the clock starts; `block_mask` builds its mask anew in every layer. Everything is bf16.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.data import SIZES, encode, make_tokenizer
from benchmarks.lengths import made
from xstilts.backbones.attention import packed_attention
from xstilts.backbones.layout import PackLayout

Pass = Callable[[], Tensor]


@dataclass(frozen=True)
class Case:
    """Segments that one call of attention gets; lengths longest first."""

    name: str
    lengths: tuple[int, ...]
    dropout: float


def cases(batch: int) -> list[Case]:
    """A batch of the benchmark as it comes, one of equal lengths, and one of a few long segments."""
    texts = made("mnli", batch)
    drawn = tuple(sorted(map(int, encode(texts, make_tokenizer(texts)).lengths), reverse=True))
    equal = (round(sum(drawn) / batch),) * batch
    long = tuple(range(512, 128, -64))
    kinds = {f"{batch} drawn": drawn, f"{batch} of {equal[0]}": equal, f"{len(long)} of 192-512": long}
    return [
        Case(f"{kind}, dropout {dropout:g}", lengths, dropout)
        for kind, lengths in kinds.items()
        for dropout in (0.0, 0.1)
    ]


def passes(case: Case, size: str, device: str) -> dict[str, Pass]:
    """For each back end a function that runs attention forward once."""
    heads = SIZES[size]["num_attention_heads"]
    width = SIZES[size]["hidden_size"] // heads
    q, k, v = _leaves((1, heads, sum(case.lengths), width), device)
    offsets = torch.tensor([0, *case.lengths], dtype=torch.int32).cumsum(0).to(device, torch.int32)
    backends = ["segments", "block_mask"]
    if device == "cuda" and case.dropout == 0:
        backends.append("varlen")

    module = nn.Identity()  # packed_attention asks it whether attention is causal; it is not

    def of(backend: Any) -> Pass:
        layout = PackLayout(case.lengths, torch.device(device), backend, offsets)
        return lambda: packed_attention(module, q, k, v, None, dropout=case.dropout, pack_layout=layout)[0]

    longest = case.lengths[0]
    rows_q, rows_k, rows_v = _leaves((len(case.lengths), heads, longest, width), device)
    lengths = torch.tensor(case.lengths, device=device)
    mask = (torch.arange(longest, device=device) < lengths[:, None])[:, None, None, :]
    return {
        **{backend: of(backend) for backend in backends},
        "padded": lambda: F.scaled_dot_product_attention(rows_q, rows_k, rows_v, mask, case.dropout),
    }


def _leaves(shape: tuple[int, ...], device: str) -> list[Tensor]:
    draw = torch.Generator().manual_seed(0)
    return [
        torch.randn(shape, generator=draw).to(device, torch.bfloat16).contiguous().requires_grad_() for _ in range(3)
    ]


def measure(case: Case, size: str, device: str, repeats: int) -> dict[str, float]:
    """Median milliseconds of forward and backward by back end, the back ends taking turns; two turns to warm up."""
    ready = passes(case, size, device)
    times: dict[str, list[float]] = {name: [] for name in ready}
    for _ in range(repeats + 2):
        for name, forward in ready.items():
            begin = time.perf_counter()
            torch.autograd.backward(forward().sum())
            if device == "cuda":
                torch.cuda.synchronize()
            times[name].append((time.perf_counter() - begin) * 1e3)
    return {name: median(values[2:]) for name, values in times.items()}


def attention_table(size: str, device: str, batch: int, repeats: int) -> tuple[list[str], list[list[str]]]:
    """Header and rows: milliseconds of one layer, forward and backward."""
    measured = {case: measure(case, size, device, repeats) for case in cases(batch)}
    names = list(dict.fromkeys(name for row in measured.values() for name in row))
    rows = [
        [case.name, *(f"{row[name]:.2f}" if name in row else "-" for name in names)] for case, row in measured.items()
    ]
    return ["segments of the batch", *(f"{name}, ms" for name in names)], rows
