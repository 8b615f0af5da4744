"""One training step with dropout by hash against torch's, on a random XLM-R of 12 x 384, 32 segments of 35 tokens.

    python -m benchmarks.dropout [--rounds 15] [--threads 2]

Steps of both kinds alternate, and the ratio of the medians is printed: on a machine that others use, times alone say
little. `layer` is one dropout of hidden states, [1120, 384].
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from statistics import median

import numpy as np
import torch
import torch.nn.functional as F
from transformers import AutoConfig, AutoModel

from xstilts.backbones.backbone import Backbone, autocast
from xstilts.backbones.controlled import control_dropout
from xstilts.backbones.dropout import HashDropout
from xstilts.backbones.packing import Packed, pack

SEGMENTS, TOKENS, HIDDEN = 32, 35, 384
SIZES = {"num_hidden_layers": 12, "hidden_size": HIDDEN, "num_attention_heads": 6, "intermediate_size": 1536}
KINDS = ("torch", "hash")


def batches() -> dict[str, Packed]:
    """The same tokens as part of no plan, where dropout is torch's, and as part of one."""
    rng = np.random.default_rng(0)
    plain = pack([rng.integers(5, 1000, size=TOKENS) for _ in range(SEGMENTS)])
    return {"torch": plain, "hash": plain.planned(1, np.arange(SEGMENTS), np.zeros(SEGMENTS, dtype=int))}


def steps(precision: str) -> dict[str, Callable[[], None]]:
    """For each kind a function that computes the gradients of one step."""
    config = AutoConfig.for_model("xlm-roberta", **SIZES, vocab_size=1000, max_position_embeddings=64)
    backbone = Backbone(AutoModel.from_config(config), None)
    control_dropout(backbone, {})
    backbone.train()

    def step(batch: Packed) -> None:
        with autocast(precision, "cpu"):
            loss = backbone(batch).float().square().mean()
        loss.backward()

    return {kind: lambda batch=batch: step(batch) for kind, batch in batches().items()}


def layers() -> dict[str, Callable[[], None]]:
    """The same for one dropout alone."""
    hashed, x = HashDropout(), torch.randn(1, SEGMENTS * TOKENS, HIDDEN, requires_grad=True)
    hashed.begin(1, batches()["hash"].identity_T[None])
    gradient = torch.ones_like(x)
    return {
        "torch": lambda: F.dropout(x, 0.1).backward(gradient),
        "hash": lambda: hashed.drop(x, 0.1, 7).backward(gradient),
    }


def compare(passes: dict[str, Callable[[], None]], rounds: int) -> tuple[float, float]:
    """Median milliseconds of each kind."""
    times: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for _ in range(rounds + 2):
        for kind in KINDS:
            begin = time.perf_counter()
            passes[kind]()
            times[kind].append(1000 * (time.perf_counter() - begin))
    return median(times["torch"][2:]), median(times["hash"][2:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    for name, passes, rounds in (
        ("layer", layers(), 20 * given.rounds),
        ("step, fp32", steps("fp32"), given.rounds),
        ("step, bf16", steps("bf16"), given.rounds),
    ):
        theirs, ours = compare(passes, rounds)
        print(f"{name:12} torch {theirs:8.2f} ms   hash {ours:8.2f} ms   ratio {ours / theirs:.2f}")


if __name__ == "__main__":
    main()
