"""A task: a named data set as a value. Reading it needs no torch.

A task names its *type* (`span_qa`, `tagging` ...). The machinery of that type (features, head, loss, decoding) is in
`xstilts.task_types` and is looked up by training and prediction alone, so that listing and scoring stay light.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from xstilts.core.decoding import unpacked_name
from xstilts.core.errors import DataError, UnknownName, count
from xstilts.core.registry import Registry
from xstilts.data.examples import ChoiceExample, Example, TextExample, gold_of
from xstilts.data.examples import Encoding as Encoding
from xstilts.data.locate import Root, files_of, languages_there, locate
from xstilts.data.readers.columns import ColumnReader
from xstilts.data.readers.common import Placed, Reader, check, lines_of, one_of
from xstilts.data.readers.labels import Found, found_in
from xstilts.data.readers.types import TYPES
from xstilts.metrics import METRICS

DOMAIN = "micro_domain_"
"""Prefix of the tasks of the microworld's domain, whose files are in a folder of their own."""
Split = Literal["train", "validation", "test"]
Objective = Literal["masked_lm", "causal_lm", "span_corruption", "translation_lm", "contrastive", "simcse"]
"""Types that pretrain without labels; raw text and translation pairs have several."""


@dataclass(frozen=True)
class Task:
    """A data set with everything that is needed to read it, train on it, measure it and cite it.

    Attributes:
        type: name of a task type (`xstilts.data.readers.types`).
        files: split -> patterns below the data folder (`xstilts.data.locate`), tried in order. All files of the first
            pattern that matches anything are read, in sorted order.
        languages: languages with the `test` (or else `validation`) split in the official release; all for raw text.
        labels: classes or tags in their fixed order; empty for types without.
        open_labels: the tags are those of the files (`found_labels`).
        metric: name in `xstilts.metrics`; empty for tasks that are only trained on.
        train_on: task whose English training split is used when this one is a target and has none of its own.
        evaluate_on: the split that is measured; `validation` where the test labels are not public.
        gold: split -> patterns of a file with the labels, one per line, for data files without them; optional.
        beside: patterns of files that the reader opens beside the located ones (English side, candidates).
        like: for a task declared in an experiment file, the registered task it is modelled on.
    """

    name: str
    type: str
    read: Reader
    files: Mapping[Split, tuple[str, ...]]
    citation: str = ""
    licence: str = ""
    source: str = ""
    languages: tuple[str, ...] = ("en",)
    metric: str = ""
    labels: tuple[str, ...] = ()
    open_labels: bool = False
    train_on: str | None = None
    evaluate_on: Split = "test"
    encoding: Encoding = field(default_factory=Encoding)
    protocol: str = ""
    defects: str = ""
    gold: Mapping[Split, tuple[str, ...]] = field(default_factory=dict)
    beside: tuple[str, ...] = ()
    like: str = ""

    @property
    def main(self) -> str:
        """The value of the metric that enters means; empty without a metric."""
        return METRICS.get(self.metric).main if self.metric else ""

    def available(self, root: Root, split: Split) -> list[str]:
        """Languages with files for `split`; only a file with a column of languages is opened, for those it has.

        Raises `DataError` if such a file cannot be read.
        """
        there = languages_there(root, patterns := self.files.get(split, ()), self.languages)
        if there and isinstance(self.read, ColumnReader) and not any("{" in pattern for pattern in patterns):
            return self.read.spoken(self.paths(root, split, there[0]), there)
        return there

    def paths(self, root: Root, split: Split, language: str = "en") -> list[Path]:
        """The files of one split and language.

        Raises `UnknownName` if the task has no such language, and `DataError` if it has no such split, or no file.
        """
        check_split(self, split)
        check_language(self, language)
        return locate(root, self.files[split], language, f"{self.name} ({split}, {language})")

    def gold_paths(self, root: Root, split: Split, language: str = "en") -> list[Path]:
        """The file with the labels of one split and language, if it exists."""
        patterns = self.gold.get(split, ())
        if language not in languages_there(root, patterns, (language,)):
            return []
        return locate(root, patterns, language, f"gold of {self.name} ({split}, {language})")

    def beside_paths(self, root: Root, language: str = "en") -> list[Path]:
        """The files that `read` opens beside those of `paths`, if they exist."""
        return [path for pattern in self.beside for path in files_of(root, pattern, language)]

    def found_labels(self, root: Root) -> tuple[str, ...]:
        """The tags of all English splits that have files, sorted: those of a task with `open_labels`.

        Raises `DataError` if there is no training file, or a file cannot be read.
        """
        self.paths(root, "train")
        there = [split for split in self.files if "en" in self.available(root, split)]
        examples = (example for split in there for example in self.load(root, split))
        return tuple(sorted({tag for one in examples for tag in gold_of(one) or ()}))

    def stream(self, root: Root, split: Split, language: str = "en") -> Iterator[Example]:
        """The examples of one split and language one by one, in file order, without the gold of other files.

        If the split has several files, every id begins with its file's path below the folder they share, without
        suffix: `en_ewt-ud-test:...`. Raises as `load` does, but only when the place of the error is reached.
        """
        paths = self.paths(root, split, language)
        shared = os.path.commonpath([path.parent for path in paths])
        for path in paths:
            name = path.relative_to(shared).with_name(unpacked_name(path)).with_suffix("").as_posix()
            for example in self.read(path, language):
                yield replace(example, id=f"{name}:{example.id}") if len(paths) > 1 else example

    def placed(
        self, root: Root, split: Split, language: str, cleaned: Counter[str] | None = None
    ) -> Iterator[tuple[Path, int | None, Example]]:
        """The examples of `stream`, with the ids of their files, each with its file and, if it has one, its line."""
        for path in self.paths(root, split, language):
            if isinstance(self.read, ColumnReader):
                placed = self.read.placed(path, language, cleaned)
            else:
                read: Callable[[Path, str], Placed] | None = getattr(self.read, "__wrapped__", None)  # of `checked`
                bare: Placed = ((None, example) for example in self.read(path, language))
                placed = check(read(path, language), path, language) if read else bare
            yield from ((path, line, example) for line, example in placed)

    def gold_needed(self, root: Root, split: Split, language: str) -> DataError:
        """The error for examples without gold, with the place of the first."""
        bare = ((path, line) for path, line, one in self.placed(root, split, language) if gold_of(one) is None)
        beside = f" (looked for {' or '.join(self.gold[split])})" if split in self.gold else ""
        problem = f"has no gold: {self.name} ({split}, {language}) needs it{beside}"
        return DataError(f"{problem}; put the labelled file here, with all its columns", *next(bare, (None, None)))

    def found(self, root: Root, split: Split, language: str = "en") -> Found:
        """Rows, labels with counts, and what is odd about them. Reads the files once; raises as `load` does."""
        cleaned: Counter[str] = Counter()
        examples: Iterable[tuple[Path, int | None, Example]] = self.placed(root, split, language, cleaned)
        if self.gold:
            path = self.paths(root, split, language)[0]
            examples = ((path, None, example) for example in self.load(root, split, language))
        most_words = self.encoding.max_length if isinstance(self.read, ColumnReader) else 0
        return found_in(examples, cleaned, self.labels, most_words)

    def load(self, root: Root, split: Split, language: str = "en") -> list[Example]:
        """All examples of one split and language, in file order; gold is `None` where it is withheld.

        Raises `UnknownName` if the task has no such language, and `DataError` for a missing, malformed or empty file
        and for an id that occurs twice in one file.
        """
        examples = list(self.stream(root, split, language))
        bare = bool(examples) and getattr(examples[0], "label", "") is None
        for gold in self.gold_paths(root, split, language) if bare else []:
            examples = attach_labels(examples, gold, self.labels)
        return examples


