"""Training throughput of xstilts against the Hugging Face Trainer, and of our packed route against our padded one.

    python -m benchmarks.throughput                               # about five minutes on two CPU cores
    python -m benchmarks.throughput --device cuda --size large
    python -m benchmarks.throughput --markdown docs/benchmarks.md --json bench.json
    python -m benchmarks.throughput --attention                   # one attention layer by back end

`docs/benchmarks.md` says what is measured and what the figures mean.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.contenders import Contender
    from benchmarks.data import Bench
    from benchmarks.results import Timed

GROUP = 50  # as benchmarks.data.GROUP, which needs torch to be imported


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("benchmarks.throughput", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--size", choices=("tiny", "base", "large"), default="tiny", help="XLM-R-shaped; tiny is 4x192")
    parser.add_argument("--lengths", choices=("mnli", "snli"), default="mnli", help="spread of lengths: wide or narrow")
    parser.add_argument("--batch", type=int, default=32, help="examples per step")
    parser.add_argument("--steps", type=int, default=GROUP, help=f"timed steps a run: up to {GROUP}, or a multiple")
    parser.add_argument("--warmup", type=int, default=3, help="untimed steps before")
    parser.add_argument("--rounds", type=int, default=4, help="runs of each contender")
    parser.add_argument("--attention-dropout", type=float, default=0.1, help="of the model; varlen never applies it")
    parser.add_argument("--threads", type=int, default=_cores(), help="of both sides; default: all cores")
    parser.add_argument("--attention", action="store_true", help="time one attention layer by back end instead")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every run and ratio")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables into their section of a page")
    given = parser.parse_args(argv)
    for name in ("batch", "steps", "warmup", "rounds", "threads"):
        if getattr(given, name) < 1:
            parser.error(f"--{name} must be at least 1")
    if given.steps > GROUP and given.steps % GROUP:
        parser.error(
            f"--steps {given.steps}: above {GROUP} it must be a multiple of {GROUP}, because group_by_length sorts "
            f"blocks of {GROUP} batches and part of a block is no fair sample"
        )
    return given


def measure(
    bench: Bench, chosen: Sequence[Contender], rounds: int, report: Callable[[Timed], None] = lambda timed: None
) -> list[Timed]:
    """Run every contender once a round, every second round in reverse, so that drift favours nobody."""
    from benchmarks.results import Timed
    from benchmarks.runs import run

    timed = []
    for number in range(rounds):
        for contender in chosen if number % 2 == 0 else reversed(chosen):
            timed.append(Timed(contender, number, run(contender, bench, seed=number)))
            report(timed[-1])
    return timed


def environment(device: str) -> dict[str, Any]:
    """Hardware and versions, without which a speed means nothing."""
    import torch

    if device == "cuda":
        hardware = torch.cuda.get_device_name()
    else:
        hardware = f"{processor()}, {torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}"
    names = ("torch", "transformers", "accelerate", "xstilts")
    return {"hardware": hardware, **{name: version(name) for name in names}}


def processor() -> str:
    listed = Path("/proc/cpuinfo")
    if listed.exists():
        for line in listed.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def about(given: argparse.Namespace, bench: Bench) -> str:
    """What was run, in two sentences."""
    lengths = bench.features.lengths
    where = environment(given.device)
    return (
        f"{where['hardware']}; torch {where['torch']}, transformers {where['transformers']}, accelerate "
        f"{where['accelerate']}. XLM-R-shaped model '{given.size}' of random weights, {given.batch} pairs a step, "
        f"{given.steps} timed steps after {given.warmup} others, {given.rounds} rounds, attention dropout "
        f"{given.attention_dropout:g}; pairs of {lengths.min()} to {lengths.max()} tokens, mean {lengths.mean():.1f}, "
        f"standard deviation {lengths.std():.1f} ('{given.lengths}')."
    )


def compare(given: argparse.Namespace) -> None:
    """The comparison: progress on stderr, tables on stdout, files where asked for."""
    from benchmarks import results
    from benchmarks.contenders import contenders
    from benchmarks.data import make_bench
    from xstilts.core.files import write_json

    shape = (given.batch, given.steps, given.warmup)
    bench = make_bench(given.size, given.lengths, given.attention_dropout, shape, given.device)
    chosen = contenders(given.device)

    def report(timed: Timed) -> None:
        speed = timed.run.tokens_per_second
        print(f"round {timed.round + 1}/{given.rounds}  {timed.contender.name}: {speed:,.0f}/s", file=sys.stderr)

    timed = measure(bench, chosen, given.rounds, report)
    tables = results.speed_table(timed), results.ratio_table(timed)
    told = about(given, bench), results.verdict(timed, given.attention_dropout)
    print("\n\n".join([told[0], *map(results.plain, tables), told[1]]))
    if given.markdown:
        body = "\n\n".join([told[0], *map(results.markdown, tables), told[1]])
        results.write_section(given.markdown, f"throughput {given.device} {given.size} {given.lengths}", body)
    if given.json:
        settings = {name: value for name, value in vars(given).items() if name not in ("json", "markdown", "attention")}
        found = {"environment": environment(given.device), "settings": settings, **results.as_json(timed)}
        write_json(given.json, found)


def attention(given: argparse.Namespace) -> None:
    """The attention layer alone."""
    from benchmarks import results
    from benchmarks.attention import attention_table

    table = attention_table(given.size, given.device, given.batch, repeats=10 * given.rounds)
    told = f"{environment(given.device)['hardware']}: one layer of '{given.size}', forward and backward, bf16."
    print(f"{told}\n\n{results.plain(table)}")
    if given.markdown:
        body = f"{told}\n\n{results.markdown(table)}"
        results.write_section(given.markdown, f"attention {given.device} {given.size}", body)


def main(argv: Sequence[str] | None = None) -> None:
    given = arguments(argv)
    # Before torch is imported: one GPU, for the Trainer would split its batches over all; nothing from outside.
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "0")
    os.environ.update(HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false")
    os.environ.pop("ACCELERATE_MIXED_PRECISION", None)
    import torch
    from transformers.utils import logging

    logging.set_verbosity_error()
    torch.set_num_threads(given.threads)
    if given.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("--device cuda: torch finds no GPU here; leave the option out to measure the CPU")
    (attention if given.attention else compare)(given)


if __name__ == "__main__":
    main()
