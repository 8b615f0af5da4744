"""Nearest neighbours among any number of vectors, by cosine or by margin, in blocks.

Shape suffixes: Q queries, C candidates, H hidden, K neighbours.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from xstilts.backbones.names import Similarity
from xstilts.task_types.features import Array

NEIGHBOURS = 4
"""k of the ratio margin in Artetxe and Schwenk 2019 (arXiv 1811.01136) and in XTREME's BUCC."""
CELLS, ROWS = 1 << 28, 1024
"""The largest number of similarities (1 GiB) and of queries in a block."""


def unit(vectors: Array, centred: bool = False) -> Tensor:
    """Vectors of length 1, float32 on the CPU, [Q, H]; `centred` subtracts their mean first."""
    made = torch.from_numpy(np.ascontiguousarray(vectors, dtype=np.float32))
    return F.normalize(made - made.mean(0) if centred else made, dim=-1)


def nearest(queries_QH: Tensor, candidates_CH: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Similarities and indices, [Q, K] each, of the k candidates with the largest dot products, largest first."""
    parts = [(part @ candidates_CH.T).topk(k, dim=-1) for part in _blocks(queries_QH, candidates_CH)]
    return torch.cat([part.values for part in parts]), torch.cat([part.indices for part in parts])


def ratio_margins(x_QH: Tensor, y_CH: Tensor) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """(ratio margins, indices), [Q, K] each, of the nearest candidates of queries; then [C, K] of candidates' queries.

    The margin of a pair is its cosine, divided by the mean of both sentences' mean cosines with their nearest
    neighbours on the other side (Artetxe and Schwenk 2019, arXiv 1811.01136). Vectors have length 1.
    """
    there, which = nearest(x_QH, y_CH, min(NEIGHBOURS, len(y_CH)))
    back, whose = nearest(y_CH, x_QH, min(NEIGHBOURS, len(x_QH)))
    mean_Q, mean_C = there.mean(-1), back.mean(-1)
    forward = there / ((mean_Q[:, None] + mean_C[which]) / 2)
    backward = back / ((mean_C[:, None] + mean_Q[whose]) / 2)
    return (forward, which), (backward, whose)


def nearest_neighbours(
    queries: Array, candidates: Array, centred: bool = False, similarity: Similarity = "cosine"
) -> Array:
    """Index of the most similar candidate for each query, [Q]; ties go to the first.

    Args:
        queries: [Q, H]; candidates: [C, H].
        centred: subtract the mean of each side first.
        similarity: `margin` takes the highest of `ratio_margins`.
    """
    x_QH, y_CH = unit(queries, centred), unit(candidates, centred)
    if similarity == "cosine":
        best = torch.cat([(part @ y_CH.T).argmax(-1) for part in _blocks(x_QH, y_CH)])
    else:
        (margins, which), _ = ratio_margins(x_QH, y_CH)
        highest = margins == margins.max(-1, keepdim=True).values
        best = which.where(highest, len(y_CH)).min(-1).values
    return best.numpy()


def _blocks(queries_QH: Tensor, candidates_CH: Tensor) -> tuple[Tensor, ...]:
    """The queries in blocks."""
    return torch.split(queries_QH, max(1, min(ROWS, CELLS // len(candidates_CH))))
