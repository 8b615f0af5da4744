"""Tasks that an experiment file declares: `like` a registered one, or of a `type` with columns of files.

A worker knows no experiment file: what it needs of such a task goes through `reading` into the stage and comes back
through `revive`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from xstilts.core.codes import Codes
from xstilts.core.errors import DataError, UnknownName
from xstilts.core.languages import LANGUAGES
from xstilts.data.locate import Root, check_pattern
from xstilts.data.readers.columns import ColumnReader, column_reader, labels_in, relabelled
from xstilts.data.readers.dialects import NAMED
from xstilts.data.readers.labels import clean
from xstilts.data.readers.types import TYPES
from xstilts.metrics import METRICS
from xstilts.metrics.tagging import not_spans
from xstilts.tasks import TASKS, Encoding, Split, Task

_RENAMED = {"span_f1": "entity_f1", "span_f1_seqeval_1": "entity_f1"}
"""Metrics of own tasks by their former names."""
_ENTITY_F1 = "entity_f1"


def _label(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("YAML reads this word as true or false: put it in quotes")
    if not isinstance(value, int | str):
        return value
    if not (label := clean(str(value))):
        raise ValueError("a label is empty")
    return label


def _metric(value: Any) -> Any:
    return _RENAMED.get(value, value) if isinstance(value, str) else value


def _column(value: Any) -> Any:
    names = value if isinstance(value, list | tuple) and len(value) > 1 else [value]
    if all(isinstance(name, str) and name for name in names):
        return value if isinstance(value, str) else tuple(value)
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    raise ValueError(f"give a column's name, its number from 1, or a list of names (found: {value!r})")


def _patterns(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _wrong(problem: str, *key: str) -> PydanticCustomError:
    """A mistake in one field of a task, which is named by the field's own line."""
    return PydanticCustomError("options", "{problem}", {"problem": problem, "key": key})


