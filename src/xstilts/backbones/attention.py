"""One attention function for all architectures that allow a registered one.

transformers calls the function that is registered under `NAME` with query, key and value of the whole pack, [1, heads,
T, head size], and the keywords of the base model; `pack_layout` has the segments. Three back ends compute the same
attention, with different speed and attention dropout:

- `segments` (any device): one call of torch's scaled dot product attention per run of segments of similar length. On a
  CPU attention dropout is by hash (`dropout.py`, `BlockAttention`). On a GPU the fused kernel draws its own masks,
  which depend on the micro-batch.
- `block_mask` (any device): one call over the whole pack with a block-diagonal mask, quadratic in T; the exact
  reference. Attention dropout is by hash.
- `varlen` (CUDA, bf16 or fp16): `torch.nn.attention.varlen`, without attention dropout.

With a sliding window w a token sees |i - j| < w (encoders) or 0 <= i - j < w (decoders), as in transformers.
Shape suffixes as in `layout`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import AttentionInterface

from xstilts.backbones.dropout import columns_of, heads_of
from xstilts.backbones.layout import BlockPlaces, PackLayout, band

States = Sequence[Tensor]
"""Query, key and value, [1 or n, heads, T or L, head size] each."""
Drop = Callable[[Tensor], Tensor]
NAME = "xstilts_packed"
SITE = "dropout_site"
"""Attribute of a module: its dropout site."""
LONGEST_EXPLICIT = 512
"""Segments up to this length do not use torch's fused attention in bf16 training on a CPU: its backward pass is slow
(3 to 14 times, segments of 16 to 128 tokens, torch 2.13)."""


def packed_attention(
    module: torch.nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **extra: Any
) -> tuple[Tensor, None]:
    """Attention inside each segment of a pack, with the signature that transformers calls.

    Returns states [1, T, heads, head size], and None instead of attention weights.
    """
    layout: PackLayout | None = extra.get("pack_layout")
    assert layout is not None, "packed attention was called without a layout: the model dropped the keyword"
    dropout = float(extra.get("dropout") or 0.0)
    causal = extra.get("is_causal") if layout.causal is None else layout.causal
    causal = bool(getattr(module, "is_causal", False)) if causal is None else bool(causal)
    site = None
    if dropout and layout.hashed is not None:
        layout.hashed.attention = True
        by_hash = layout.hashed.seed is not None and (query.device.type == "cpu" or layout.backend == "block_mask")
        site = getattr(module, SITE) if by_hash else None
    states = (query, *(repeated(each, query.shape[1]) for each in (key, value)))
    window, bias = extra.get("sliding_window"), extra.get("position_bias")
    call = _Call(extra.get("scaling"), dropout, causal, window, bias, site)
    if layout.backend == "varlen":
        return _varlen(layout, states, call), None
    if layout.backend == "segments" and call.in_blocks(query, layout.lengths[0]):
        return _blocks(layout, states, call), None
    compute = _block_mask if layout.backend == "block_mask" else _segments
    return compute(layout, states, call).transpose(1, 2).contiguous(), None


def repeated(states: Tensor, heads: int) -> Tensor:
    """Keys or values of grouped-query attention, repeated for all heads."""
    groups = heads // states.shape[1]
    return states.repeat_interleave(groups, dim=1) if groups > 1 else states


@dataclass(frozen=True)
class _Call:
    """The options of one layer's attention; `site`: of dropout by hash."""

    scaling: float | None
    dropout: float
    causal: bool
    window: int | None
    bias: Tensor | None
    site: int | None

    def in_blocks(self, query: Tensor, longest: int) -> bool:
        """Whether `BlockAttention` is faster: in training on a CPU, with dropout by hash or in bf16 without dropout."""
        if query.device.type != "cpu" or not query.requires_grad or self.bias is not None or self.dropout >= 1:
            return False
        slow = query.dtype == torch.bfloat16 and longest <= LONGEST_EXPLICIT
        return self.site is not None or (slow and not self.dropout)

    def attend(self, states: States, mask: Tensor | None, longest: int, drop: Drop | None) -> Tensor:
        """`drop`: dropout by hash on probabilities [n, heads, L, L]."""
        if self.bias is not None:
            bias = self.bias[:, :, :longest, :longest].to(states[0].dtype)
            mask = bias if mask is None else bias.masked_fill(~mask, torch.finfo(bias.dtype).min)
        if drop is not None:
            return explicit(states, mask, self.scaling, drop)
        named: dict[str, Any] = {"attn_mask": mask, "dropout_p": self.dropout, "scale": self.scaling}
        query, key, value = states
        return F.scaled_dot_product_attention(query, key, value, **named)  # `controlled` reads `dropout_p` by name


