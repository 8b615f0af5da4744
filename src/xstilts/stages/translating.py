"""Translate stages: `examples.jsonl`, English training examples in another language, and `counts.json`.

A translation of hours goes on where it was killed: examples are translated some at a time, and what is done is kept in
`parts/` until all is.
"""

from __future__ import annotations

import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from xstilts.backbones.load import load_backbone
from xstilts.core.errors import ConfigError, DataError
from xstilts.core.files import read_json, read_jsonl, write_json, write_jsonl
from xstilts.core.machine import Machine
from xstilts.data.examples import Example, from_row, gold_of, to_row
from xstilts.data.locate import Root, folders_of
from xstilts.data.readers.pools import parsed_once
from xstilts.microworld import write_translations
from xstilts.stages.checksums import read_in
from xstilts.stages.translations import words_for
from xstilts.tasks import TASKS, Task
from xstilts.tasks.as_json import task_from_json
from xstilts.translation.align import Aligner
from xstilts.translation.carry import Carried, Carrier
from xstilts.translation.command import Command
from xstilts.translation.engine import Engine
from xstilts.translation.given import given
from xstilts.translation.project import Projector, Translate
from xstilts.translation.quality import Judge
from xstilts.translation.spec import TRANSLATING, Quality

TOGETHER = 512
"""Examples translated between two marks."""
Report = Callable[[dict[str, Any]], None]


def run_translate(
    config: Mapping[str, Any],
    settings: Mapping[str, Any],
    directory: Path,
    inputs: Mapping[str, Path],
    run: tuple[Mapping[str, Any], Report],
) -> None:
    """Write the translations of a task's English training split and what was lost; `run`: settings, and progress.

    Raises:
        DataError: no example is left, or files that do not fit their English side.
    """
    machine, report = Machine(**run[0]), run[1]
    root = read_in(settings, inputs)
    task = task_from_json(settings["task"])
    with parsed_once():
        sources = [example for example in task.load(root, "train") if gold_of(example) is not None]
    if config["engine"] in TRANSLATING:
        carried = _by_machine(config, settings, machine, sources, directory, report)
    elif config["engine"] == "files":
        carried = _from_files(config, settings, root, sources)
    else:
        carried = _exact(config, task, root, sources, directory)
    kept = [one for one in carried if one.example is not None]
    counts = {
        "task": config["task"],
        "language": config["language"],
        "examples": len(sources),
        "kept": len(kept),
        "dropped": dict(sorted(Counter(one.reason for one in carried if one.example is None).items())),
        "projected": dict(sorted(Counter(one.method for one in kept if one.method).items())),
    }
    write_json(directory / "counts.json", counts)
    report({"fraction": 1.0, "message": words_for(counts)})
    if not kept:
        raise DataError(f"nothing is left of the translation: {words_for(counts)}", directory / "counts.json")
    write_jsonl(directory / "examples.jsonl", (to_row(one.example) for one in kept if one.example))
    shutil.rmtree(directory / "parts", ignore_errors=True)


def _by_machine(
    config: Mapping[str, Any],
    settings: Mapping[str, Any],
    machine: Machine,
    sources: Sequence[Example],
    directory: Path,
    report: Report,
) -> list[Carried]:
    carrier: Carrier | None = None
    found: list[Carried] = []
    for begin in range(0, len(sources), TOGETHER):
        part, asked = directory / "parts" / f"{begin:08d}.jsonl", sources[begin : begin + TOGETHER]
        done = _done(part, len(asked))
        if done is None:
            carrier = carrier or _carrier(config, settings, machine, part.parent)
            carried = carrier(asked)
            write_jsonl(part, map(_row, carried))
            done = _done(part, len(asked))
            assert done is not None
        found += done
        report({"fraction": len(found) / len(sources), "message": config["language"]})
    return found


def _done(part: Path, count: int) -> list[Carried] | None:
    """What is translated of `count` examples; None where nothing is, or where what an earlier run left is not whole."""
    if not part.exists():
        return None
    try:
        found = [_carried(row) for _, row in read_jsonl(part)]
        problem = f"{part}: {len(found)} of {count} translations" if len(found) != count else ""
    except (DataError, LookupError, TypeError) as error:
        problem = str(error)
    if problem:
        sys.stderr.write(f"damaged, left by an earlier run ({problem}): translating these again\n")
        return None
    return found


def _row(one: Carried) -> dict[str, Any]:
    return {**one._asdict(), "example": one.example and to_row(one.example)}


def _carried(row: Mapping[str, Any]) -> Carried:
    return Carried(row["example"] and from_row(row["example"]), row["reason"], row["method"])


def _carrier(config: Mapping[str, Any], settings: Mapping[str, Any], machine: Machine, folder: Path) -> Carrier:
    tokens, language = machine.micro_batch_tokens, config["language"]
    engine: Translate
    if config["engine"] == "command":
        folder.mkdir(exist_ok=True)
        engine = Command(config["command"], folder)
    else:
        engine = Engine(Path(settings["model"]), settings["tokenizer"], config, machine.device, tokens)
    aligner = None
    if "aligner" in config:
        encoder = load_backbone(settings["aligner"], settings["revision"])
        aligner = Aligner(encoder, machine.device, tokens)
    judge = Judge(Quality(**config["quality"]), language)
    return Carrier(Projector(language, engine, aligner), judge, config.get("coverage", 0.0))


def _from_files(
    config: Mapping[str, Any], settings: Mapping[str, Any], root: Root, sources: Sequence[Example]
) -> list[Carried]:
    language = config["language"]
    holder = replace(task_from_json(settings["holder"]), languages=(language,))
    judge = Judge(Quality(**config["quality"]), language)
    return given(holder, holder.paths(root, "train", language), language, sources, judge)


def _exact(
    config: Mapping[str, Any], task: Task, root: Root, sources: Sequence[Example], directory: Path
) -> list[Carried]:
    """The world's items, drawn anew and written in the language; that English comes out as it was is made sure."""
    folder, language = folders_of(root)[-1], config["language"]
    place = folder / "world.json"
    if not place.exists():
        raise ConfigError(f"{folder} is no microworld (no world.json): only a microworld is translated exactly")
    origin = TASKS.get(config.get("like") or task.name)
    codes, drawn = ("en", language), directory / "drawn"
    shutil.rmtree(drawn, ignore_errors=True)
    write_translations(drawn, read_json(place), origin.name.removeprefix("micro_"), codes)
    english, other = (
        replace(task, files={"train": origin.files["train"]}, languages=codes).load(drawn, "train", code)
        for code in codes
    )
    if english != list(sources):
        raise DataError(f"the English training items of {task.name} are not those that world.json describes", place)
    shutil.rmtree(drawn)
    return list(_under_ids(sources, other))


def _under_ids(sources: Sequence[Example], others: Sequence[Example]) -> Iterator[Carried]:
    for source, other in zip(sources, others, strict=True):
        method = "exact" if type(source).__name__ in ("SpanExample", "TaggedExample") and gold_of(source) else ""
        yield Carried(replace(other, id=source.id), method=method)