class OwnTask(BaseModel):
    """A task of the user's own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    like: str | None = Field(default=None, description="registered task whose format, type and metric it has")
    type: Literal[tuple(one.name for one in TYPES if one.make)] | None = Field(  # type: ignore[valid-type]
        default=None, description="task type of files that are read by column"
    )
    files: dict[Split, Annotated[tuple[str, ...], BeforeValidator(_patterns), Field(min_length=1)]] = Field(
        min_length=1,
        description="patterns, relative to this file, else to a data folder; `{language}`: the language's code",
    )
    columns: dict[str, Annotated[Any, AfterValidator(_column)]] = Field(
        default_factory=dict, description="with `type`: our field -> the files' column"
    )
    quoted: bool | None = Field(
        default=None, description="whether quotes around a field of a table belong to the format; else by content"
    )
    separator: Literal["comma", "semicolon", "tab", "bar"] | None = Field(
        default=None, description="what columns of a table end at; else by suffix and content"
    )
    labels: tuple[Annotated[str, BeforeValidator(_label)], ...] | None = Field(
        default=None, min_length=2, description="classes or tags; with `type`: else those of the English training files"
    )
    count_from: Literal[0, 1] | None = Field(
        default=None, description="number of the first choice, where labels of choices are numbers; else 0 if it occurs"
    )
    metric: Annotated[str | None, BeforeValidator(_metric)] = Field(
        default=None, description="with `type`: else the type's usual one"
    )
    languages: Codes | None = Field(
        default=None,
        min_length=1,
        description="else all whose files are there; English where files are not by language",
    )
    holdout: int = Field(default=0, ge=0, description="training examples set apart as validation")
    max_length: int | None = Field(default=None, ge=16, description="tokens at which texts are cut; else its type's")

    @model_validator(mode="after")
    def _fits(self) -> OwnTask:
        if (self.like is None) == (self.type is None):
            raise _wrong("give either `like` (a task whose format it has) or `type` (with `columns`)")
        for split, patterns in self.files.items():
            for pattern in patterns:
                try:
                    check_pattern(pattern)
                except ValueError as error:
                    raise _wrong(str(error), "files", split) from None
        twice = [label for label in self.labels or () if (self.labels or ()).count(label) > 1]
        if twice:
            raise _wrong(f"label '{twice[0]}' occurs twice", "labels")
        if self.type is None:
            self._check_like(TASKS.get(self.like or ""))
        else:
            self._check_type(self.type)
        return self

    def _check_like(self, base: Task) -> None:
        for field in ("columns", "metric"):
            if getattr(self, field):
                raise _wrong(f"`{field}` goes with `type`; '{base.name}' has its own", field)
        labels = self.labels or ()
        if self.count_from is not None:
            raise _wrong(f"`count_from` goes with `type: multiple_choice`; '{base.name}' has its own way", "count_from")
        if not base.labels and labels:
            raise _wrong(f"{base.type} has no labels", "labels")
        if base.metric == _ENTITY_F1 and (problem := not_spans(labels)):
            raise _wrong(problem, "labels")
        if not set(labels) <= set(base.labels) and relabelled(base.read, labels) is None:
            shown = ", ".join(base.labels[:8]) + (" ..." if len(base.labels) > 8 else "")
            raise _wrong(f"files like {base.name}'s have the labels {shown}; give `type` instead of `like`", "labels")
        for field in ("quoted", "separator"):
            if getattr(self, field) is not None and set(labels) <= set(base.labels):
                raise _wrong(f"`{field}` goes with `type`; files like {base.name}'s are in its own form", field)

    def _check_type(self, kind: str) -> None:
        about = TYPES.get(kind)
        fields = [*about.fields, "id", "language"]
        for field, name in self.columns.items():
            if field not in fields:
                near = difflib.get_close_matches(field, fields, n=1)
                hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(fields)}"
                raise _wrong(f"{kind} has no field '{field}': {hint}", "columns", field)
            if isinstance(name, tuple) and field != "choices":
                raise _wrong(f"one column for '{field}'; only choices may have several", "columns", field)
            if isinstance(name, int) and kind != "tagging":
                raise _wrong(f"a column of {kind} has a name; only words and tags may be numbered", "columns", field)
        if self.metric is not None and self.metric not in about.metrics:
            raise UnknownName(f"metric of {kind}", self.metric, about.metrics)
        if self.labels and not about.labels:
            raise _wrong(f"{kind} has no labels", "labels")
        if self.count_from is not None and (about.labels != "choices" or self.labels):
            what = "give it or `labels`, not both" if about.labels == "choices" else f"{kind} has no numbered choices"
            raise _wrong(what, "count_from")
        if self.spans and (problem := not_spans(self.labels or ())):
            raise _wrong(problem, "labels")
        if self.finds_labels and ("train" not in self.files or "en" not in (self.languages or ("en",))):
            raise _wrong("give `labels`: they can only be found in English training files, and there are none")
        for split in [self.measured] if self.measured != "train" else []:
            if len(self.spoken) > 1 and not self.by_language(split):
                raise _wrong(
                    f"one {split} file for {len(self.spoken)} languages: put {{language}} into its name, or name the "
                    "column that says the language (`columns: {language: NAME}`)",
                    *("files", split),
                )

    @property
    def finds_labels(self) -> bool:
        """Whether its labels are those of its training files, so that it has none before these are read."""
        return self.type is not None and TYPES.get(self.type).labels == "classes" and not self.labels

    @property
    def spans(self) -> bool:
        """Whether its tags are scored as spans."""
        return self.type == "tagging" and (self.metric or _ENTITY_F1) == _ENTITY_F1

    @property
    def spoken(self) -> tuple[str, ...]:
        """Its languages: those it names; else all where the measured files are by language, English where not."""
        if self.languages is not None:
            return self.languages
        return tuple(LANGUAGES) if self.by_language(self.measured) else ("en",)

    @property
    def measured(self) -> Split:
        """The split that is measured: the test files, else those of validation, else those of training."""
        splits: tuple[Split, ...] = ("test", "validation", "train")
        return next(split for split in splits if split in self.files)

    def by_language(self, split: Split) -> bool:
        """Whether the languages of a split can be told apart; of official formats, that is the reader's matter."""
        parts = [part for pattern in self.files[split] for part in pattern.split(" + ")]
        return self.type is None or "language" in self.columns or all("{" in part for part in parts)


