"""Backbones, targets and own tasks of an experiment file.

An own task is `like` a registered one, or of a `type` with columns of files.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from xstilts.backbones.names import Attention, Output
from xstilts.core.errors import DataError, UnknownName
from xstilts.core.languages import LANGUAGES
from xstilts.core.strict import Codes, CodesOrAll, Strict, mistake
from xstilts.data.locate import Root, check_pattern
from xstilts.data.readers.columns import ColumnReader, column_reader, held_twice, labels_in
from xstilts.data.readers.dialects import NAMED
from xstilts.data.readers.labels import clean
from xstilts.data.readers.types import TYPES
from xstilts.metrics.tagging import not_spans
from xstilts.recipes import Options, PhaseSpec, check_replay
from xstilts.stages.resolve import RetrievalSpec, retrieval_of
from xstilts.tasks import TASKS, Split, Task
from xstilts.tasks.base import column_task
from xstilts.translation.spec import Patterns


class TokenizerSpec(Strict):
    """A vocabulary to train on raw text, with equal text per language."""

    tasks: tuple[str, ...] = Field(min_length=1, description="raw-text tasks")
    languages: CodesOrAll = Field(min_length=1, description="languages of the text; `all`: all that have files")
    vocabulary: int = Field(default=12_000, gt=64, description="size in tokens")
    alphabet: int = Field(default=3_400, gt=0, description="number of characters that are kept, the most frequent ones")
    characters: int = Field(default=2_000_000, gt=0, description="characters read per language")
    split_digits: bool = Field(default=True, description="every digit is a token of its own")


class BackboneSpec(Strict):
    """A model to start from: pretrained (`source`, enough in a file), or random (`architecture`), pretrained or not."""

    short = {str: "source"}
    source: str | None = Field(
        default=None,
        description="short name (`xstilts list backbones`), hub name or folder; `microworld:NAME`: a shipped encoder",
    )
    revision: str | None = Field(default=None, description="commit on the hub; default: pinned with a short name")
    architecture: str | None = Field(default=None, description="model type in transformers, for a random start")
    name: str = Field(
        default_factory=lambda known: re.split("[/:]", str(known["source"] or known["architecture"]).rstrip("/"))[-1],
        description="name in tables; default: the last part of the source",
    )
    config: dict[str, Any] = Field(default_factory=dict, description="configuration fields of a random start")
    tokenizer: TokenizerSpec | None = Field(default=None, description="vocabulary of a random start")
    pretrain: tuple[PhaseSpec, ...] = Field(default=(), description="phases of pretraining here")
    train: Options = Field(default_factory=dict, description="training options, over those by task")
    seed: int | None = Field(default=0, description="seed of a random start; null: as in `seeds:`")
    route: Literal["packed", "padded"] | None = Field(default=None, description="batches; default: packed if possible")
    attention: Attention = Field(
        default="auto",
        description="attention of decoders; auto: bidirectional for tags, spans and masked LM, else causal",
    )
    output: Output = Field(
        default="head",
        description="head: a new head for each task; text: answers come from the pretrained output layer",
    )
    retrieval: RetrievalSpec = Field(default=RetrievalSpec(), description="how sentence vectors are read")
    note: str = Field(default="", description="note in tables")
    controls: dict[Literal["random", "english"], str] = Field(
        default_factory=dict, description="`random: auto`; `english: auto` (pretrained here on English), or a source"
    )
    english_share: float = Field(default=1.0, gt=0, le=1, description="steps of `english: auto` / multilingual steps")

    @model_validator(mode="after")
    def _one_start(self) -> BackboneSpec:
        if (self.source is None) == (self.architecture is None):
            raise ValueError("give either `source` (a pretrained model) or `architecture` (a random start)")
        if self.architecture is not None and self.tokenizer is None:
            raise ValueError("a random start needs `tokenizer`")
        if self.output == "text" and self.attention == "bidirectional":
            raise ValueError("`output: text` needs causal attention: bidirectional attention would see the answers")
        if self.controls.get("english") == "auto" and not self.pretrain:
            raise ValueError("`english: auto` needs `pretrain`; name a model pretrained on English alone instead")
        if self.controls.get("random", "auto") != "auto":
            raise ValueError("`random` can only be `auto`")
        check_replay(self.pretrain)
        retrieval_of(self.source, self.retrieval)
        return self


class TargetSpec(Strict):
    """A target task; in a file, its name is enough."""

    short = {str: "task"}
    task: str = Field(description="name of a registered or own task")
    languages: Codes | None = Field(default=None, description="test languages; default: all that have files")
    train: Options = Field(default_factory=dict, description="training options for this target only")
    train_on: str | None = Field(default=None, description="task whose training split it uses; default: the task's own")
    train_languages: Codes | None = Field(default=None, min_length=1, description="training languages; default: source")
    split: Literal["validation", "test"] | None = Field(default=None, description="measured split; default: official")
    seeds: int | None = Field(default=None, gt=0, description="number of seeds, the first ones, for costly targets")
    limit: int = Field(default=0, ge=0, description="fixed sample of each language to measure; 0: all")


def _label(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("YAML reads this word as true or false: put it in quotes")
    if not isinstance(value, int | str):
        raise ValueError("YAML does not read this label as text: put it in quotes")
    if not (label := clean(str(value))):
        raise ValueError("a label is empty")
    return label


def _column(value: Any) -> Any:
    names = value if isinstance(value, list | tuple) and len(value) > 1 else [value]
    if all(isinstance(name, str) and name for name in names):
        return value if isinstance(value, str) else tuple(value)
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    raise ValueError(f"give a column's name, its number from 1, or a list of names (found: {value!r})")


Label = Annotated[str, BeforeValidator(_label)]


class OwnTask(Strict):
    """A user's own task."""

    like: str | None = Field(default=None, description="registered task that gives format, type and metric")
    type: Literal[tuple(one.name for one in TYPES if one.make)] | None = Field(  # type: ignore[valid-type]
        default=None, description="task type, for files that are read by column"
    )
    files: dict[Split, Patterns] = Field(
        min_length=1, description="patterns, relative to this file or to a data folder; `{language}`: the language code"
    )
    columns: dict[str, Annotated[Any, AfterValidator(_column)]] = Field(
        default_factory=dict, description="with `type`: our field -> the column in the files"
    )
    quoted: bool | None = Field(default=None, description="whether table quotes delimit fields; default: by content")
    separator: Literal["comma", "semicolon", "tab", "bar"] | None = Field(
        default=None, description="column separator of a table; default: by suffix and content"
    )
    labels: tuple[Label, ...] | None = Field(
        default=None,
        min_length=2,
        description="classes or tags; default with `type`: those of the English training files",
    )
    count_from: Literal[0, 1] | None = Field(
        default=None, description="number of the first choice, if labels are numbers; default: 0 if it occurs"
    )
    metric: str | None = Field(default=None, description="with `type`: metric; default: the usual one of the type")
    languages: Codes | None = Field(
        default=None, min_length=1, description="default: all that have files, or English if files are not by language"
    )
    holdout: int = Field(default=0, ge=0, description="training examples to hold out for validation")
    max_length: int | None = Field(default=None, ge=16, description="longest input in tokens; default: by type")

    @model_validator(mode="after")
    def _fits(self) -> OwnTask:
        if (self.like is None) == (self.type is None):
            raise mistake("give either `like` (a task whose format it has) or `type` (with `columns`)")
        for split, patterns in self.files.items():
            for pattern in patterns:
                try:
                    check_pattern(pattern)
                except ValueError as error:
                    raise mistake(str(error), "files", split) from None
        labels = self.labels or ()
        if twice := [label for label in labels if labels.count(label) > 1]:
            raise mistake(f"label '{twice[0]}' occurs twice", "labels")
        if self.type is None:
            self._check_like(TASKS.get(self.like or ""), labels)
        else:
            self._check_type(self.type)
        return self

    def _check_like(self, base: Task, labels: tuple[str, ...]) -> None:
        for field in ("columns", "metric", "quoted", "separator", "count_from"):
            if getattr(self, field) not in (None, {}):
                kind = ": multiple_choice" * (field == "count_from")
                raise mistake(f"`{field}` goes with `type{kind}`; '{base.name}' has its own", field)
        if not base.labels and labels:
            raise mistake(f"{base.type} has no labels", "labels")
        if not set(labels) <= set(base.labels):
            shown = ", ".join(base.labels[:8]) + (" ..." if len(base.labels) > 8 else "")
            raise mistake(f"files like {base.name}'s have the labels {shown}; give `type` instead of `like`", "labels")

    def _check_type(self, kind: str) -> None:
        about = TYPES.get(kind)
        fields = [*about.fields, "id", "language"]
        for field, name in self.columns.items():
            if field not in fields:
                near = difflib.get_close_matches(field, fields, n=1)
                hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(fields)}"
                raise mistake(f"{kind} has no field '{field}': {hint}", "columns", field)
            if isinstance(name, tuple) and field != "choices":
                raise mistake(f"one column for '{field}'; only choices may have several", "columns", field)
            if isinstance(name, int) and kind != "tagging":
                raise mistake(f"a column of {kind} has a name; only words and tags may have numbers", "columns", field)
        if twice := held_twice(kind, self.columns):
            raise mistake(twice[1], "columns", twice[0])
        if self.metric is not None and self.metric not in about.metrics:
            raise UnknownName(f"metric of {kind}", self.metric, about.metrics)
        if self.labels and not about.labels:
            raise mistake(f"{kind} has no labels", "labels")
        if self.count_from is not None and (about.labels != "choices" or self.labels):
            what = "give it or `labels`, not both" if about.labels == "choices" else f"{kind} has no numbered choices"
            raise mistake(what, "count_from")
        if self.spans and (problem := not_spans(self.labels or ())):
            raise mistake(problem, "labels")
        if self.finds_labels and "train" not in self.files:
            raise mistake("give `labels`: without English training files they cannot be found")
        if self.finds_labels and "en" not in (self.languages or ("en",)):
            raise mistake("add en, the language of the training file, or give `labels`", "languages")
        if self.measured != "train" and len(self.spoken) > 1 and not self.by_language(self.measured):
            problem = f"one {self.measured} file for {len(self.spoken)} languages: put {{language}} into its name"
            remedy = "name the column that says the language (`columns: {language: NAME}`)"
            raise mistake(f"{problem}, or {remedy}", "files", self.measured)

    @property
    def finds_labels(self) -> bool:
        """Whether its labels are found in its training files; until then it has none."""
        return self.type is not None and TYPES.get(self.type).labels == "classes" and not self.labels

    @property
    def spans(self) -> bool:
        """Whether its tags are scored as spans."""
        return self.type == "tagging" and self.metric in (None, "entity_f1")

    @property
    def spoken(self) -> tuple[str, ...]:
        """The task's languages; by default all if the measured files are by language, else English."""
        usual = tuple(LANGUAGES) if self.by_language(self.measured) else ("en",)
        return usual if self.languages is None else self.languages

    @property
    def measured(self) -> Split:
        """The split that is measured: test, else validation, else train."""
        splits: tuple[Split, ...] = ("test", "validation", "train")
        return next(split for split in splits if split in self.files)

    def by_language(self, split: Split) -> bool:
        """Whether the files or rows of a split name their language; official formats (`like`) always do."""
        parts = [part for pattern in self.files[split] for part in pattern.split(" + ")]
        return self.type is None or "language" in self.columns or all("{" in part for part in parts)

    def task(self, name: str) -> Task:
        """The task that it declares; without labels if these are still to be found."""
        labels = self.labels or ()
        if self.type is None:
            base = TASKS.get(self.like or "")
            base = replace(base, like=base.name, languages=self.languages or base.languages)
            labels = labels or base.labels
        else:
            metric = self.metric or next(iter(TYPES.get(self.type).metrics), "")
            reader = column_reader(self.type, self.columns, labels, metric == "squad_v2", self.count_from)
            reader = replace(reader, quoted=self.quoted, separator=NAMED.get(self.separator or "", ""))
            base = replace(column_task(reader), languages=self.spoken, metric=metric)
            labels = () if TYPES.get(self.type).labels == "choices" else labels
        splits: tuple[Split, ...] = (base.evaluate_on, "test", "validation")
        return replace(
            base,
            name=name,
            files=dict(self.files),
            labels=labels,
            train_on=name if "train" in self.files else base.train_on,
            evaluate_on=next((split for split in splits if split in self.files), base.evaluate_on),
            encoding=replace(base.encoding, max_length=self.max_length or base.encoding.max_length),
        )

    def with_labels(self, name: str, root: Root) -> OwnTask:
        """This task with the sorted labels of the English training files. Raises `DataError` if they do not fit."""
        task = self.task(name)
        assert isinstance(task.read, ColumnReader)
        paths = task.paths(root, "train")
        labels = labels_in(task.read, paths, "en")
        if self.spans and (problem := not_spans(labels)):
            raise DataError(f"task '{name}': {problem}", paths[0])
        return self.model_copy(update={"labels": labels})
