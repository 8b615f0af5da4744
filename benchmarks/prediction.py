"""Prediction in all languages: one predict stage against a call of a script for each language; and retrieval.

    python -m benchmarks.prediction --model models/me5-small --data DIR                     # 1,000 a language
    python -m benchmarks.prediction --model models/me5-small --data DIR --limit 0 --train 1

The same trained weights on both sides: a short English phase here, exported for transformers. Ours is a prepare and a
predict stage, each in a new process that loads what it needs; theirs is a process for each language that loads the
model, tokenises and calls `Trainer.predict`, with batches of 8 (the default) and of `--eval-batch`; the former also
padded to the maximum length, as transformers' `run_xnli.py` and `run_qa.py` do by default. Retrieval (60 Tatoeba pairs,
BUCC 2018) has no such script: its figures stand alone. `--markdown docs/benchmarks.md` writes the section of that page.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean, median
from typing import Any

from benchmarks.measure import Spent, answer, cores, environment, module, peak_bytes, spend, told, xstilts
from benchmarks.rows import predictions, score, script_of, write_rows
from benchmarks.study import say, write_experiment
from benchmarks.tables import Range, Table, goal, markdown, plain, write_section
from xstilts.backbones.backbone import bf16_is_slow
from xstilts.core.files import write_json
from xstilts.core.machine import Machine
from xstilts.experiment import Experiment
from xstilts.graph.job import Job
from xstilts.graph.stage import Stage
from xstilts.graph.store import Store
from xstilts.session.grid import grid_of
from xstilts.session.loading import load
from xstilts.stages.run import run_stage

LABELLED: Mapping[str, str | None] = {"xnli": "nli", "xquad": "squad"}
RETRIEVED: Mapping[str, str | None] = {"tatoeba": None, "bucc2018": None}
GOAL = 3.0


@dataclass(frozen=True)
class Way:
    """One way to predict; `batch` of the Trainer's, 0: ours; `padded` to the maximum length."""

    precision: str
    batch: int = 0
    padded: bool = False

    @property
    def name(self) -> str:
        if not self.batch:
            return f"xstilts {self.precision}"
        return f"Trainer {self.precision}, batches of {self.batch}{', padded to the maximum length' * self.padded}"


