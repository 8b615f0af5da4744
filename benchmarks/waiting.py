"""What it costs that idle OpenMP threads spin: a training step, alone and beside busy processes, by waiting policy.

    python -m benchmarks.waiting                    # two minutes; nothing else may run on the machine
    python -m benchmarks.waiting --threads 8 --busy 8
    python -m benchmarks.waiting --markdown docs/benchmarks.md      # and its section of that page

Each figure is the median of a process of its own, since the policy is read when torch is loaded.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from xstilts.graph.pool import THREADS, WAITING, waiting

POLICIES: Mapping[str, Mapping[str, str]] = {
    "default": {},
    "OMP_WAIT_POLICY=PASSIVE": {"OMP_WAIT_POLICY": "PASSIVE"},
    "xstilts: " + ", ".join(f"{name}={value}" for name, value in WAITING.items()): waiting({}),
}


def step_seconds(policy: Mapping[str, str], threads: int, steps: int) -> float:
    """The median time of a step in a new process."""
    kept = {name: value for name, value in os.environ.items() if name not in ("OMP_WAIT_POLICY", *WAITING)}
    environment = kept | dict.fromkeys(THREADS, str(threads)) | dict(policy)
    command = [sys.executable, __file__, "--child", str(steps)]
    return float(subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout)


@contextmanager
def busy(count: int) -> Iterator[None]:
    """A block beside which so many processes compute."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def _child(steps: int) -> None:
    import torch

    torch.manual_seed(0)
    layer = torch.nn.TransformerEncoderLayer(384, 6, 1536, batch_first=True)
    model = torch.nn.TransformerEncoder(layer, 6, enable_nested_tensor=False)
    optimizer, batch = torch.optim.AdamW(model.parameters(), fused=True), torch.randn(20, 64, 384)
    times = []
    for _ in range(steps + 1):
        began = time.perf_counter()
        model(batch).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
        times.append(time.perf_counter() - began)
    print(median(times[1:]))


def main(argv: Sequence[str] | None = None) -> None:
    """Print a table: a row for each policy, seconds per step alone and beside busy processes."""
    parser = argparse.ArgumentParser("benchmarks.waiting", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--threads", type=int, default=2, help="threads of the training process")
    parser.add_argument("--busy", type=int, default=2, help="other busy processes")
    parser.add_argument(
        "--rounds", type=int, default=3, help="runs of each policy, alternately alone and with busy processes"
    )
    parser.add_argument("--steps", type=int, default=5, help="timed steps per run")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table into its section of a page")
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args(argv)
    if asked.child:
        _child(asked.child)
        return
    times: dict[tuple[str, int], list[float]] = {}
    for number in range(asked.rounds):
        for name in list(POLICIES) if number % 2 == 0 else list(reversed(POLICIES)):
            for count in (0, asked.busy):
                with busy(count):
                    seconds = step_seconds(POLICIES[name], asked.threads, asked.steps)
                times.setdefault((name, count), []).append(seconds)
    heading = [f"seconds per step, {asked.threads} threads", "alone", f"beside {asked.busy} busy processes"]
    table = heading, [[name, *(_words(times[name, count]) for count in (0, asked.busy))] for name in POLICIES]
    from benchmarks.tables import markdown, plain, write_section

    print(plain(table))
    if asked.markdown:
        write_section(asked.markdown, "waiting", markdown(table), "waiting")


def _words(seconds: Sequence[float]) -> str:
    return f"{median(seconds):.2f} ({min(seconds):.2f} to {max(seconds):.2f})"


if __name__ == "__main__":
    main()
