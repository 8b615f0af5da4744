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
    languages: CodesOrAll = Field(min_length=1, description="whose text is read; `all`: all there")
    vocabulary: int = Field(default=12_000, gt=64, description="tokens")
    alphabet: int = Field(default=3_400, gt=0, description="most frequent characters that are kept")
    characters: int = Field(default=2_000_000, gt=0, description="characters read per language")
    split_digits: bool = Field(default=True, description="every digit is a token of its own")


class BackboneSpec(Strict):
    """A model to start from: pretrained (`source`), or random (`architecture`) and pretrained here or not."""

    name: str = Field(description="how tables call it")
    source: str | None = Field(
        default=None,
        description="short name (`xstilts list backbones`), hub name or folder; `microworld:NAME` for a shipped one",
    )
    revision: str | None = Field(default=None, description="commit on the hub; a short name has one")
    architecture: str | None = Field(default=None, description="transformers model type of a random start")
    config: dict[str, Any] = Field(default_factory=dict, description="configuration fields of a random start")
    tokenizer: TokenizerSpec | None = Field(default=None, description="vocabulary of a random start")
    pretrain: tuple[PhaseSpec, ...] = Field(default=(), description="phases that its controls and recipes start behind")
    train: Options = Field(
        default_factory=dict, description="training options of its recipes and targets, over those by task"
    )
    seed: int | None = Field(default=0, description="of a random start and its pretraining; null: the replicate's")
    route: Literal["packed", "padded"] | None = Field(
        default=None, description="how batches are laid out; else packed where the architecture can"
    )
    attention: Attention = Field(
        default="auto",
        description="of decoders: what a token sees of its segment; auto: both sides for tags, spans and masked LM",
    )
    output: Output = Field(
        default="head",
        description="head: a new head for each task; text: answers are written with the pretrained output layer",
    )
    retrieval: RetrievalSpec = Field(default=RetrievalSpec(), description="how sentence vectors are read")
    note: str = Field(default="", description="what tables say of it")
    controls: dict[ControlKind, str] = Field(
        default_factory=dict, description="`random: auto`, `english: auto` (pretrained here on English) or a source"
    )

    english_share: float = Field(
        default=1.0, gt=0, le=1, description="steps of `english: auto`, as a share of the multilingual run's"
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

    task: str = Field(description="its name, registered or your own")
    languages: Codes | None = Field(default=None, description="test languages; else all that are there")
    train: Options = Field(
        default_factory=dict, description="training options of its fine-tuning; a phase with other tasks has its own"
    )
    train_on: str | None = Field(default=None, description="task whose training split it uses; else its own")
    train_languages: Codes | None = Field(
        default=None, min_length=1, description="languages of its training data; else the experiment's source"
    )
    split: Literal["validation", "test"] | None = Field(
        default=None, description="what is measured; else the official one"
    )
    seeds: int | None = Field(default=None, gt=0, description="only the first seeds, for costly targets")
    limit: int = Field(
        default=0, ge=0, description="measure a fixed sample of so many examples of each language; 0: all"
    )

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return {"task": value} if isinstance(value, str) else value
