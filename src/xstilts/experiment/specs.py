"""Backbones and targets of an experiment file."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from xstilts.backbones.names import Attention, Output
from xstilts.core.strict import Codes, CodesOrAll, Strict
from xstilts.recipes import Options, PhaseSpec, check_replay
from xstilts.stages.resolve import RetrievalSpec, retrieval_of

ControlKind = Literal["random", "english"]


class TokenizerSpec(Strict):
    """A vocabulary to train on raw text, with equal text per language."""

    tasks: tuple[str, ...] = Field(min_length=1, description="raw-text tasks")
    languages: CodesOrAll = Field(min_length=1, description="languages of the text; `all`: all that have files")
    vocabulary: int = Field(default=12_000, gt=64, description="size in tokens")
    alphabet: int = Field(default=3_400, gt=0, description="number of characters that are kept, the most frequent ones")
    characters: int = Field(default=2_000_000, gt=0, description="characters read per language")
    split_digits: bool = Field(default=True, description="every digit is a token of its own")


class BackboneSpec(Strict):
    """A model to start from: pretrained (`source`), or random (`architecture`) and pretrained here or not."""

    name: str = Field(description="name in tables")
    source: str | None = Field(
        default=None,
        description="short name (`xstilts list backbones`), hub name or folder; `microworld:NAME`: a shipped encoder",
    )
    revision: str | None = Field(default=None, description="commit on the hub; default: pinned with a short name")
    architecture: str | None = Field(default=None, description="model type in transformers, for a random start")
    config: dict[str, Any] = Field(default_factory=dict, description="configuration fields of a random start")
    tokenizer: TokenizerSpec | None = Field(default=None, description="vocabulary of a random start")
    pretrain: tuple[PhaseSpec, ...] = Field(default=(), description="phases of pretraining here")
    train: Options = Field(default_factory=dict, description="training options, over those by task")
    seed: int | None = Field(default=0, description="of a random start; null: as in `seeds:`")
    route: Literal["packed", "padded"] | None = Field(
        default=None, description="layout of batches; default: packed if the architecture supports it"
    )
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
    controls: dict[ControlKind, str] = Field(
        default_factory=dict,
        description="`random: auto`; `english: auto` (pretrained here on English alone), or a source",
    )

    english_share: float = Field(
        default=1.0, gt=0, le=1, description="steps of `english: auto` as a share of those of multilingual pretraining"
    )

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
    train: Options = Field(default_factory=dict, description="training options of its fine-tuning alone")
    train_on: str | None = Field(default=None, description="task whose training split it uses; default: the task's own")
    train_languages: Codes | None = Field(
        default=None, min_length=1, description="of its training data; default: the source language"
    )
    split: Literal["validation", "test"] | None = Field(
        default=None, description="split that is measured; default: the official one"
    )
    seeds: int | None = Field(default=None, gt=0, description="number of seeds, the first ones, for costly targets")
    limit: int = Field(default=0, ge=0, description="fixed sample of each language to measure; 0: all")
