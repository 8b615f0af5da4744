"""One attention function for every architecture that lets one be registered.

transformers hands query, key and value of the whole pack, [1, heads, T, head size], to the function registered under
`NAME`, together with the keywords given to the base model: `pack_layout` says where segments begin. Three back ends
compute the same attention; they differ in speed and in attention dropout:

- `segments` (any device): runs of equally long segments are one call of torch's scaled dot product attention; runs of
  almost equal length are one call with a key mask. Attention dropout is by hash (`dropout.py`) on a CPU, where torch
  has no fused kernel for it. A GPU's fused kernel draws its own masks, which depend on the micro-batch.
- `block_mask` (any device): one call over the whole pack under a block-diagonal mask. Quadratic in T; the exact
  reference. Attention dropout is by hash.
- `varlen` (CUDA, bf16 or fp16): `torch.nn.attention.varlen`. No attention dropout.

A sliding window w lets a token see |i - j| < w (encoders) or 0 <= i - j < w (decoders), as transformers defines it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import AttentionInterface

from xstilts.backbones.dropout import Draws, columns_of, heads_of
from xstilts.backbones.names import Backend

Drop = Callable[[Tensor], Tensor]
NAME = "xstilts_packed"
# One attention call on a CPU costs about as much as this many masked query-key pairs (64 segments of 16 tokens);
# joining two runs pays while the padding it adds stays below.
CALL_COST = 16_384
SITE = "dropout_site"
"""Attribute of a module: its number among the places of the model where dropout happens."""
# On a CPU torch's fused attention is slow backward in bf16 (3 to 14 times, segments of 16 to 128 tokens, torch 2.13).
# Up to this length bf16 training takes the three steps one by one.
LONGEST_EXPLICIT = 512


@dataclass(frozen=True)
class Run:
    """Neighbouring segments served by one attention call; `lengths` are not increasing."""

    begin: int
    lengths: tuple[int, ...]

    @property
    def longest(self) -> int:
        return self.lengths[0]

    @property
    def even(self) -> bool:
        return self.lengths[0] == self.lengths[-1]

    @property
    def end(self) -> int:
        return self.begin + sum(self.lengths)

    @property
    def padded(self) -> int:
        """Query-key pairs of the padded call."""
        return len(self.lengths) * self.longest**2


@dataclass(frozen=True)
class Layout:
    """Where segments lie, and how attention is computed over them; built once per batch, shared by all layers.

    `causal` overrules what the layers say of themselves; None leaves it to them. `draws`: for dropout by hash.
    """

    lengths: tuple[int, ...]
    device: torch.device
    backend: Backend = "segments"
    cu_seqlens: Tensor | None = None
    causal: bool | None = None
    draws: Draws | None = None
    _masks: dict[tuple[int, bool, int | None], Tensor] = field(default_factory=dict)
    _queries: dict[tuple[int, int], Tensor] = field(default_factory=dict)

    @cached_property
    def runs(self) -> tuple[Run, ...]:
        """Segments joined greedily into runs while padding costs less than another call."""
        assert list(self.lengths) == sorted(self.lengths, reverse=True), "segments must lie longest first"
        runs: list[Run] = []
        begin = spent = 0
        current: list[int] = []
        for length in self.lengths:
            waste = (current[0] ** 2 - length**2) if current else 0
            if waste and spent + waste > CALL_COST:
                runs.append(Run(begin, tuple(current)))
                begin += sum(current)
                current, spent, waste = [], 0, 0
            current.append(length)
            spent += waste
        runs.append(Run(begin, tuple(current)))
        return tuple(runs)

    @cached_property
    def gathers(self) -> dict[int, tuple[Tensor, Tensor]]:
        """For each uneven run: rows that fill its padded block, and the rows of that block that are real tokens."""
        tables = {}
        for run in self.runs:
            if run.even:
                continue
            length = torch.tensor(run.lengths)
            offset = torch.cat([torch.zeros(1, dtype=torch.long), length.cumsum(0)[:-1]])
            column = torch.arange(run.longest)
            real = column[None, :] < length[:, None]
            rows = torch.where(real, offset[:, None] + column[None, :], offset[:, None])
            tables[run.begin] = (rows.flatten().to(self.device), real.flatten().nonzero().squeeze(1).to(self.device))
        return tables

    def mask(self, run: Run, causal: bool, window: int | None) -> Tensor | None:
        """Boolean mask, True = may attend: [n, 1, L, L], [1, 1, L, L], [n, 1, 1, L], or None where all may."""
        key = (run.begin, causal, window)
        banded = causal or (window is not None and window < run.longest)
        if run.even and not banded:
            return None
        if key not in self._masks:
            position = torch.arange(run.longest, device=self.device)
            allowed = torch.ones(1, 1, 1, run.longest, dtype=torch.bool, device=self.device)
            if banded:
                allowed = band(position, position, causal, window)[None, None]
            if not run.even:
                length = torch.tensor(run.lengths, device=self.device)
                allowed = allowed & (position[None, :] < length[:, None])[:, None, None, :]
                # A padded query of a window may have no key left; it sees itself, and its state is dropped.
                if banded:
                    allowed = allowed | torch.eye(run.longest, dtype=torch.bool, device=self.device)
            self._masks[key] = allowed
        return self._masks[key]

    def queries(self, run: Run, heads: int) -> Tensor:
        """Identities of a run's queries, [n, heads, L] (`Draws.drop`)."""
        assert self.draws is not None
        if (run.begin, heads) not in self._queries:
            identity = self.draws.identity_T[run.begin : run.end]
            if not run.even:
                identity = identity[self.gathers[run.begin][0]]
            self._queries[run.begin, heads] = heads_of(identity.view(len(run.lengths), run.longest), heads)
        return self._queries[run.begin, heads]


