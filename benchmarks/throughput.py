"""Training throughput and memory of xstilts against the Hugging Face Trainer.

    python -m benchmarks.throughput                               # a tiny model of random weights, made-up pairs
    python -m benchmarks.throughput --model models/me5-small --data DIR --lengths nli      # a real encoder, real texts
    python -m benchmarks.throughput --model models/me5-small --size base --data DIR --lengths squad
    python -m benchmarks.throughput --device cuda --size large
    python -m benchmarks.throughput --attention                   # one attention layer by back end

`--markdown docs/benchmarks.md` writes the section of that page, which says what is measured and what the figures mean.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measure import OFFLINE, answer, cores, environment, module, spend, told

if TYPE_CHECKING:
    from benchmarks.contenders import Contender
    from benchmarks.data import Bench
    from benchmarks.results import Timed
    from benchmarks.runs import Run

GROUP = 50  # as benchmarks.data.GROUP, which needs torch to be imported
MADE, REAL = ("mnli", "snli"), ("nli", "commonsense_qa", "squad", "udpos")  # as of benchmarks.lengths, likewise


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("benchmarks.throughput", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--model", type=Path, metavar="FOLDER", help="a pretrained model, or with --size its tokenizer")
    parser.add_argument(
        "--size", choices=("tiny", "base", "large", "xlm-v"), help="model shape with random weights [tiny]"
    )
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="folder of official files, for real lengths")
    parser.add_argument(
        "--lengths",
        choices=(*MADE, *REAL),
        help="length distribution: synthetic, or with --data that of a task [mnli, nli]",
    )
    parser.add_argument("--batch", type=int, default=32, help="examples per step")
    parser.add_argument("--steps", type=int, default=GROUP, help=f"timed steps a run: up to {GROUP}, or a multiple")
    parser.add_argument("--warmup", type=int, default=3, help="warm-up steps, not timed")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each contender")
    parser.add_argument(
        "--parts", action="store_true", help="also measure packing and the active vocabulary separately"
    )
    parser.add_argument(
        "--attention-dropout", type=float, default=0.1, help="attention dropout with random weights; varlen has none"
    )
    parser.add_argument("--threads", type=int, default=cores(), help="threads of both sides; default: all cores")
    parser.add_argument("--loaders", type=int, default=0, help="data loader processes of the Trainer")
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
    given.size = given.size or ("" if given.model else "tiny")
    given.lengths = given.lengths or ("nli" if given.data else "mnli")
    if given.lengths in REAL and not given.data:
        parser.error(f"--lengths {given.lengths} is read from official files: name their folder with --data")
    return given


def measure(
    chosen: Sequence[Contender],
    rounds: int,
    once: Callable[[Contender, int], Run],
    report: Callable[[Timed], None] = lambda timed: None,
) -> list[Timed]:
    """Run every contender once a round, every second round in reverse, so that drift favours nobody.

    Args:
        once: a run of a contender with a seed.
    """
    from benchmarks.results import Timed

    timed = []
    for number in range(rounds):
        for contender in chosen if number % 2 == 0 else reversed(chosen):
            timed.append(Timed(contender, number, once(contender, number)))
            report(timed[-1])
    return timed


def in_process(bench: Bench, threads: int) -> Callable[[Contender, int], Run]:
    """Runs in processes of their own, so that the peak of memory is that of one run."""
    from benchmarks.runs import of_row

    def once(contender: Contender, seed: int) -> Run:
        command = module("benchmarks.runs", bench.folder, json.dumps(asdict(contender)), seed)
        return of_row(answer(spend(command, threads)))

    return once


def about(given: argparse.Namespace, bench: Bench) -> str:
    """What was run, in a few sentences."""
    from benchmarks.data import pieces_used
    from xstilts.core.files import read_json

    where, lengths = environment(given.device, given.threads), bench.features.lengths
    config = read_json(bench.model / "config.json")
    model = f"random weights of the shape '{given.size}'" if given.size else f"'{bench.model.name}'"
    return (
        f"{told(where)}, accelerate {where['accelerate']}. {model.capitalize() if given.size else model}: "
        f"{config['num_hidden_layers']} layers of {config['hidden_size']}, {config['vocab_size']:,} rows, of which the "
        f"data use {pieces_used(bench.features):,}; dropout {config['hidden_dropout_prob']:g}, of attention "
        f"{config['attention_probs_dropout_prob']:g}. {given.batch} instances a step, {given.steps} timed steps after "
        f"{given.warmup} others, {given.rounds} rounds. '{given.lengths}': {lengths.min()} to {lengths.max()} tokens, "
        f"mean {lengths.mean():.1f}, standard deviation {lengths.std():.1f}."
    )


def compare(given: argparse.Namespace) -> None:
    """The comparison: progress on stderr, tables on stdout, files where asked for."""
    from benchmarks import results, tables
    from benchmarks.contenders import contenders
    from benchmarks.data import Asked, make_bench
    from xstilts.core.files import write_json

    asked = Asked(given.size, given.lengths, given.model, given.data, given.attention_dropout, given.loaders)

    def report(timed: Timed) -> None:
        speed, memory = timed.run.tokens_per_second, timed.run.peak_bytes / 2**30
        name = f"round {timed.round + 1}/{given.rounds}  {timed.contender.name}"
        print(f"{name}: {speed:,.0f}/s, peak {memory:.2f} GiB", file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory() as folder:
        bench = make_bench(Path(folder), asked, (given.batch, given.steps, given.warmup), given.device)
        said = about(given, bench)
        chosen = contenders(given.device, given.parts)
        timed = measure(chosen, given.rounds, in_process(bench, given.threads), report)
    found = results.speed_table(timed), results.ratio_table(timed), results.curve_table(timed)
    agreed = results.agreement(timed)
    print("\n\n".join([said, *map(tables.plain, found), agreed]))
    if given.markdown:
        body = "\n\n".join([said, *map(tables.markdown, found), agreed])
        name = given.size or given.model.name
        tables.write_section(given.markdown, f"throughput {given.device} {name} {given.lengths}", body)
    if given.json:
        settings = {name: value for name, value in vars(given).items() if name not in ("json", "markdown", "attention")}
        where = environment(given.device, given.threads)
        shown = {name: str(value) if isinstance(value, Path) else value for name, value in settings.items()}
        write_json(given.json, {"environment": where, "settings": shown, **results.as_json(timed)})


def attention(given: argparse.Namespace) -> None:
    """The attention layer alone."""
    from benchmarks import tables
    from benchmarks.attention import attention_table

    table = attention_table(given.size, given.device, given.batch, repeats=10 * given.rounds)
    where = environment(given.device, given.threads)["hardware"]
    said = f"{where}: one layer of '{given.size}', forward and backward, bf16."
    print(f"{said}\n\n{tables.plain(table)}")
    if given.markdown:
        body = f"{said}\n\n{tables.markdown(table)}"
        tables.write_section(given.markdown, f"attention {given.device} {given.size}", body)


def main(argv: Sequence[str] | None = None) -> None:
    given = arguments(argv)
    # Before torch is imported: one GPU, for the Trainer would split its batches over all; nothing from outside.
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "0")
    os.environ.update(OFFLINE)
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
