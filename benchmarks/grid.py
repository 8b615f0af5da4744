"""What a grid costs besides its computing: its plan, each of its stages, and a run that has nothing left to do.

    python -m benchmarks.grid                                            # minutes; nothing else may run on the machine
    python -m benchmarks.grid --seeds 2 8 32 --markdown docs/benchmarks.md

The grid is the paper's (`table1`) without CCG, whose tags are only in its files, on empty data files. Its stages write
what real ones do for 100 examples a language, and compute nothing: their time is what locks, processes, checksums and
flushing to the disk take.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import Spent, answer, cores, module, peak_bytes, processor, spend
from benchmarks.tables import Table, goal, markdown, plain, write_section
from xstilts.core.files import write_json, write_jsonl
from xstilts.core.machine import Machine
from xstilts.core.scores import Score
from xstilts.evaluation.evaluate import Measurement, write_examples
from xstilts.graph.job import Job
from xstilts.graph.stage import Stage
from xstilts.graph.store import Store
from xstilts.metrics import Ratio
from xstilts.planning.amounts import lay_out
from xstilts.session.executors import carry_out
from xstilts.session.grid import Grid
from xstilts.session.loading import load

EXAMPLES = 100
"""A language."""
WITHOUT = "ccg"
GOALS = {"plan": 2.0, "again": 3.0, "stage": 20.0}
"""Seconds of wall time, and milliseconds a stage, for a grid of about 1,000 cells: the default."""
VERBS = {"plan": "plan, nothing finished", "run": "run, all finished, with report", "again": "the same again"}


def experiment(folder: Path, seeds: int) -> Path:
    """The file of the grid, and its empty data in `data` beside it."""
    fields = load("table1").model_dump(mode="json", exclude_defaults=True)
    fields |= {"name": "grid", "seeds": list(range(1, seeds + 1))}
    for recipe in fields["recipes"]:
        for phase in recipe.get("phases", ()):
            phase["tasks"] = [part for part in phase["tasks"] if part["task"] != WITHOUT]
    fields["recipes"] = [one for one in fields["recipes"] if all(phase["tasks"] for phase in one.get("phases", ()))]
    file = folder / "grid.yaml"
    file.write_text(json.dumps(fields), encoding="utf-8")  # JSON is YAML
    lay_out(load(file), folder / "data")
    return file


def write(job: Job) -> None:
    """A stage that computes nothing, and writes what is read again."""
    stage, directory = job.stage, job.directory
    job.report({"fraction": 0.5})
    if stage.kind == "leaks":
        sides = {side: stage.config[side]["task"] for side in ("train", "test")}
        write_json(directory / "leaks.json", {**sides, "compared": EXAMPLES, "leaked": 0})
    elif stage.kind == "evaluate":
        measured = [_measured(stage, code) for code in stage.inputs["data"].config["languages"]]
        write_jsonl(directory / "scores.jsonl", (one.score.row() for one in measured))
        write_examples(directory / "examples.parquet", measured)
    else:
        write_json(directory / "nothing.json", {})


def _measured(stage: Stage, language: str) -> Measurement:
    config = stage.config
    right = np.random.default_rng([int(stage.key, 16) % 2**32, len(language)]).random(EXAMPLES) < 0.6
    ratio = Ratio(right.astype(float), np.ones(EXAMPLES))
    about = (config["task"], language, config["split"], config["main"], 100 * float(right.mean()), EXAMPLES, 33.3)
    score = Score(*about, seed=0, recipe="", backbone="", role=config["role"])
    return Measurement(score, tuple(map(str, range(EXAMPLES))), ratio)


def main(argv: Sequence[str] | None = None) -> None:
    given = arguments(argv)
    if given.child:
        _child(given.child)
        return
    columns = [measure(seeds, given.workers) for seeds in given.seeds]
    heading = [
        "",
        *(f"{column['cells']:,} cells, {column['stages']:,} stages" for column in columns),
        "goal, 1,000 cells",
    ]
    judged = min(columns, key=lambda column: abs(column["cells"] - 1000))["goals"]
    rows = [[name, *(column["told"][name] for column in columns), judged.get(name, "")] for name in columns[0]["told"]]
    table: Table = (heading, rows)
    where = f"{processor()}, {cores()} cores, {given.workers} workers."
    print(plain(table), where, sep="\n")
    if given.markdown:
        write_section(given.markdown, "grid", f"{markdown(table)}\n\n{where}", "grid")


def measure(seeds: int, workers: int) -> dict[str, Any]:
    """One grid in a folder of its own, and what each step takes."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("XSTILTS_BENCH")) as place:
        folder = Path(place)
        file, store = experiment(folder, seeds), folder / "store"
        places = ["--data", str(folder / "data"), "--store", str(store)]
        start, _ = _typed("--version")
        planned, plan_peak = _typed("plan", str(file), *places)
        grid = Grid.of(load(file), folder / "data")
        began = time.perf_counter()
        for _ in carry_out(grid.targets, Store(store), Machine(workers=workers), "benchmarks.grid:write"):
            pass
        filling = 1000 * (time.perf_counter() - began) / len(grid.stages)
        reported, peak = _typed("run", str(file), *places, "--device", "cpu")
        again, again_peak = _typed("run", str(file), *places, "--device", "cpu")
    seconds = {"plan": planned, "run": reported, "again": again}
    told = {f"{VERBS[name]}, s": _seconds(spent, start) for name, spent in seconds.items()}
    peaks = {"plan": plan_peak, "run": peak, "again": again_peak}
    told |= {f"{VERBS[name]}, MB": f"{held / 1e6:.0f}" for name, held in peaks.items()}
    told["a stage that computes nothing, ms"] = f"{filling:.1f}"
    goals = {f"{VERBS[name]}, s": goal(seconds[name].wall, GOALS[name], most=True) for name in ("plan", "again")}
    goals["a stage that computes nothing, ms"] = goal(filling, GOALS["stage"], most=True)
    return {"cells": len(grid.cells), "stages": len(grid.stages), "told": told, "goals": goals}


def _seconds(spent: Spent, start: Spent) -> str:
    """Wall time, and processor time beyond what `xstilts --version` takes."""
    return f"{spent.wall:.1f} ({spent.cpu - start.cpu:.1f})"


def _typed(*words: str) -> tuple[Spent, int]:
    """A command in a process of its own, and the most memory that it held."""
    spent = spend(module("benchmarks.grid", "--child", *words))
    return spent, answer(spent)["peak"]


def _child(words: Sequence[str]) -> None:
    from xstilts.cli import main as command

    sys.argv = ["xstilts", *words]
    try:
        command()
    except SystemExit as end:
        if end.code:
            raise
    print(json.dumps({"peak": peak_bytes()}))


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("benchmarks.grid", description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--seeds", type=int, nargs="+", default=[9], help="numbers of seeds, one grid each; 9 seeds give 954 cells"
    )
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--markdown", type=Path, help="page whose section to write")
    parser.add_argument("--child", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