def band(query: Tensor, key: Tensor, causal: bool, window: int | None) -> Tensor:
    """Boolean [Q, K]: which keys a query may see by position alone."""
    distance = query[:, None] - key[None, :]
    allowed = distance >= 0 if causal else torch.ones_like(distance, dtype=torch.bool)
    if window is not None:
        allowed = allowed & (distance < window) & (distance > -window)
    return allowed


def packed_attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    **extra: Any,
) -> tuple[Tensor, None]:
    """Attention inside each segment of a pack; the signature is the one transformers calls.

    Returns:
        states [1, T, heads, head size], and None in place of attention weights.
    """
    layout: Layout | None = extra.get("pack_layout")
    assert layout is not None, "packed attention was called without a layout: the model dropped the keyword"
    dropout = float(extra.get("dropout") or 0.0)
    window = extra.get("sliding_window")
    causal = extra.get("is_causal") if layout.causal is None else layout.causal
    causal = bool(getattr(module, "is_causal", False)) if causal is None else bool(causal)
    bias = extra.get("position_bias")
    groups = query.shape[1] // key.shape[1]
    if groups > 1:
        key, value = key.repeat_interleave(groups, dim=1), value.repeat_interleave(groups, dim=1)
    if layout.backend == "varlen":
        assert bias is None, "varlen attention has no position bias"
        return _varlen(layout, query, key, value, scaling, causal, window), None
    site = None
    if dropout and layout.draws is not None:
        layout.draws.attention = True
        hashed = layout.draws.seed is not None and (query.device.type == "cpu" or layout.backend == "block_mask")
        site = getattr(module, SITE) if hashed else None
    call = _Call(scaling, dropout, causal, window, bias, site)
    compute = _block_mask if layout.backend == "block_mask" else _segments
    return compute(layout, query, key, value, call).transpose(1, 2).contiguous(), None


