"""A finished model in a store: its heads, the limits of its inputs, its history and its scores; without torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Self

from xstilts.backbones.families import checkpoint_of
from xstilts.backbones.names import Pooling
from xstilts.core.errors import ConfigError, StoreError, UnknownName
from xstilts.core.files import read_json, read_jsonl
from xstilts.data.readers.types import TYPES, asked_type
from xstilts.evaluation.evaluate import layer_of
from xstilts.graph.record import Record
from xstilts.graph.store import Store
from xstilts.tasks import TASKS, Encoding


class Head(NamedTuple):
    """A head in `heads.json`; for a model that was measured without a head, only the `type`."""

    task: str
    type: str
    labels: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """The task type that it answers, with a head or in text; empty for a bare backbone."""
        return asked_type(self.type).name if self.type else ""

    @property
    def writes(self) -> bool:
        """Whether it answers in text."""
        return bool(self.type and TYPES.get(self.type).asks)


@dataclass(frozen=True)
class Finished:
    """A model and the finished stages around it.

    Attributes:
        stages: all finished stages of the store by key.
        asked: the stage that the user named: the model, or a predict or evaluate stage of it.
        model: the start, train or choose stage.
    """

    stages: Mapping[str, Record]
    asked: Record
    model: Record

    @classmethod
    def find(cls, store: Store, key: str) -> Self:
        """The model of the stage whose key begins with `key`. Raises `StoreError` if it is not in the store."""
        asked = model = store.find(key)
        stages = {record.key: record for record in store.stages()}
        while model.kind in ("evaluate", "predict"):
            model = _input(model, "predictions" if model.kind == "evaluate" else "model", stages)
        if model.kind not in ("start", "train", "choose"):
            raise StoreError(
                f"stage {asked.key} is of kind '{asked.kind}' and has no model: name a train, predict or evaluate "
                "stage (`xstilts list models` prints keys, `xstilts scores FILE --json` those of evaluate stages)"
            )
        return cls(stages, asked, store.sound(model))

    @cached_property
    def predicting(self) -> Record | None:
        """The named predict stage, or the one that the named evaluate stage reads."""
        if self.asked.kind == "evaluate":
            return _input(self.asked, "predictions", self.stages)
        return self.asked if self.asked.kind == "predict" else None

    @property
    def precision(self) -> str:
        """The precision of the named predict stage, else of the model's training."""
        if self.predicting is not None:
            return str(self.predicting.config["precision"])
        return str(self.model.config.get("train", {}).get("precision", "fp32"))

    @cached_property
    def parts(self) -> dict[str, tuple[Mapping[str, Any], Record | None]]:
        """The data of the model's last phase: task -> its component, and its prepared data (None if deleted)."""
        components = self.model.config.get("components", ())
        return {one["task"]: (one, self.stages.get(self.model.inputs[f"data{i}"])) for i, one in enumerate(components)}

    @cached_property
    def heads(self) -> list[Head]:
        """The heads in the model's folder; those of its last phase first."""
        path = self.model.directory / "heads.json"
        rows = read_json(path) if path.exists() else []
        found = [Head(row["task"], row["type"], tuple(row["labels"])) for row in rows]
        return sorted(found, key=lambda head: head.task not in self.parts)

    def head(self, task: str | None) -> Head:
        """The head of `task`; by default that of the named predict stage, else the only one.

        Raises `UnknownName`, and `ConfigError` if there are several heads and `task` is None.
        """
        named = {head.task: head for head in self.heads}
        if task is not None:
            if task not in named:
                raise UnknownName("head of this model", task, named)
            return named[task]
        if self.predicting is not None:
            config = self.predicting.config
            return named.get(config["head"]) or Head("", config["type"])
        trained = [head for head in self.heads if head.task in self.parts]
        if len(trained) > 1:
            raise ConfigError(f"the model has the heads {', '.join(h.task for h in trained)}: choose one with --task")
        return trained[0] if trained else Head("", "")

    def training_data(self, head: Head) -> Record | None:
        """The prepared training data of a head of the last phase; None if deleted."""
        return self.parts[head.task][1] if head.task in self.parts else None

    def encoding(self, head: Head) -> Encoding:
        """The limits of inputs in the named predict stage, else in training, else those of the registered task."""
        record = self.training_data(head)
        if self.predicting is not None:
            record = self.stages.get(self.predicting.inputs["data"])
        if record is not None:
            return Encoding(**record.config["encoding"])
        return TASKS.get(head.task).encoding if head.task in TASKS else Encoding()

    def retrieval(self, head: Head) -> tuple[Pooling, int | None]:
        """Pooling and layer of sentence vectors: as measured, else as trained, else as published for the checkpoint.

        Raises `ConfigError` if vectors leave out special tokens: sentence-transformers cannot do that.
        """
        chosen: dict[str, Any] = {}
        if self.predicting is not None:
            chosen = self.predicting.config.get("retrieval", {})
        else:
            if (published := checkpoint_of(self.walk[0].config.get("hub", ""))) is not None:
                chosen = {"pooling": published.pooling, "layer": published.layer}
            if head.task in self.parts:
                chosen |= self.parts[head.task][0]["options"]
        if not chosen.get("special_tokens", True):
            raise ConfigError(
                "these sentence vectors leave out special tokens, which the mean of sentence-transformers includes: "
                "export a model read with `special_tokens: true`"
            )
        layer = chosen.get("layer")
        if "validate_on" in self.asked.config:
            rows = read_jsonl(self.asked.file("scores.jsonl"))
            layer = next(layer_of(row["variant"]) for _, row in rows if row["main"])
        return chosen.get("pooling", "mean"), layer

    @cached_property
    def walk(self) -> list[Record]:
        """The stages from the start to the model, oldest first. Raises `StoreError` if one was deleted."""
        walked = [self.model]
        while "model" in walked[0].inputs:
            walked.insert(0, _input(walked[0], "model", self.stages))
        return walked

    def scores(self) -> list[dict[str, Any]]:
        """Main score rows of all finished evaluate stages of this model, with the `type` of their task."""
        rows: list[dict[str, Any]] = []
        for record in self.stages.values():
            said = self.stages.get(record.inputs["predictions"]) if record.kind == "evaluate" else None
            if said is not None and said.inputs["model"] == self.model.key:
                main = (row for _, row in read_jsonl(record.file("scores.jsonl")) if row["main"])
                rows += ({**row, "type": said.config["type"]} for row in main)
        return sorted(rows, key=lambda row: (row["task"], row["language"] != "en", row["language"]))


def _input(record: Record, role: str, stages: Mapping[str, Record]) -> Record:
    key = record.inputs[role]
    if key not in stages:
        raise StoreError(f"stage {key}, the {role} of {record.kind} {record.key}, is no longer in the store")
    return stages[key]
