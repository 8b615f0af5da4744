"""Memory and time of a search among many candidates: that of `xstilts.task_types.sentences`, on the CPU.

    python -m benchmarks.search                                    # Mewsli-X's size: a million candidates
    python -m benchmarks.search --similarity margin                # their neighbours among the queries too
    python -m benchmarks.search --markdown docs/benchmarks.md      # the first, and its section of that page

Vectors are random. Of `--queries` only `--measured` are searched and the time of all is worked out from them, since
each block of queries costs the same; memory does not depend on their number beyond their own vectors, which are there
in full. Peak memory is what the process held at most, Python, torch and the vectors before they get unit length
included, as it is when the vectors come from a model.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.measure import processor
from benchmarks.tables import Table, markdown, plain, write_section
from xstilts.metrics.retrieval import DEPTH
from xstilts.task_types.sentences import nearest, ratio_margins, unit


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("benchmarks.search", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--candidates", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=15_000)
    parser.add_argument("--measured", type=int, default=1024, help="queries that are really searched")
    parser.add_argument("--size", type=int, default=768, help="of a vector")
    parser.add_argument("--similarity", choices=("cosine", "margin"), default="cosine")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table into its section of a page")
    given = parser.parse_args(argv)
    given.measured = min(given.measured, given.queries)
    return given


def measure(given: argparse.Namespace) -> dict[str, Any]:
    """Peak bytes, and seconds: of the candidates' unit length, of the measured queries, of all."""
    dice = np.random.default_rng(0)
    queries = unit(dice.standard_normal((given.queries, given.size), dtype=np.float32))
    vectors = dice.standard_normal((given.candidates, given.size), dtype=np.float32)
    begin = time.perf_counter()
    candidates = unit(vectors)
    prepared = time.perf_counter() - begin
    del vectors
    begin = time.perf_counter()
    if given.similarity == "cosine":
        nearest(queries[: given.measured], candidates, min(DEPTH, given.candidates))
    else:
        ratio_margins(queries[: given.measured], candidates)
    searched = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    whole = prepared + searched * given.queries / given.measured
    return {"peak_bytes": peak, "seconds_measured": searched, "seconds_all": whole}


def table(given: argparse.Namespace, found: dict[str, Any]) -> Table:
    heading = [
        "similarity",
        "candidates",
        "size",
        "peak GiB",
        "queries measured",
        "seconds",
        "queries",
        "seconds, from it",
    ]
    row = [
        given.similarity,
        f"{given.candidates:,}",
        f"{given.size}",
        f"{found['peak_bytes'] / 2**30:.1f}",
        f"{given.measured:,}",
        f"{found['seconds_measured']:,.1f}",
        f"{given.queries:,}",
        f"{found['seconds_all']:,.0f}",
    ]
    return heading, [row]


def main(argv: Sequence[str] | None = None) -> None:
    given = arguments(argv)
    found = measure(given)
    told = table(given, found)
    threads = torch.get_num_threads()
    machine = f"{processor()}, {threads} thread{'' if threads == 1 else 's'}, torch {torch.__version__}."
    if given.markdown:
        write_section(given.markdown, f"search {given.similarity}", f"{machine}\n\n{markdown(told)}", "search")
    if given.json:
        kept = {name: value for name, value in vars(given).items() if name not in ("json", "markdown")}
        print(json.dumps({**kept, **found, "machine": machine}, indent=2))
    else:
        print(f"{machine}\n{plain(told)}")


if __name__ == "__main__":
    main()