def own_task(name: str, spec: OwnTask) -> Task:
    """The task that an experiment file declares; without labels where these are still to be found."""
    if spec.type is None:
        base = TASKS.get(spec.like or "")
        new = not set(spec.labels or ()) <= set(base.labels)
        reader = relabelled(base.read, spec.labels or ()) if new else None
        reader = reader and _in_dialect(reader, spec)
        base = replace(base, like=base.name, languages=spec.languages or base.languages, read=reader or base.read)
    else:
        metric = spec.metric or next(iter(TYPES.get(spec.type).metrics), "")
        reader = column_reader(spec.type, spec.columns, spec.labels or (), metric == "squad_v2", spec.count_from)
        base = _blank(_in_dialect(reader, spec))
        main = METRICS.get(metric).main if metric else ""
        base = replace(base, languages=spec.spoken, metric=metric, main=main)
    measured: list[Split] = [split for split in (base.evaluate_on, "test", "validation") if split in spec.files]
    return replace(
        base,
        name=name,
        files={split: tuple(patterns) for split, patterns in spec.files.items()},
        labels=() if spec.type and TYPES.get(spec.type).labels == "choices" else spec.labels or base.labels,
        train_on=name if "train" in spec.files else base.train_on,
        evaluate_on=measured[0] if measured else base.evaluate_on,
        encoding=replace(base.encoding, max_length=spec.max_length or base.encoding.max_length),
    )


def _in_dialect(reader: ColumnReader, spec: OwnTask) -> ColumnReader:
    """The reader with what the file says of quotes and separators."""
    quoted = reader.quoted if spec.quoted is None else spec.quoted
    return replace(reader, quoted=quoted, separator=NAMED.get(spec.separator or "", reader.separator))


def with_labels(name: str, spec: OwnTask, root: Root) -> OwnTask:
    """The same with its labels written out: those of the English training files, sorted.

    Raises:
        DataError: the files are missing or cannot be read, their labels are in doubt, or their tags are no spans.
    """
    task = own_task(name, spec)
    assert isinstance(task.read, ColumnReader)
    paths = task.paths(root, "train")
    labels = labels_in(task.read, paths, "en")
    if spec.spans and (problem := not_spans(labels)):
        raise DataError(f"task '{name}': {problem}", paths[0])
    return spec.model_copy(update={"labels": labels})


def custom_files(task: Task) -> dict[str, list[str]]:
    """File patterns of a task, handed to the worker: a task of the experiment file is not registered there."""
    return {split: list(patterns) for split, patterns in task.files.items()}


def reading(task: Task) -> dict[str, Any]:
    """How a task of an experiment file is read, as JSON: what it is `like`, and its columns; nothing if registered."""
    told: dict[str, Any] = {"like": task.like} if task.like else {}
    return {**told, "read": task.read.to_json()} if isinstance(task.read, ColumnReader) else told


def revive(name: str, told: Mapping[str, Any], files: Mapping[str, Sequence[str]], languages: Iterable[str]) -> Task:
    """A task as a worker needs it, registered or not; `told` holds what `reading` gave, and perhaps more."""
    patterns: Any = {split: tuple(own) for split, own in files.items()}
    if "read" not in told and not told.get("like"):
        return replace(TASKS.get(name), files=patterns)
    reader = ColumnReader.from_json(told["read"]) if "read" in told else None
    if told.get("like"):
        base = TASKS.get(told["like"])
    else:
        assert reader is not None
        base = _blank(reader)
    return replace(base, name=name, files=patterns, languages=tuple(languages), read=reader or base.read)


def _blank(reader: ColumnReader) -> Task:
    """A task of which only its type and its reader are known."""
    kind = reader.type
    encoding = Encoding(max_length=TYPES.get(kind).max_length, no_answer=reader.no_answer)
    return Task("", kind, reader, {}, (), "", "", "", "", "", encoding=encoding, protocol="of the experiment file")
