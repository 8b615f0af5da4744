"""A whole study: `xstilts run` against a shell loop of transformers scripts (`benchmarks.hf`), on a real encoder.

    python -m benchmarks.study --model models/me5-small --data DIR                    # a small share of it, minutes
    python -m benchmarks.study --model models/me5-small --data DIR --scale 0.1 --project 1
    python -m benchmarks.study --model models/me5-small --data DIR --markdown docs/benchmarks.md

Four recipes x five targets x all their languages x two seeds. Ours is run whole. Of the loop, each different call is
made once, for `--languages` of each target's; its other calls, which repeat these with other weights, languages and
seeds, are counted: figures with counted calls are marked as estimated. `--scale` is the share of the steps and of the
test examples; `--project` runs half of it too, and draws the line through both.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from benchmarks.loop import Loop, measure_loop
from benchmarks.measure import Spent, cores, environment, folder_bytes, spend, told, xstilts
from benchmarks.tables import Table, goal, markdown, plain, write_section
from xstilts.backbones.backbone import bf16_is_slow
from xstilts.core.files import write_json
from xstilts.experiment import Experiment
from xstilts.graph.record import Record
from xstilts.session.loading import load

STEPS = {"nli": 600, "squad": 400, "udpos": 300, "panx": 300, "sib200": 150}
BATCH = {"squad": 16}
LIMIT, HOLDOUT, RATE = 1000, 500, 1e-4
"""Test examples of each language, held-out training examples of an intermediate task, learning rate: at full scale."""
TARGETS = {"xnli": "nli", "xquad": "squad", "udpos": "udpos", "panx": "panx", "sib200": "sib200"}
"""Target -> the task whose English training data it is trained on."""
WITHOUT_TEST = ("panx", "bucc2018")
"""Measured on their validation data: their test data have no labels, or are not to be had."""
RECIPES: tuple[tuple[str, ...], ...] = ((), ("nli",), ("squad",), ("squad", "nli"))
SEEDS = (1, 2)
GOAL = 3.0


def write_experiment(
    path: Path,
    model: Path,
    scale: float,
    recipes: Sequence[Sequence[str]] = RECIPES,
    targets: Mapping[str, str | None] = TARGETS,
    limit: int | None = None,
    languages: Sequence[str] = (),
) -> Experiment:
    """The study at a scale, or a part of it, as an experiment file (JSON is YAML).

    Args:
        targets: target -> the task it is trained on; None where it is not trained.
        limit: test examples of each language, whatever the scale; 0: all.
        languages: that are predicted; else all.
    """
    first = max(8, round(LIMIT * scale)) if limit is None else limit
    own = {
        "squad": {"like": "squad_v1", "files": {"train": ["squad_v1.1/*.json + squadshifts/*.json"]}},
        "nli": {"like": "snli", "files": {"train": ["snli/*.jsonl + mnli/*.jsonl"]}},
    }
    content = {
        "name": "bench-study",
        "seeds": list(SEEDS) if recipes else list(SEEDS[:1]),
        "tasks": {name: {**task, "holdout": HOLDOUT} for name, task in own.items()},
        "backbones": [{"name": "encoder", "source": str(model.absolute())}],
        "recipes": [list(recipe) for recipe in recipes or [()]],
        "targets": [
            {"task": name, "limit": first}
            | ({"split": "validation"} if name in WITHOUT_TEST else {})
            | ({"train_on": on} if on and on != name else {})
            for name, on in targets.items()
        ],
        **({"languages": list(languages)} if languages else {}),
        "train": {
            "precision": "fp32" if bf16_is_slow("cpu") else "bf16",
            "learning_rate": RATE,
            "warmup": 0.0,
            "select": "last",
            "bucket": 50,
        },
        "tuning": {
            name: {"steps": max(4, round(steps * scale)), "batch_size": BATCH.get(name, 32)}
            for name, steps in STEPS.items()
        },
    }
    write_json(path, content)
    return load(path)


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("benchmarks.study", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", type=Path, required=True, metavar="FOLDER", help="a pretrained encoder")
    parser.add_argument("--data", type=Path, required=True, metavar="FOLDER", help="official files")
    parser.add_argument("--scale", type=float, default=0.02, help="share of the steps and of the test examples")
    parser.add_argument(
        "--project", type=float, metavar="SCALE", help="also run half of --scale, and extrapolate to this scale"
    )
    parser.add_argument("--languages", type=int, default=2, help="languages per target that the loop predicts; 0: all")
    parser.add_argument("--workers", type=int, default=None, help="workers of `xstilts run`; default: one per core")
    parser.add_argument("--work", type=Path, metavar="FOLDER", help="working folder to keep; default: a temporary one")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables into their section of a page")
    return parser.parse_args(argv)


class Whole:
    """The study once on either side, at one scale."""

    def __init__(self, given: argparse.Namespace, scale: float, work: Path) -> None:
        work.mkdir(parents=True, exist_ok=True)
        self.experiment = write_experiment(work / "study.yaml", given.model, scale)
        store = work / "store"
        options = [] if given.workers is None else ["--workers", str(given.workers)]
        command = xstilts("run", work / "study.yaml", "--data", given.data.absolute(), "--store", store, *options)
        say(f"scale {scale:g}: xstilts run")
        self.ours = spend(command)
        self.disk = folder_bytes(store)
        self.kinds = kinds(store)
        say(f"scale {scale:g}: {self.ours.row()}; the loop")
        self.loop: Loop = measure_loop(given, self.experiment, store, work / "loop", say)
        if given.work is None:  # half a study is to have the disk to itself
            shutil.rmtree(work)


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def kinds(store: Path) -> dict[str, tuple[int, float]]:
    """Kind of stage -> how many there are, and the seconds their workers took."""
    found: dict[str, tuple[int, float]] = {}
    for done in store.glob("*/*/DONE"):
        record = Record.read(done.parent)
        count, seconds = found.get(record.kind, (0, 0.0))
        found[record.kind] = count + 1, seconds + record.seconds
    return dict(sorted(found.items()))


def rows_of(whole: Whole) -> dict[str, tuple[Spent, int]]:
    """What each way of working takes: processes and bytes kept."""
    loop = whole.loop
    return {
        "loop, every cell from the beginning": (loop.separate, loop.bytes_kept),
        "loop, intermediate models kept and used again": (loop.shared, loop.bytes_kept),
        "the same, one start a cell for all languages": (loop.one_start, loop.bytes_kept),
        "xstilts run": (whole.ours, whole.disk),
    }


def costs(whole: Whole, other: Whole | None, scales: tuple[float, float, float]) -> Table:
    """A row per way of working, with the ratio to ours; `scales`: of the two, and the one to estimate."""
    found = rows_of(whole)
    if other is not None:
        one, half, to = scales
        found = {
            name: (line(spent, rows_of(other)[name][0], (one, half, to)), kept) for name, (spent, kept) in found.items()
        }
    ours, above = found["xstilts run"][0], [None, *(spent for spent, _ in found.values())]
    rows = [
        [
            name,
            f"{spent.cpu:,.0f}",
            f"{before.cpu - spent.cpu:,.0f}" if before else "",
            f"x{spent.cpu / ours.cpu:.2f}",
            f"{spent.wall:,.0f}",
            f"x{spent.wall / ours.wall:.2f}",
            f"{kept / 2**30:.1f}",
        ]
        for (name, (spent, kept)), before in zip(found.items(), above)
    ]
    heading = ["way of working", "CPU-seconds", "saved against the row above", "to ours", "wall seconds", "to ours"]
    return [*heading, "GiB kept"], rows


def line(whole: Spent, half: Spent, scales: tuple[float, float, float]) -> Spent:
    """The point at the third scale of the line through those at the first two."""
    one, other, to = scales
    factor = (to - one) / (one - other)
    return Spent(whole.wall + factor * (whole.wall - half.wall), whole.cpu + factor * (whole.cpu - half.cpu))


def parts(whole: Whole) -> Table:
    """Where our seconds went, and the loop's."""
    rows = [[f"xstilts: {kind}", f"{count}", f"{seconds:,.0f}"] for kind, (count, seconds) in whole.kinds.items()]
    rows += [
        [f"loop: {name} (estimated)", f"{count:,}", f"{cpu:,.0f}"] for name, (count, cpu) in whole.loop.parts.items()
    ]
    return ["part", "stages or calls", "seconds of workers, CPU-seconds of the loop"], rows