def explicit(states: States, mask: Tensor | None, scaling: float | None, drop: Drop) -> Tensor:
    """Attention step by step, the softmax in fp32; a mask is boolean (True = may attend) or added to scores."""
    query, key, value = states
    scaling = query.shape[-1] ** -0.5 if scaling is None else scaling
    scores = (query * scaling) @ key.transpose(-1, -2)
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else scores + mask
    return drop(torch.softmax(scores, -1, dtype=torch.float32).to(value.dtype)) @ value


def _blocks(layout: PackLayout, states: States, call: _Call) -> Tensor:
    """States as transformers takes them, [1, T, heads, head size]."""
    query, value = states[0], states[2]
    heads, blocks = query.shape[1], []
    for run in layout.runs:
        dropped = None
        if call.site is not None and layout.hashed is not None:
            columns = columns_of(run.longest, query.device)
            dropped = partial(layout.hashed.dropped, layout.queries(run, heads), columns, call.site, call.dropout)
        mask = layout.mask(run, call.causal, call.window)
        bias = None if mask is None else torch.zeros_like(mask, dtype=value.dtype).masked_fill_(~mask, -torch.inf)
        blocks.append(PaddedBlock(len(run.lengths), run.longest, bias, dropped))
    factors = query.shape[3] ** -0.5 if call.scaling is None else call.scaling, 1 / (1 - call.dropout)
    rows = (each[0].transpose(0, 1).to(value.dtype) for each in states)
    attended: Tensor = BlockAttention.apply(*rows, layout.places(heads), blocks, factors)  # type: ignore[no-untyped-call]
    return attended[None]


class PaddedBlock(NamedTuple):
    """Segments padded to one length.

    `bias` is added to scores [segments, heads, longest, longest], 0 or -inf. `dropped` gives 1 for each weight that
    dropout sets to 0, else 0, int32, flat; None without dropout.
    """

    segments: int
    longest: int
    bias: Tensor | None
    dropped: Callable[[], Tensor] | None


class BlockAttention(torch.autograd.Function):
    """Attention over padded blocks of segments: states [T, heads, D] from query, key and value of that shape.

    Autograd would make a gradient as large as the whole pack for each block, and keep the input of each step. Here one
    gather lays the pack out in blocks, another reverses it, and only the fp32 weights of each block are kept. A
    negative sign marks the weights that dropout sets to 0.
    """

    @staticmethod
    def forward(
        ctx: Any,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        places: BlockPlaces,
        blocks: Sequence[PaddedBlock],
        factors: tuple[float, float],
    ) -> Tensor:
        """`factors`: of scores and of weights."""
        ctx.places, ctx.factors, ctx.heads = places, factors, query.shape[1]
        ctx.shapes = [(block.segments * ctx.heads, block.longest) for block in blocks]
        query, key, value = (places.gather(states) for states in (query, key, value))
        query.mul_(factors[0])
        value.mul_(factors[1])
        output, kept = torch.empty_like(value), []
        for block, q, k, v, out in zip(blocks, *_cut(ctx.shapes, query, key, value, output), strict=True):
            scores = torch.bmm(q, k.transpose(1, 2))
            if block.bias is not None:
                scores.view(block.segments, ctx.heads, block.longest, block.longest).add_(block.bias)
            weights = torch.softmax(scores, -1, dtype=torch.float32)
            if block.dropped is not None:
                signs = block.dropped().mul_(-(2**31)).view_as(weights)
                weights.view(torch.int32).bitwise_or_(signs)
            torch.bmm(weights.clamp_min(0).to(v.dtype), v, out=out)
            kept.append(weights)
        ctx.save_for_backward(query, key, value, *kept)
        return places.scatter(output, ctx.heads)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, *kept = ctx.saved_tensors
        gradient = ctx.places.gather(gradients[0]).index_fill_(0, ctx.places.padding, 0)
        ours = [torch.empty_like(states) for states in (query, key, value)]
        parts = _cut(ctx.shapes, query, key, value, gradient, *ours)
        for weights, q, k, v, grad, of_query, of_key, of_value in zip(kept, *parts, strict=True):
            left = weights.clamp_min(0)
            torch.bmm(left.to(v.dtype).transpose(1, 2), grad, out=of_value)
            flow = left.mul_(torch.bmm(grad, v.transpose(1, 2)).float())
            flow.addcmul_(weights.abs(), flow.sum(-1, keepdim=True), value=-1)
            of_scores = flow.to(v.dtype)
            torch.bmm(of_scores, k, out=of_query)
            torch.bmm(of_scores.transpose(1, 2), q, out=of_key)
        ours[0].mul_(ctx.factors[0])
        ours[2].mul_(ctx.factors[1])
        return *(ctx.places.scatter(states, ctx.heads) for states in ours), None, None, None


