"""A finished experiment on all nine XTREME tasks in miniature: data files, gold and predictions, no model.

Scores are really measured (`run_evaluate`) on what is laid out here.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from xstilts.core.files import write_json, write_jsonl, write_text
from xstilts.core.languages import LANGUAGES
from xstilts.evaluation.evaluate import run_evaluate
from xstilts.expand import Expansion, GridCell
from xstilts.graph.job import Job
from xstilts.graph.stage import Stage
from xstilts.graph.store import Store
from xstilts.session.loading import load
from xstilts.tasks import TASKS, Task
from xstilts.tasks.benchmarks import XTREME

TARGETS = tuple(XTREME)
TRAINED_ON = ("mnli", "pawsx", "udpos", "panx", "squad_v1", "tydiqa")
ENGLISH = ["Bee.", "cat.", "apple."]  # in sorted order: line 0, line 2, line 1 of three
EXPERIMENT = """\
name: laid
seeds: [1]
backbones: [{{name: base, source: {model}}}]
recipes: [[], [mnli]]
targets: [{targets}]
train: {{steps: 1, batch_size: 4}}
"""


def lay_data(folder: Path) -> None:
    """Every official test file, and the English training files; only the names are real, and Tatoeba's text."""
    for task in TARGETS:
        for language in XTREME[task]:
            _file(folder, task, TASKS.get(task).evaluate_on, language)
    for task in TRAINED_ON:
        for split in ("train", "validation", "test"):
            if split in TASKS.get(task).files:
                _file(folder, task, split, "en")
    for language in XTREME["tatoeba"]:
        (side,) = TASKS.get("tatoeba").paths(folder, "test", language)
        write_text(side, "eins\nzwei\ndrei\n")
        write_text(side.with_suffix(".eng"), "".join(f"{line}\n" for line in ENGLISH))
    write_json(folder / "model" / "config.json", {})
    write_json(folder / "model" / "tokenizer.json", {})
    write_json(folder / "model" / "model.safetensors", {})  # never opened: nothing is computed here


def _file(folder: Path, task: str, split: str, language: str) -> None:
    patterns = [name for name in TASKS.get(task).files[split] if "*" not in name]  # type: ignore[index]
    for part in patterns[0].split(" + "):
        for field in ("language", "iso3", "tatoeba"):
            if f"{{{field}}}" in part:
                part = part.replace(f"{{{field}}}", LANGUAGES[language].forms(field)[0])
        write_text(folder / part, "x\n")


def lay_experiment(folder: Path, targets: tuple[str, ...] = TARGETS, more: str = "") -> Path:
    """The experiment file."""
    path = folder / "laid.yaml"
    text = EXPERIMENT.format(model=folder / "data" / "model", targets=", ".join(targets))
    write_text(path, text + more)
    return path


def lay_store(file: Path, data: Path, root: Path) -> list[GridCell]:
    """The targets' prepare, predict and evaluate stages, finished."""
    store = Store(root)
    experiment = load(file)
    cells = [cell for cell in Expansion(experiment, data).cells if cell.role == "target"]
    for cell in cells:
        golds, said = cell.stage.inputs["data"], cell.stage.inputs["predictions"]
        draw, guess = random.Random(cell.task), random.Random(f"{cell.task} {cell.recipe}")  # gold is common to recipes
        for language in golds.config["languages"]:
            examples = list(_examples(experiment.task(cell.task), language, draw, guess))
            records = [record for record, _ in examples]
            rows = [{"id": record["id"], "prediction": value} for record, value in examples if "gold" in record]
            if cell.task == "tatoeba":
                rows = [{**row, "variant": "layer=0 raw"} for row in rows]
            write_jsonl(store.directory(golds) / language / "records.jsonl", records)
            write_jsonl(store.directory(said) / "predictions" / f"{language}.jsonl", rows)
        write_json(store.directory(golds) / "languages.json", golds.config["languages"])
        done(store, golds)
        done(store, said)
        inputs = {"data": store.directory(golds), "predictions": store.directory(said)}
        run_evaluate(Job(cell.stage, store.directory(cell.stage), inputs))
        done(store, cell.stage)
    return cells


def done(store: Store, stage: Stage) -> None:
    """Finish a stage whose files were laid where they belong."""
    store.directory(stage).rename(store.partial(stage))
    store.publish(stage, datetime.now(UTC))


def _examples(
    found: Task, language: str, draw: random.Random, guess: random.Random
) -> Iterator[tuple[dict[str, Any], Any]]:
    """Gold records as the prepare stages write them, each with a prediction."""
    if found.type == "classification":
        for number in range(5):
            yield {"id": str(number), "gold": draw.choice(found.labels)}, guess.choice(found.labels)
    elif found.type == "tagging":
        for number in range(4):
            gold = [draw.choice(found.labels) for _ in range(draw.randint(1, 4))]
            said = [tag if guess.random() < 0.5 else guess.choice(found.labels) for tag in gold]
            yield {"id": str(number), "gold": gold, "words": len(gold)}, said
    elif found.type == "span_qa":
        for number in range(4):
            gold = f"answer {draw.randint(1, 9)} of {number}"
            yield {"id": f"{language}-{number}", "gold": [gold], "passage": "p"}, guess.choice([gold, "answer 1", ""])
    elif found.type == "retrieval":
        for number in "123":
            yield {"id": number, "gold": number}, guess.choice("123")
    else:
        for number in range(4):
            other = [f"en-{number}"] if number else []
            yield {"id": f"{language}-{number}", "gold": other}, guess.choice([other, ["en-1"], []])
        for number in range(5):
            yield {"id": f"en-{number}"}, None
        yield {"id": f"sample:{language}-1", "tune": ["sample:en-1"]}, None
