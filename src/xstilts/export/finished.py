"""A finished model in a store: its head, its data's encoding, the phases it walked, its scores. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from xstilts.backbones.families import checkpoint_of
from xstilts.backbones.names import Pooling
from xstilts.core.errors import ConfigError, StoreError, UnknownName
from xstilts.core.files import read_json, read_jsonl
from xstilts.data.readers.types import TYPES, asked_type
from xstilts.evaluation.evaluate import layer_of
from xstilts.graph.record import Record
from xstilts.graph.store import Store
from xstilts.tasks import TASKS, Encoding

MODELS = ("start", "train", "choose")


class Head(NamedTuple):
    """A head as `heads.json` names it; of a model measured without head only the `type`."""

    task: str
    type: str
    labels: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """What it is asked, be the answer a head's or in text."""
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
        asked: the stage that was named: the model itself, or one that predicted or measured with it.
        model: the train or start stage.
    """

    stages: Mapping[str, Record]
    asked: Record
    model: Record

    @classmethod
    def find(cls, store: Store, key: str) -> Finished:
        """The model of the stage whose key begins with `key`.

        Raises:
            StoreError: no such stage, one that has no model, or whose model is damaged or no longer in the store.
        """
        asked = store.find(key)
        stages = {record.key: record for record in store.stages()}
        model = asked
        while model.kind in ("evaluate", "predict"):
            model = _input(model, "predictions" if model.kind == "evaluate" else "model", stages)
        if model.kind not in MODELS:
            raise StoreError(
                f"stage {asked.key} is of kind '{asked.kind}' and holds no model: name a train, predict or evaluate "
                "stage (keys: `xstilts list models`; of evaluate stages: `xstilts scores FILE --json`)"
            )
        return cls(stages, asked, store.sound(model))

    @cached_property
    def predicting(self) -> Record | None:
        """The predict stage that was named, or that the named evaluate stage read."""
        if self.asked.kind == "evaluate":
            return _input(self.asked, "predictions", self.stages)
        return self.asked if self.asked.kind == "predict" else None

    @property
    def precision(self) -> str:
        """In which the named predict stage computed, else the model's training."""
        if self.predicting is not None:
            return str(self.predicting.config["precision"])
        return str(self.model.config.get("train", {}).get("precision", "fp32"))

    @cached_property
    def heads(self) -> list[Head]:
        """The heads in the model's folder; those of its own phase first."""
        path = self.model.directory / "heads.json"
        rows = read_json(path) if path.exists() else []
        found = [Head(row["task"], row["type"], tuple(row["labels"])) for row in rows]
        own = [part["task"] for part in self.model.config.get("components", ())]
        return sorted(found, key=lambda head: head.task not in own)

    def head(self, task: str | None) -> Head:
        """The head called `task`; else that of the named predict stage, else the only one.

        Raises:
            UnknownName: there is no such head.
            ConfigError: several heads and no choice, or none at all.
        """
        named = {head.task: head for head in self.heads}
        if task is not None:
            if task not in named:
                raise UnknownName("head of this model", task, named)
            return named[task]
        if self.predicting is not None:
            config = self.predicting.config
            return named.get(config["head"]) or Head("", config["type"])
        own = [part["task"] for part in self.model.config.get("components", ())]
        trained = [head for head in self.heads if head.task in own]
        if len(trained) > 1:
            raise ConfigError(f"the model has the heads {', '.join(h.task for h in trained)}: choose one with --task")
        return trained[0] if trained else Head("", "")

    def data(self, head: Head) -> Record | None:
        """The prepared data of the named predict stage, else what the head was trained on; None if it is gone."""
        if self.predicting is not None:
            return self.stages.get(self.predicting.inputs["data"])
        return self.training_data(head)

    def training_data(self, head: Head) -> Record | None:
        """The prepared training data of a head of the model's own phase; None if it is gone."""
        for i, part in enumerate(self.model.config.get("components", ())):
            if part["task"] == head.task:
                return self.stages.get(self.model.inputs[f"data{i}"])
        return None

    def encoding(self, head: Head) -> Encoding:
        """How inputs are cut: as in `data`, else as the registered task says, else by default."""
        record = self.data(head)
        if record is not None:
            return Encoding(**record.config["encoding"])
        return TASKS.get(head.task).encoding if head.task in TASKS else Encoding()

    def retrieval(self, head: Head) -> tuple[Pooling, int | None]:
        """Pooling and layer of sentence vectors: of the named predict stage, of the training, of the checkpoint.

        The layer is the one that the named evaluate stage chose, where it chose one.

        Raises:
            ConfigError: means without special tokens, which sentence-transformers has not.
        """
        chosen: Mapping[str, Any] = {}
        if self.predicting is not None:
            chosen = self.predicting.config.get("retrieval", {})
        else:
            published = checkpoint_of(self.walk[0].config.get("hub", ""))
            if published is not None:
                chosen = {"pooling": published.retrieval.pooling, "layer": published.retrieval.layer}
            for part in self.model.config.get("components", ()):
                if part["task"] == head.task:
                    chosen = {**chosen, **part["options"]}
        if not chosen.get("special_tokens", True):
            raise ConfigError(
                "these sentence vectors leave out special tokens, which the mean of sentence-transformers takes in: "
                "export a model read with `special_tokens: true`"
            )
        layer = chosen.get("layer")
        if "validate_on" in self.asked.config:
            main = [row for _, row in read_jsonl(self.asked.file("scores.jsonl")) if row["main"]]
            layer = layer_of(main[0]["variant"])
        return chosen.get("pooling", "mean"), layer

    @cached_property
    def walk(self) -> list[Record]:
        """The stages from the start to the model, in the order in which they were trained.

        Raises:
            StoreError: one of them is no longer in the store.
        """
        walked = [self.model]
        while "model" in walked[0].inputs:
            walked.insert(0, _input(walked[0], "model", self.stages))
        return walked

    @property
    def trained(self) -> list[Record]:
        """The stages of `walk` that trained."""
        return [record for record in self.walk if record.kind != "start"]

    def scores(self) -> list[dict[str, Any]]:
        """Main score rows of all finished evaluate stages of this model, with the `type` of their task."""
        rows: list[dict[str, Any]] = []
        for record in self.stages.values():
            said = self.stages.get(record.inputs["predictions"]) if record.kind == "evaluate" else None
            if said is not None and said.inputs["model"] == self.model.key:
                for _, row in read_jsonl(record.file("scores.jsonl")):
                    if row["main"]:
                        rows.append({**row, "type": said.config["type"], "head": said.config["head"]})
        return sorted(rows, key=lambda row: (row["task"], row["language"] != "en", row["language"]))


def _input(record: Record, role: str, stages: Mapping[str, Record]) -> Record:
    key = record.inputs[role]
    if key not in stages:
        raise StoreError(f"stage {key}, the {role} of {record.kind} {record.key}, is no longer in the store")
    return stages[key]


def find_model(store: Path, key: str) -> Finished:
    """`Finished.find` in the store folder `store`, which must exist."""
    return Finished.find(Store(store, must_exist=True), key)