def _cut(shapes: Sequence[tuple[int, int]], *all_PD: Tensor) -> Iterator[list[Tensor]]:
    """Each tensor in its blocks, [segments x heads, longest, D]."""
    sizes = [count * longest for count, longest in shapes]
    for states_PD in all_PD:
        yield [part.view(*shape, -1) for part, shape in zip(torch.split(states_PD, sizes), shapes, strict=True)]


def _segments(layout: PackLayout, states: States, call: _Call) -> Tensor:
    outputs = []
    _, heads, _, size = states[0].shape
    tokens = [run.end - run.begin for run in layout.runs]
    # The gradient of a split is one concatenation; each slice would have a gradient as large as the pack.
    parts = zip(*(torch.split(each[0], tokens, dim=1) for each in states), strict=True)
    for run, part in zip(layout.runs, parts, strict=True):
        n, blocks = len(run.lengths), list(part)
        mask = layout.mask(run, call.causal, call.window)
        if not run.even:
            rows, real = layout.gathers[run.begin]
            blocks = [block.index_select(1, rows) for block in blocks]
        qkv = [block.reshape(heads, n, run.longest, size).transpose(0, 1) for block in blocks]
        drop = None
        if call.site is not None and layout.hashed is not None:
            drop = partial(layout.hashed.drop, p=call.dropout, site=call.site, rows=layout.queries(run, heads))
        attended = call.attend(qkv, mask, run.longest, drop).transpose(0, 1).reshape(heads, n * run.longest, size)
        outputs.append(attended if run.even else attended.index_select(1, real))
    return (outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=1))[None]


def _block_mask(layout: PackLayout, states: States, call: _Call) -> Tensor:
    lengths = torch.tensor(layout.lengths, device=layout.device)
    segment = torch.repeat_interleave(torch.arange(len(layout.lengths), device=layout.device), lengths)
    position = torch.arange(len(segment), device=layout.device)
    mask = (segment[:, None] == segment[None, :]) & band(position, position, call.causal, call.window)
    inside = position - torch.repeat_interleave(lengths.cumsum(0) - lengths, lengths)
    if call.bias is not None:
        call = replace(call, bias=call.bias[:, :, inside[:, None], inside[None, :]])
    drop, hashed = None, layout.hashed
    if call.site is not None and hashed is not None:
        rows = heads_of(hashed.identity_T[None], states[0].shape[1])
        columns = columns_of(layout.lengths[0], layout.device)[inside]
        drop = partial(hashed.drop, p=call.dropout, site=call.site, rows=rows, columns=columns)
    return call.attend(states, mask[None, None], len(segment), drop)


def _varlen(layout: PackLayout, states: States, call: _Call) -> Tensor:
    from torch.nn.attention.varlen import varlen_attn

    assert call.bias is None, "varlen attention has no position bias"
    assert layout.cu_seqlens is not None
    side, longest = -1 if call.window is None else call.window - 1, layout.lengths[0]
    given: Any = [*(each[0].transpose(0, 1) for each in states), *[layout.cu_seqlens] * 2, longest, longest]
    attended: Any = varlen_attn(*given, scale=call.scaling, window_size=(side, 0 if call.causal else side))
    return attended[None]  # type: ignore[no-any-return]


AttentionInterface.register(NAME, packed_attention)
