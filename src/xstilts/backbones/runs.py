"""Attention over blocks of equally long segments as one differentiable function, for training on a CPU.

Step by step, autograd makes a gradient as large as the whole pack for each block, and keeps what each step read. Here
one gather lays the pack out in blocks, another brings back what comes out, and one tensor of weights is kept: they are
not negative, so that their sign can tell what dropout took.
Shape suffixes: P places in all blocks, in the order [segment, head, token]; T tokens of the pack; D size of a head.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor


class Block(NamedTuple):
    """Segments padded to one length.

    Attributes:
        bias: added to scores [segments, heads, longest, longest], -inf where a token may not attend; None: nothing.
        dropped: makes 1 where dropout takes a weight, else 0, int32, of as many elements; None without dropout.
    """

    segments: int
    longest: int
    bias: Tensor | None
    dropped: Callable[[], Tensor] | None


class Places(NamedTuple):
    """Where the states of the pack, one row for each token and head, lie in the blocks.

    Attributes:
        into_P: the row of each place; any row for padding.
        back: the place of each row, [T heads].
        padding: places of no token.
    """

    into_P: Tensor
    back: Tensor
    padding: Tensor

    def gather(self, states_THD: Tensor) -> Tensor:
        return states_THD.reshape(-1, states_THD.shape[-1]).index_select(0, self.into_P)

    def scatter(self, states_PD: Tensor, heads: int) -> Tensor:
        return states_PD.index_select(0, self.back).view(-1, heads, states_PD.shape[-1])


class Attend(torch.autograd.Function):
    """States [T, heads, D] from query, key and value of that shape, softmax in fp32."""

    @staticmethod
    def forward(
        ctx: Any,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        places: Places,
        blocks: Sequence[Block],
        factors: tuple[float, float],
    ) -> Tensor:
        """`factors`: of scores, and of the weights that dropout keeps."""
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
        parts = torch.split(states_PD, sizes)
        yield [part.view(*shape, -1) for part, shape in zip(parts, shapes, strict=True)]
