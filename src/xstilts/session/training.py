"""Training logs, costs and input files of the finished stages of a grid."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from statistics import mean
from typing import Any, NamedTuple

from xstilts.core.errors import XstiltsError
from xstilts.core.files import read_json, read_jsonl
from xstilts.graph.record import Record
from xstilts.graph.stage import Stage
from xstilts.graph.store import Store
from xstilts.reports.curves import KindCost, Logged
from xstilts.session.grid import Grid
from xstilts.stages.describe import lineage

EARLIER = "before the target"


class ShownPhase(NamedTuple):
    """A train stage, and where its curves are shown."""

    stage: Stage
    view: str
    title: str
    seed: int


def logged(grid: Grid, store: Store) -> tuple[Logged, ...]:
    """The logs of all training runs, of earlier phases first; a damaged log counts as none."""
    phases = sorted(_phases(grid), key=lambda phase: not phase.view.endswith(EARLIER))
    return tuple(one for phase in phases for one in _read(phase, store.directory(phase.stage)))


def _phases(grid: Grid) -> Iterator[ShownPhase]:
    """Each train stage once, where it first occurs: the last of a target under its recipe, others under their path."""
    trained = {target.task for target in grid.experiment.targets if grid.experiment.trained_on(target)}
    several = len({cell.backbone for cell in grid.cells}) > 1
    seen: set[str] = set()
    taken: set[tuple[str, str, int]] = set()
    for cell in grid.cells:
        if cell.role != "target":
            continue
        last = cell.task in trained
        for stage in lineage(cell.stage.inputs["predictions"].inputs["model"]):
            runs = [(stage, "")] if stage.kind == "train" else []
            if stage.kind == "choose":  # a sweep over learning rates
                rates = stage.config["learning_rates"]
                runs = [(stage.inputs[f"run{i}"], f", rate {rate:g}") for i, rate in enumerate(rates)]
            for one, rate in runs:
                if one.key not in seen:
                    view = f"{cell.backbone}: " * several + (cell.task if last else EARLIER)
                    title = (cell.recipe if last else stage.label.partition(" @")[0].partition(" > ")[2]) + rate
                    if (view, title, cell.seed) in taken:
                        title += f" ({cell.recipe}, {cell.task})"
                    seen.add(one.key)
                    taken.add((view, title, cell.seed))
                    yield ShownPhase(one, view, title, cell.seed)
            last = False


def _read(phase: ShownPhase, folder: Path) -> Iterator[Logged]:
    """A log for each task of the mixture; validation scores belong to their task, or to the only one."""
    losses: dict[str, list[tuple[int, float]]] = {}
    rows: list[Mapping[str, Any]] = []
    try:
        for _, row in read_jsonl(folder / "log.jsonl"):
            losses.setdefault(row["task"], []).append((row["step"] + 1, float(row["loss"])))
        if (folder / "evaluations.jsonl").is_file():
            rows = [row for _, row in read_jsonl(folder / "evaluations.jsonl")]
    except (OSError, XstiltsError, KeyError, TypeError):
        return
    single = len(phase.stage.config["components"]) == 1
    for task, pairs in losses.items():
        own = [(row["step"], [one for one in row["scores"] if single or one["task"] == task]) for row in rows]
        scores = [(step, mean(one["value"] for one in some)) for step, some in own if some]
        known = [one["majority"] for _, some in own[-1:] for one in some if "majority" in one]
        title = phase.title if single else f"{phase.title}: {task}"
        yield Logged(phase.view, title, phase.seed, pairs, scores, mean(known) if known else None)


def costs(records: Sequence[Record]) -> tuple[KindCost, ...]:
    """The cost of finished stages by kind, the longest first."""
    kinds: dict[str, list[Record]] = {}
    for record in records:
        kinds.setdefault(record.kind, []).append(record)
    found = [
        KindCost(
            kind, len(some), sum(one.seconds for one in some) / 60, _all(map(_tokens, some)), _all(map(_bytes, some))
        )
        for kind, some in kinds.items()
    ]
    return tuple(sorted(found, key=lambda one: -one.minutes))


def _all(values: Iterator[int | None]) -> int | None:
    """Their sum; None if one is not known."""
    found = list(values)
    return None if None in found else sum(filter(None, found))


def _tokens(record: Record) -> int | None:
    """Tokens that a train stage trained on; None for other kinds."""
    with suppress(OSError, XstiltsError, KeyError, TypeError):
        if record.kind == "train":
            return sum(int(task["tokens"]) for task in read_json(record.directory / "summary.json")["tasks"].values())
    return None


def _bytes(record: Record) -> int | None:
    """Size of the stage's files; None if one is gone."""
    with suppress(OSError):
        return sum((record.directory / name).stat().st_size for name in record.files)
    return None


def inputs(stages: Sequence[Stage]) -> tuple[dict[str, str], ...]:
    """The files that stages read from data folders and local models: who read them, language, name, checksum.

    The checksum is the first 20 hex digits of the SHA-256.
    """
    found: dict[tuple[str, str, str, str], None] = {}
    for stage in stages:
        config = stage.config
        by = f"{config['task']} {config['split']}" if "split" in config else f"{stage.kind} {stage.label}"
        texts = config["data"] if stage.kind == "tokenizer" and "trained" in config else ()
        for name, inside in chain(config.get("files", {}).items(), *(one.items() for one in texts)):
            if isinstance(inside, bool) or "world" in stage.inputs:  # of a constructed world
                continue
            named, language = ({name: inside}, "") if isinstance(inside, str) else (inside, name)
            found |= dict.fromkeys((by, language, file, digest) for file, digest in named.items())
    return tuple(dict(zip(("read_by", "language", "file", "sha256_20"), row)) for row in found)
