"""How much data a stage reads (counted if its features are prepared, else estimated), and how long training phases are.

Numbers of rows are those of the official releases (`sources/rows.tsv`), of the files if no source states them, or of
the microworld. Tokens per row are assumed by task type (`Usual` in `xstilts.data.readers.types`).
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from xstilts.core.errors import ConfigError
from xstilts.core.files import read_json
from xstilts.core.languages import any_language
from xstilts.data.examples import asked
from xstilts.data.readers.types import TYPES
from xstilts.experiment import Experiment
from xstilts.graph.stage import Stage
from xstilts.graph.store import Store
from xstilts.stages.reading import is_empty, root_of, rows_of, split_of, task_of
from xstilts.tasks import Encoding
from xstilts.training.config import TrainConfig
from xstilts.training.mixture import Mixture

SPREAD = 1.25
"""sum(n^2) sum(1) / sum(n)^2 of segment lengths: 1.1 for pairs, 1.2 for passages, 1.6 for single sentences."""
JOINED = 0.95
"""Share of a block of joined lines that is filled."""
BYTES_PER_TOKEN = 5.0
"""Bytes per token of UTF-8 text in the languages of a multilingual corpus."""
NEW_TOKENS = (300.0, 0.29)
"""n tokens of text have a n^b distinct ones (Heaps' law). In English tasks with a multilingual vocabulary, 20,000
tokens have 5,000 and 2.7 M have 18,000."""
POOL = 1_000_000
"""Candidates of Mewsli-X that all languages search, if the files are missing."""


@dataclass(frozen=True)
class Amount:
    """A set of instances.

    Attributes:
        tokens: mean per instance.
        keys: mean over tokens of the length of their segment.
        segments: mean per instance; `longest`: the most tokens an instance can have.
        rows: examples; span QA makes several instances of one, raw text one of several.
        estimated: not counted; `note`: says if rows are assumed too.
    """

    instances: float
    tokens: float
    keys: float
    segments: float
    longest: int
    rows: float
    estimated: bool
    note: str = ""

    @property
    def total(self) -> float:
        return self.instances * self.tokens


def amount(prepared: Stage, store: Store | None) -> Amount:
    """The data of a prepare stage, all languages together; estimated if it is not finished in a store.

    Raises `DataError` if files that must be counted are missing or damaged.
    """
    if store is not None and store.has(prepared):
        return _counted(store.directory(prepared))
    return _estimated(prepared)


def tokens_in(prepared: Stage, store: Store | None) -> np.ndarray | None:
    """The token ids that a prepare stage has, [A], ascending; None if it is not finished."""
    if store is None or not store.has(prepared):
        return None
    files = sorted(store.directory(prepared).glob("*/tokens.npy"))
    return np.unique(np.concatenate([np.unique(np.load(file)) for file in files]))


def read_over(kind: str, labels: int) -> tuple[float, tuple[str, ...]]:
    """The number of passes over the data that prediction of a type needs, and a note on what is not counted."""
    written = kind in ("span_qa_text", "tagging_text")
    note = ("time to generate answers token by token is not included",) if written else ()
    return TYPES.get(kind).usual.passes or float(max(1, labels)), note


def disk_of_features(kind: str, amount: Amount) -> float:
    """Bytes: 4 per token, offsets of segments and instances, columns, and records; text is assumed by task type."""
    usual = TYPES.get(kind).usual
    per_instance = 12.0 * amount.segments + 24.0
    return amount.instances * (usual.feature * amount.tokens + per_instance) + usual.record * amount.rows


def _counted(directory: Path) -> Amount:
    folders = [path.parent for path in sorted(directory.glob("*/features.json"))]
    offsets = [np.load(folder / "tokens.offsets.npy") for folder in folders]
    segments = np.concatenate([np.diff(one) for one in offsets])
    firsts = [np.load(folder / "first_segment.npy") for folder in folders]
    lengths = np.concatenate([np.diff(one[first]) for one, first in zip(offsets, firsts)])
    return Amount(
        instances=len(lengths),
        tokens=float(lengths.mean()),
        keys=float((segments.astype(np.float64) ** 2).sum() / segments.sum()),
        segments=len(segments) / len(lengths),
        longest=int(lengths.max()),
        rows=sum(read_json(folder / "features.json")["examples"] for folder in folders),
        estimated=False,
    )


def _estimated(prepared: Stage) -> Amount:
    config = prepared.config
    kind, usual, encoding = TYPES.get(config["type"]), TYPES.get(config["type"]).usual, Encoding(**config["encoding"])
    longest, (counts, note) = encoding.max_length, rows_of(prepared)
    rows = float(sum(counts.values()))
    if kind.raw:
        return _raw_text(prepared, encoding, rows, note)
    if config["task"] == "mewslix" and not config["combined"]:  # its pool is in the files of every language
        task, root = task_of(prepared), root_of(prepared.settings)
        split, code = split_of(config), config["languages"][0]
        absent = all(is_empty(path) for path in task.paths(root, split, code))
        pool = POOL if absent else sum(not asked(example) for example in task.load(root, split, code))
        rows = rows + pool if note or config["limit"] else rows - pool * (len(counts) - 1)
    tokens = float(min(usual.tokens, longest))
    keys, segments = min(SPREAD * tokens, float(longest)), usual.segments
    return Amount(rows * usual.instances, tokens * segments, keys, segments, longest * segments, rows, True, note)


def _raw_text(prepared: Stage, encoding: Encoding, rows: float, note: str) -> Amount:
    """Joined lines fill blocks; single lines are sentences."""
    longest, size = float(encoding.max_length), 0
    if prepared.settings.get("roots") is not None:
        task, split, root = task_of(prepared), split_of(prepared.config), root_of(prepared.settings)
        size = sum(p.stat().st_size for code in prepared.config["languages"] for p in task.paths(root, split, code))
    tokens = JOINED * longest if encoding.join else min(float(TYPES.get("masked_lm").usual.tokens), longest)
    keys = tokens if encoding.join else min(SPREAD * tokens, longest)
    instances = size / BYTES_PER_TOKEN / tokens if size and encoding.join else rows
    return Amount(instances, tokens, keys, 1.0, encoding.max_length, rows, True, "" if size else note)


def lay_out(experiment: Experiment, root: Path) -> None:
    """Write the empty files of every task of an experiment, one per split and language; raw text has an assumed size.

    With them it can be planned before its data are fetched. Its stages have other keys than those of the real data, so
    none is finished. Raises `ConfigError` for a task whose labels or size only its files tell.
    """
    for name in experiment.task_names():
        task = experiment.task(name)
        if name in experiment.tasks and task.type != "masked_lm":
            raise ConfigError(
                f"experiment '{experiment.name}' has a task of its own, '{name}', whose size is only in its files: "
                "give --data DIR or XSTILTS_DATA"
            )
        if task.open_labels:
            raise ConfigError(f"the labels of '{name}' are only in its files: give --data DIR or XSTILTS_DATA")
        codes = dict.fromkeys([*task.languages, "en"])
        for pattern in (part for patterns in task.files.values() for part in patterns[0].split(" + ")):
            field = re.search(r"\{(\w+)\}", pattern)
            for code in codes if field else ("en",):
                if forms := any_language(code).forms(field[1]) if field else ("",):
                    path = root / re.sub(r"\{\w+\}", forms[0], pattern).replace("*", "any")
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.touch()


FEW_STEPS = 50
"""A phase given in epochs is probably too short to learn below this many optimizer steps."""
BACKWARD = 3.0
"""The cost of a training pass in prediction passes: one forward and two backward."""


@dataclass(frozen=True)
class PhaseLength:
    """A training phase.

    Attributes:
        steps: optimizer steps.
        examples: number that they are drawn from, without lines of raw text.
        given: whether the experiment sets the number of steps, not of epochs.
        epochs: passes over its instances.
        by_default: what the experiment leaves open: `epochs`, `learning_rate`.
        raw: whether they are also drawn from raw text.
    """

    phase: str
    steps: int
    examples: int
    batch_size: int
    given: bool = False
    epochs: float = 0.0
    learning_rate: float = 0.0
    by_default: tuple[str, ...] = ()
    raw: bool = False


def lengths_of(stages: Iterable[Stage], store: Store | None) -> dict[Stage, PhaseLength]:
    """The length of every training phase. Raises `DataError` for files that cannot be counted."""
    found = {}
    for stage in (stage for stage in stages if stage.kind == "train"):
        options, mixture = TrainConfig(**stage.config["train"]), Mixture.of(stage.config)
        data = [stage.inputs[f"data{i}"] for i in range(len(mixture.parts))]
        amounts = [amount(one, store) for one in data]
        sizes = [max(1, round(one.instances)) for one in amounts]
        steps, batch, given = mixture.draws(sizes, options).steps, options.batch_size, options.steps is not None
        counted = given or batch > sum(sizes)
        epochs = round(steps * batch / sum(sizes), 2) if counted else options.epochs
        rows, by_default = sum(round(one.rows) for one in amounts), tuple(stage.settings.get("by_default", ()))
        raw = any(TYPES.get(one.config["type"]).raw for one in data)
        found[stage] = PhaseLength(
            stage.label, steps, rows, batch, given, epochs, options.learning_rate, by_default, raw
        )
    return found


def short_phases(lengths: Iterable[PhaseLength]) -> list[str]:
    """A note on phases given in epochs that have few optimizer steps."""
    short = dict.fromkeys(one.phase for one in lengths if one.steps < FEW_STEPS and not one.given)
    note = f"fewer than {FEW_STEPS} optimizer steps (give more `epochs`, or `steps`): {', '.join(short)}"
    return [note] if short else []


def work_of(stages: Iterable[Stage], lengths: Mapping[Stage, PhaseLength]) -> dict[Stage, float]:
    """The work of train and predict stages, in predicted tokens; roughly, at usual lengths."""
    found = {}
    for stage in stages:
        if stage in lengths:
            length, parts = lengths[stage], stage.config["components"]
            tokens = sum(_tokens(part["type"]) for part in parts) / len(parts)
            found[stage] = BACKWARD * length.steps * length.batch_size * tokens
        elif stage.kind == "predict":
            found[stage] = sum(rows_of(stage.inputs["data"])[0].values()) * _tokens(stage.config["type"])
    return found


def _tokens(kind: str) -> float:
    usual = TYPES.get(kind).usual
    return usual.tokens * usual.segments * usual.instances