def body(whole: Whole, given: argparse.Namespace, shown: Callable[[Table], str], projected: Table | None) -> str:
    """The section of the page."""
    loop, where = whole.loop, environment("cpu", cores())
    ratio = loop.shared.cpu / whole.ours.cpu
    texts = [
        f"{told(where)}. '{given.model.name}', scale {given.scale:g}: {len(RECIPES)} recipes, {len(TARGETS)} targets "
        f"in {loop.languages} languages together, {len(SEEDS)} seeds. Of the loop {loop.measured} calls were made and "
        f"{loop.counted:,} stand in the estimated sums, each as the mean of its like; ours was run whole.",
        shown(costs(whole, None, (0, 0, 0))),
        f"CPU-seconds of the loop that uses intermediate models again against ours: x{ratio:.2f} "
        f"(goal {goal(ratio, GOAL)}; estimated).",
        "The last row's saving is what packing, the active vocabulary, one sweep over all languages and data prepared "
        "once bring together; a table of Training with `--parts` divides it (`padded`, `all rows`).",
        shown(parts(whole)),
        "The loop's scores and ours, same cells, in points: " + loop.agreement,
    ]
    if projected:
        texts += [f"Estimated at scale {given.project:g}, from the line through two measured scales:", shown(projected)]
    return "\n\n".join(texts)


def main(argv: Sequence[str] | None = None) -> None:
    given = arguments(argv)
    with tempfile.TemporaryDirectory() as temporary:
        work = given.work or Path(temporary)
        projected = None
        whole = Whole(given, given.scale, work / "whole")
        if given.project:
            half = Whole(given, given.scale / 2, work / "half")
            projected = costs(whole, half, (given.scale, given.scale / 2, given.project))
    print(body(whole, given, plain, projected))
    if given.markdown:
        write_section(given.markdown, "study", body(whole, given, markdown, projected), "study")
    if given.json:
        found = {name: {**spent.row(), "bytes": kept} for name, (spent, kept) in rows_of(whole).items()}
        write_json(given.json, {"scale": given.scale, "costs": found, "scores": whole.loop.scores})
        say(json.dumps(found))


if __name__ == "__main__":
    main()