def attach_labels(examples: Sequence[Example], path: Path, labels: Sequence[str]) -> list[Example]:
    """The examples with the gold of a separate file, one label per line: classes of texts, numbers of choices from 1.

    Raises `DataError` if the numbers of lines and examples differ, or a label is unknown.
    """
    lines = lines_of(path)
    if len(lines) != len(examples):
        raise DataError(f"found {count(len(lines), 'label')} for {count(len(examples), 'example')}", path)
    labelled: list[Example] = []
    for number, (example, label) in enumerate(zip(examples, lines), start=1):
        if isinstance(example, ChoiceExample):
            places = [str(place) for place in range(1, len(example.choices) + 1)]
            labelled.append(replace(example, label=places.index(one_of(label, places, path, number))))
        else:
            assert isinstance(example, TextExample), "only classes and choices have labels in a file of their own"
            labelled.append(replace(example, label=one_of(label, labels, path, number)))
    return labelled


TASKS: Registry[Task] = Registry("task")


def check_split(task: Task, split: Split) -> None:
    """Raises `DataError` when the task has no such split."""
    if split not in task.files:
        raise DataError(f"{task.name} has no {split} split (it has: {', '.join(task.files)})")


def check_language(task: Task, language: str) -> None:
    """Raises `UnknownName` when the task has no such language."""
    if language not in task.languages:
        lists = f"xstilts show {task.name}" + " --experiment FILE" * (task.name not in TASKS)
        raise UnknownName(f"language of {task.name}", language, task.languages, lists)


def form_of(task: Task) -> dict[str, Any]:
    """The part of a key that describes an experiment's own task: its `like`, or its columns; {} if registered.

    Tasks are JSON in keys and for workers, which do not read the experiment file.
    """
    if isinstance(task.read, ColumnReader):
        return {"read": task.read.to_json()}
    return {"like": task.like} if task.like else {}


def task_to_json(task: Task, languages: Sequence[str]) -> dict[str, Any]:
    """The description of a task, restricted to some languages, as JSON."""
    files = {split: list(patterns) for split, patterns in task.files.items()}
    return {"name": task.name, "files": files, "languages": list(languages), **form_of(task)}


def task_from_json(told: Mapping[str, Any]) -> Task:
    """The inverse of `task_to_json`, without labels and encoding for a task with columns."""
    files: Any = {split: tuple(patterns) for split, patterns in told["files"].items()}
    if "read" not in told and "like" not in told:
        return replace(TASKS.get(told["name"]), files=files)
    base = column_task(ColumnReader.from_json(told["read"])) if "read" in told else TASKS.get(told["like"])
    return replace(base, name=told["name"], files=files, languages=tuple(told["languages"]))


def column_task(reader: ColumnReader) -> Task:
    """A task of which only its type and its reader are known."""
    encoding = Encoding(max_length=TYPES.get(reader.type).max_length, no_answer=reader.no_answer)
    return Task("", reader.type, reader, {}, languages=(), encoding=encoding, protocol="of the experiment file")
