"""One run of a contender: the Hugging Face Trainer, or xstilts' own loop, in a process of its own.

    python -m benchmarks.runs FOLDER CONTENDER SEED      # what `benchmarks.throughput` starts; prints one JSON object

A run trains `warmup + steps` optimizer steps; the clock runs from the end of the last warm-up step to the end of the
last step, so that batches are drawn, collated and moved inside the time on both sides. Both sides use the same weights,
token ids, batch size, AdamW (fused), decay, rate, schedule, clipping at 1.0 and dropout. Ours computes a step of
more than 8,192 tokens in several passes, as it does by default.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.contenders import Contender, set_up
from benchmarks.data import Bench
from benchmarks.measure import peak_bytes, resident_bytes


@dataclass(frozen=True)
class Run:
    """What one timed run did.

    Attributes:
        seconds: of the timed steps.
        tokens: real tokens trained on in them, padding not counted.
        positions: places of the batches, padding counted.
        losses: of every step, those before the timed ones too.
        peak_bytes: the most the process held; `start_bytes` of it before it loaded the model: Python, libraries, data.
            On a GPU what torch's allocator had in use at most, and 0.
    """

    seconds: float
    tokens: int
    positions: int
    examples: int
    steps: int
    losses: tuple[float, ...] = ()
    peak_bytes: int = 0
    start_bytes: int = 0

    @property
    def tokens_per_second(self) -> float:
        return self.tokens / self.seconds

    @property
    def examples_per_second(self) -> float:
        return self.examples / self.seconds

    @property
    def model_bytes(self) -> int:
        """What training took beyond what was there before."""
        return self.peak_bytes - self.start_bytes


@dataclass
class Watch:
    """Reads the clock at the end of steps number `warmup` and `warmup + steps`, when the device has finished."""

    bench: Bench
    times: list[float] = field(default_factory=list)

    def step_done(self, done: int) -> None:
        if done in (self.bench.warmup, self.bench.warmup + self.bench.steps):
            if self.bench.device == "cuda":
                import torch

                torch.cuda.synchronize()
            self.times.append(time.perf_counter())

    @property
    def seconds(self) -> float:
        begin, end = self.times
        return end - begin


def run(contender: Contender, bench: Bench, seed: int) -> Run:
    """Train once and time it; `seed` decides the order of the examples and dropout."""
    if contender.library == "Trainer":
        from benchmarks.trainer import run_trainer

        return run_trainer(contender, bench, seed)
    return _run_ours(contender, bench, seed)


def _run_ours(contender: Contender, bench: Bench, seed: int) -> Run:
    from xstilts.core.machine import Machine
    from xstilts.training.loop import make_optimizer, train

    before = resident_bytes()
    model, phase = set_up(contender, bench, seed)
    settings = Machine(device=bench.device)
    watch, tokens, losses = Watch(bench), [], []
    for record in train(model, phase, make_optimizer(model, phase.config), settings):
        watch.step_done(record.step + 1)
        tokens.append(record.tokens)
        losses.append(record.loss)
    real = sum(tokens[bench.warmup :])
    positions = real
    if contender.route == "padded":
        rows = [phase.plan[step].rows for step in range(bench.warmup, phase.plan.steps)]
        positions = sum(padded_places(bench, batch) for batch in rows)
    done = (watch.seconds, real, positions, bench.batch * bench.steps, bench.steps)
    return Run(*done, tuple(map(float, losses)), *memory(bench.device, before))


def padded_places(bench: Bench, rows: Any) -> int:
    """Places of a batch in which every segment is as long as the longest."""
    segments = [segment for row in rows for segment in bench.features.instance(int(row))]
    return len(segments) * max(map(len, segments))


def memory(device: str, before: int) -> tuple[int, int]:
    """Peak, and what of it was there before."""
    if device == "cuda":
        import torch

        return torch.cuda.max_memory_allocated(), 0
    return peak_bytes(), before


def main() -> None:
    folder, contender, seed = sys.argv[1:]
    bench, asked = Bench.load(Path(folder)), json.loads(contender)
    _quiet(int(os.environ["OMP_NUM_THREADS"]))
    found = run(Contender(**asked), bench, int(seed))
    print(json.dumps(found.__dict__))


def _quiet(threads: int) -> None:
    import torch
    from transformers.utils import logging

    logging.set_verbosity_error()
    torch.set_num_threads(threads)


def of_row(row: Mapping[str, Any]) -> Run:
    return Run(**{**row, "losses": tuple(row["losses"])})


if __name__ == "__main__":
    main()