@dataclass(frozen=True)
class Done:
    """What one way took, and what it predicted: language -> predictions."""

    spent: Spent
    peak: int
    predicted: Mapping[str, Sequence[Any]]


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("benchmarks.prediction", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", type=Path, required=True, metavar="FOLDER", help="a pretrained encoder")
    parser.add_argument("--data", type=Path, required=True, metavar="FOLDER", help="official files")
    parser.add_argument("--limit", type=int, default=1000, help="first examples of each language; 0: all")
    parser.add_argument("--train", type=float, default=0.1, help="training steps as a share of the study's")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each method")
    parser.add_argument(
        "--eval-batch", type=int, default=32, help="batch size of the Trainer, besides its default of 8"
    )
    parser.add_argument("--tasks", nargs="+", choices=(*LABELLED, *RETRIEVED), default=(*LABELLED, *RETRIEVED))
    parser.add_argument("--languages", nargs="+", default=(), help="language codes; default: all available")
    parser.add_argument("--work", type=Path, metavar="FOLDER", help="working folder to keep; default: a temporary one")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables into their section of a page")
    return parser.parse_args(argv)


# One stage in a process of its own ---------------------------------------------------------------------------------


def carry_out(file: str, store: str, key: str, to: str, precision: str) -> None:
    """Compute a stage of a finished experiment once more, elsewhere; of a predict stage with the precision given."""
    place = Store(Path(store), must_exist=True)
    stage = next(one for one in grid_of(load(file), place).stages if one.key == key)
    inputs = {role: place.directory(one) for role, one in stage.inputs.items()}
    if stage.kind == "predict":
        stage = replace(stage, config={**stage.config, "precision": precision})
    Path(to).mkdir(parents=True)
    run_stage(Job(stage, Path(to), inputs, Machine(threads=cores()).settings(), lambda told: None))
    print(json.dumps({"peak_bytes": peak_bytes()}))


class Place:
    """An experiment, run; its stages can be timed one by one."""

    def __init__(self, given: argparse.Namespace, work: Path) -> None:
        self.given, self.work, self.file, self.store = given, work, work / "prediction.yaml", work / "store"
        work.mkdir(parents=True, exist_ok=True)
        asked = {name: on for name, on in {**LABELLED, **RETRIEVED}.items() if name in given.tasks}
        how = (given.train, (), asked, given.limit, given.languages)
        self.experiment: Experiment = write_experiment(self.file, given.model, *how)
        say("training and predicting once, untimed")
        spend(xstilts("run", self.file, "--data", given.data.absolute(), "--store", self.store))
        self.cells = grid_of(self.experiment, Store(self.store)).cells
        self.count = 0

    def stage(self, task: str, role: str) -> Stage:
        """`predictions` or `data` of a target's cell."""
        return next(cell for cell in self.cells if cell.task == task).stage.inputs[role]

    def folder(self) -> Path:
        self.count += 1
        while (to := self.work / f"run-{self.count}").exists():  # of an earlier call with the same --work
            self.count += 1
        return to

    def ours(self, task: str, precision: str) -> Done:
        """Prepare and predict."""
        total, to = Spent(), Path()
        peaks: list[int] = []
        for role in ("data", "predictions"):
            to = self.folder()
            asked = (self.file, self.store, self.stage(task, role).key, to, precision)
            spent = spend(module("benchmarks.prediction", "stage", *asked), cores())
            total, peaks = total + spent, [*peaks, answer(spent)["peak_bytes"]]
        files = sorted((to / "predictions").glob("*.jsonl"))
        return Done(total, max(peaks), {path.stem: predictions(path) for path in files})

    def exported(self, task: str) -> Path:
        """The trained model as transformers has it."""
        to = self.work / f"exported-{task}"
        if not to.exists():
            spend(xstilts("export", self.stage(task, "predictions").key, "--store", self.store, "--to", to))
        return to

    def theirs(self, task: str, way: Way, files: Mapping[str, Path]) -> Done:
        """A process for each language."""
        script, options = script_of(self.experiment, task)
        options += ["--per_device_eval_batch_size", str(way.batch), "--use_cpu", "True"]
        options += ["--bf16_full_eval", str(way.precision == "bf16"), "--pad_to_max_length", str(way.padded)]
        total, found = Spent(), {}
        peaks: list[int] = []
        for language, path in files.items():
            to = self.folder()
            base = ["--model", self.exported(task), "--test_file", path, "--output_dir", to]
            spent = spend(module(script, *base, *options), cores())
            total, peaks = total + spent, [*peaks, answer(spent)["peak_bytes"]]
            found[language] = predictions(to / "predictions.jsonl")
        return Done(total, max(peaks), found)


# Tables ------------------------------------------------------------------------------------------------------------


def ways(eval_batch: int) -> list[Way]:
    precisions = ["fp32"] if bf16_is_slow("cpu") else ["fp32", "bf16"]
    alike = [way for name in precisions for way in (Way(name), Way(name, eval_batch))]
    return [Way("fp32", 8, padded=True), Way("fp32", 8), *alike]


def labelled(place: Place, task: str, shown: Sequence[Callable[[Table], str]]) -> list[str]:
    """The section of a task with scripts, as a text for each way of showing tables."""
    files = write_rows(
        place.experiment,
        place.given.data.absolute(),
        place.work,
        (task, "test", place.given.limit),
        place.given.languages,
    )
    chosen = ways(place.given.eval_batch)
    done: dict[Way, list[Done]] = {way: [] for way in chosen}
    place.exported(task)
    for number in range(place.given.rounds):
        for way in chosen if number % 2 == 0 else reversed(chosen):
            done[way].append(place.theirs(task, way, files) if way.batch else place.ours(task, way.precision))
            say(f"{task} round {number + 1}: {way.name}, {done[way][-1].spent.row()}")
    examples = sum(len(one) for one in done[chosen[0]][0].predicted.values())
    table = way_table(done, examples)
    said = [
        f"{task}: {examples:,} examples in {len(files)} languages, {place.given.rounds} rounds.",
        *changes(place, task, files, done),
    ]
    return [f"{said[0]}\n\n{show(table)}\n\n{' '.join(said[1:])}" for show in shown]


def way_table(done: Mapping[Way, Sequence[Done]], examples: int) -> Table:
    rows = []
    for way, runs in done.items():
        ours = done[Way(way.precision)]
        ratio = Range.of([their.spent.wall / our.spent.wall for their, our in zip(runs, ours, strict=True)])
        cpu = Range.of([their.spent.cpu / our.spent.cpu for their, our in zip(runs, ours, strict=True)])
        wall = median(one.spent.wall for one in runs)
        rows.append(
            [
                way.name,
                f"{wall:,.1f}",
                f"{median(one.spent.cpu for one in runs):,.1f}",
                f"{examples / wall:,.0f}",
                f"{median(one.peak for one in runs) / 2**30:.2f}",
                f"x{ratio.told()}" if way.batch else "",
                f"x{cpu.told()}" if way.batch else "",
                goal(ratio.median, GOAL) if way.batch else "",
            ]
        )
    heading = ["way", "wall seconds", "CPU-seconds", "examples/s", "peak GiB"]
    return [*heading, "wall to ours of its precision", "CPU to ours", "goal"], rows


def changes(place: Place, task: str, files: Mapping[str, Path], done: Mapping[Way, Sequence[Done]]) -> list[str]:
    """How predictions and scores differ between precisions, and from the Trainer's."""
    base = done[Way("fp32")][0].predicted

    def scored(predicted: Mapping[str, Sequence[Any]]) -> dict[str, float]:
        return {name: score(place.experiment, task, name, path, predicted[name]) for name, path in files.items()}

    told_of, before = [], scored(base)
    for way, runs in done.items():
        if way == Way("fp32") or way.batch == 8:
            continue
        other = scored(runs[0].predicted)
        pairs = [pair for name in files for pair in zip(base[name], runs[0].predicted[name], strict=True)]
        moved = [other[name] - before[name] for name in files]
        told_of.append(
            f"'{way.name}' against 'xstilts fp32': {100 * mean(a != b for a, b in pairs):.2f} % of the predictions "
            f"differ, scores of languages by {mean(moved):+.2f} in the mean, {max(map(abs, moved)):.2f} at most."
        )
    return [f"Mean score of 'xstilts fp32' {mean(before.values()):.1f}.", *told_of]


def retrieval_table(place: Place, tasks: Sequence[str]) -> Table:
    rows = []
    for task in tasks:
        for precision in ["fp32"] if bf16_is_slow("cpu") else ["fp32", "bf16"]:
            runs = [place.ours(task, precision) for _ in range(place.given.rounds)]
            say(f"{task} {precision}: {runs[-1].spent.row()}")
            rows.append(
                [
                    task,
                    precision,
                    f"{len(runs[0].predicted)}",
                    f"{sum(map(len, runs[0].predicted.values())):,}",
                    f"{median(one.spent.wall for one in runs):,.1f}",
                    f"{median(one.spent.cpu for one in runs):,.1f}",
                    f"{median(one.peak for one in runs) / 2**30:.2f}",
                ]
            )
    return ["retrieval", "precision", "languages", "predictions", "wall seconds", "CPU-seconds", "peak GiB"], rows


def main(argv: Sequence[str] | None = None) -> None:
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] == ["stage"]:
        carry_out(*words[1:])
        return
    given = arguments(words)
    with tempfile.TemporaryDirectory() as temporary:
        place = Place(given, given.work or Path(temporary))
        head = f"{told(environment('cpu', cores()))}. '{given.model.name}' after {given.train:g} of the study's steps."
        texts = [[head], [head]]
        for task in (name for name in LABELLED if name in given.tasks):
            for text, part in zip(texts, labelled(place, task, (plain, markdown)), strict=True):
                text.append(part)
        if searched := [name for name in RETRIEVED if name in given.tasks]:
            table = retrieval_table(place, searched)
            for text, show in zip(texts, (plain, markdown), strict=True):
                text.append(show(table))
    print("\n\n".join(texts[0]))
    if given.markdown:
        write_section(given.markdown, "prediction", "\n\n".join(texts[1]), "prediction")
    if given.json:
        write_json(given.json, {"text": texts[0]})


if __name__ == "__main__":
    main()
