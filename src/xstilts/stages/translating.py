"""Translate stages: `examples.jsonl`, English training examples in another language, and `counts.json`.

Machine translation may take hours, so it resumes after a kill: parts that are done are kept in `parts/` until the end.
"""

import shutil
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from xstilts.backbones.load import load_backbone
from xstilts.core.errors import ConfigError, DataError
from xstilts.core.files import read_json, read_jsonl, write_json, write_jsonl
from xstilts.data.examples import Example, SpanExample, TaggedExample, from_row, gold_of, texts_of, to_row
from xstilts.data.locate import folders_of
from xstilts.data.readers.pools import parsed_once
from xstilts.graph.job import Job
from xstilts.microworld.world import write_translations
from xstilts.stages.reading import root_of
from xstilts.stages.translations import words_for
from xstilts.tasks import TASKS
from xstilts.tasks.base import task_from_json
from xstilts.translation.align import Aligner
from xstilts.translation.carry import Carried, Carrier, QualityCheck
from xstilts.translation.engine import Command, Engine
from xstilts.translation.given import given
from xstilts.translation.project import Projector, Translate
from xstilts.translation.spec import TRANSLATING, Quality

TOGETHER = 512
"""Examples in a part."""


def run_translate(job: Job) -> None:
    """Write the translations of a task's English training split, and how many examples were left out and why.

    Raises:
        DataError: no example is left, or files do not fit their English side.
    """
    config = job.config
    root, task = root_of(job.stage.settings, job.inputs), task_from_json(job.stage.settings["task"])
    with parsed_once():
        sources = [example for example in task.load(root, "train") if gold_of(example) is not None]
    translate = {"files": _from_files, "microworld": _exact}.get(config["engine"], _by_machine)
    carried = translate(job, sources)
    kept = [one for one in carried if one.example is not None]
    counts = {
        "task": config["task"],
        "language": config["language"],
        "examples": len(sources),
        "kept": len(kept),
        "dropped": dict(sorted(Counter(one.reason for one in carried if one.example is None).items())),
        "projected": dict(sorted(Counter(one.method for one in kept if one.method).items())),
    }
    write_json(job.directory / "counts.json", counts)
    job.report({"fraction": 1.0, "message": words_for(counts)})
    if not kept:
        raise DataError(f"no translated example is left: {words_for(counts)}", job.directory / "counts.json")
    pairs = [(texts_of(one), texts_of(new.example)) for one, new in zip(sources, carried, strict=True) if new.example]
    english, other = (len(set(map(tuple, side))) for side in zip(*pairs, strict=True))
    if 2 * other < english:
        problem = f"{english} different examples have only {other} different translations into {config['language']}"
        raise DataError(f"{problem}: does the engine read its input?", job.directory / "counts.json")
    write_jsonl(job.directory / "examples.jsonl", (to_row(one.example) for one in kept if one.example))
    shutil.rmtree(job.directory / "parts", ignore_errors=True)


def _by_machine(job: Job, sources: Sequence[Example]) -> list[Carried]:
    assert job.config["engine"] in TRANSLATING
    carrier: Carrier | None = None
    found: list[Carried] = []
    for begin in range(0, len(sources), TOGETHER):
        part, asked = job.directory / "parts" / f"{begin:08d}.jsonl", sources[begin : begin + TOGETHER]
        done = _done(part, len(asked))
        if done is None:
            carrier = carrier or _carrier(job, part.parent)
            done = carrier(asked)
            write_jsonl(part, ({**one._asdict(), "example": one.example and to_row(one.example)} for one in done))
        found += done
        job.report({"fraction": len(found) / len(sources), "message": job.config["language"]})
    return found


def _done(part: Path, count: int) -> list[Carried] | None:
    """The translations of a part of `count` examples; None where it is missing or damaged."""
    if not part.exists():
        return None
    try:
        rows = [row for _, row in read_jsonl(part)]
        found = [Carried(row["example"] and from_row(row["example"]), row["reason"], row["method"]) for row in rows]
        problem = f"{part}: {len(found)} of {count} translations" if len(found) != count else ""
    except (DataError, LookupError, TypeError) as error:
        problem = str(error)
    if problem:
        sys.stderr.write(f"damaged, left by an earlier run ({problem}): translating this part again\n")
        return None
    return found


def _carrier(job: Job, folder: Path) -> Carrier:
    config, settings, machine = job.config, job.stage.settings, job.machine
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
    judge = QualityCheck(Quality(**config["quality"]), language)
    return Carrier(Projector(language, engine, aligner), judge, config.get("coverage", 0.0))


def _from_files(job: Job, sources: Sequence[Example]) -> list[Carried]:
    language, root = job.config["language"], root_of(job.stage.settings, job.inputs)
    holder = replace(task_from_json(job.stage.settings["holder"]), languages=(language,))
    judge = QualityCheck(Quality(**job.config["quality"]), language)
    return given(holder, holder.paths(root, "train", language), language, sources, judge)


def _exact(job: Job, sources: Sequence[Example]) -> list[Carried]:
    """The world's items, drawn again and written in the language; their English must be that of the files."""
    task, language = task_from_json(job.stage.settings["task"]), job.config["language"]
    folder = folders_of(root_of(job.stage.settings, job.inputs))[-1]
    place = folder / "world.json"
    if not place.exists():
        raise ConfigError(f"{folder} is not a microworld (no world.json): only microworlds are translated exactly")
    origin = TASKS.get(job.config.get("like") or task.name)
    codes, drawn = ("en", language), job.directory / "drawn"
    shutil.rmtree(drawn, ignore_errors=True)
    write_translations(drawn, read_json(place), origin.name.removeprefix("micro_"), codes)
    task = replace(task, files={"train": origin.files["train"]}, languages=codes)
    english, other = (task.load(drawn, "train", code) for code in codes)
    if english != list(sources):
        raise DataError(f"the English training items of {task.name} are not those that world.json describes", place)
    shutil.rmtree(drawn)
    methods = ("exact" if isinstance(one, SpanExample | TaggedExample) and gold_of(one) else "" for one in sources)
    return [Carried(replace(o, id=s.id), method=how) for s, o, how in zip(sources, other, methods, strict=True)]