@dataclass(frozen=True)
class _Call:
    """One layer's attention; `site`: where dropout is by hash."""

    scaling: float | None
    dropout: float
    causal: bool
    window: int | None
    bias: Tensor | None
    site: int | None

    def attend(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor | None,
        longest: int,
        drop: Drop | None,
    ) -> Tensor:
        """`drop`: dropout on probabilities [n, heads, L, L], if it is by hash."""
        if self.bias is not None:
            bias = self.bias[:, :, :longest, :longest].to(query.dtype)
            mask = bias if mask is None else bias.masked_fill(~mask, torch.finfo(query.dtype).min)
        slow = query.device.type == "cpu" and query.dtype == torch.bfloat16 and query.requires_grad
        if drop is None and slow and self.bias is None and longest <= LONGEST_EXPLICIT:
            drop = partial(F.dropout, p=self.dropout, training=self.dropout > 0)
        if drop is not None:
            return explicit(query, key, value, mask, self.scaling, drop)
        return F.scaled_dot_product_attention(
            query, key, value, attn_mask=mask, dropout_p=self.dropout, scale=self.scaling
        )


def explicit(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scaling: float | None, drop: Drop
) -> Tensor:
    """Attention in its three steps, the softmax in fp32; a mask is boolean (True = may attend) or added to scores."""
    scaling = query.shape[-1] ** -0.5 if scaling is None else scaling
    scores = (query * scaling) @ key.transpose(-1, -2)
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else scores + mask
    weights = torch.softmax(scores, -1, dtype=torch.float32).to(value.dtype)
    return drop(weights) @ value


def _segments(layout: Layout, query: Tensor, key: Tensor, value: Tensor, call: _Call) -> Tensor:
    outputs = []
    heads, size = query.shape[1], query.shape[3]
    for run in layout.runs:
        n = len(run.lengths)
        mask = layout.mask(run, call.causal, call.window)
        blocks = [states[0, :, run.begin : run.end] for states in (query, key, value)]
        if not run.even:
            rows, real = layout.gathers[run.begin]
            blocks = [block.index_select(1, rows) for block in blocks]
        q, k, v = (block.reshape(heads, n, run.longest, size).transpose(0, 1) for block in blocks)
        drop = None
        if call.site is not None and layout.draws is not None:
            drop = partial(layout.draws.drop, p=call.dropout, site=call.site, rows=layout.queries(run, heads))
        states = call.attend(q, k, v, mask, run.longest, drop).transpose(0, 1).reshape(heads, n * run.longest, size)
        outputs.append(states if run.even else states.index_select(1, real))
    return (outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=1))[None]


def _block_mask(layout: Layout, query: Tensor, key: Tensor, value: Tensor, call: _Call) -> Tensor:
    lengths = torch.tensor(layout.lengths, device=layout.device)
    segment = torch.repeat_interleave(torch.arange(len(layout.lengths), device=layout.device), lengths)
    position = torch.arange(len(segment), device=layout.device)
    mask = (segment[:, None] == segment[None, :]) & band(position, position, call.causal, call.window)
    inside = position - torch.repeat_interleave(lengths.cumsum(0) - lengths, lengths)
    if call.bias is not None:
        call = replace(call, bias=call.bias[:, :, inside[:, None], inside[None, :]])
    drop, draws = None, layout.draws
    if call.site is not None and draws is not None:
        rows, columns = heads_of(draws.identity_T[None], query.shape[1]), columns_of(layout.lengths[0], layout.device)
        drop = partial(draws.drop, p=call.dropout, site=call.site, rows=rows, columns=columns[inside])
    return call.attend(query, key, value, mask[None, None], len(segment), drop)


def _varlen(
    layout: Layout, query: Tensor, key: Tensor, value: Tensor, scaling: float | None, causal: bool, window: int | None
) -> Tensor:
    from torch.nn.attention.varlen import varlen_attn

    assert layout.cu_seqlens is not None
    side = -1 if window is None else window - 1
    states: Any = varlen_attn(
        query[0].transpose(0, 1),
        key[0].transpose(0, 1),
        value[0].transpose(0, 1),
        layout.cu_seqlens,
        layout.cu_seqlens,
        layout.lengths[0],
        layout.lengths[0],
        scale=scaling,
        window_size=(side, 0 if causal else side),
    )
    attended: Tensor = states[None]
    return attended


AttentionInterface.register(NAME, packed_attention)
