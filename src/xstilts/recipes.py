"""Recipes: phases of mixtures, as an experiment file writes them.

[]                                    no intermediate task: the baseline
[mnli]                                one
[squad_v1, mnli]                      one after the other
[[mnli, squad_v1]]                    together, in one phase
[{tasks: [mnli, {task: text_ud, languages: [de, ru], rate: 0.3}]}]     with masked LM beside the task
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from xstilts.core.errors import UnknownName
from xstilts.core.languages import language
from xstilts.core.yaml_lines import check_fields
from xstilts.tasks import Task
from xstilts.training.config import TrainConfig
from xstilts.training.mixture import CAP, Sampling
from xstilts.translation.spec import SOURCE, TRANSLATED, EngineSpec


class Strict(BaseModel):
    """A value of an experiment file: unknown keys are errors, nothing changes after it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Options = Annotated[dict[str, Any], AfterValidator(check_fields(TrainConfig))]
"""Some training options, checked where they are written."""


class Component(Strict):
    """A task in a mixture; in a file, its name alone will do."""

    task: str
    languages: tuple[str, ...] = Field(default=("en",), description="languages of its training data; `all`: all there")
    rate: float | None = Field(default=None, ge=0, le=1, description="share of the steps; else by size")
    weight: float = Field(default=1.0, gt=0, description="factor of its loss")
    options: dict[str, float] = Field(default_factory=dict, description="of its task type: `rate` of masking ...")
    exponent: float = Field(default=0.3, ge=0, le=1, description="languages are drawn by size to this power")
    translated_by: str = Field(default="", description="of `translations`: where its languages but English come from")

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return {"task": value} if isinstance(value, str) else value

    @property
    def label(self) -> str:
        """`mnli`, or with translations `mnli (opus: de, ru)`."""
        codes = [code for code in self.languages if code != SOURCE]
        shown = ", ".join(codes) if len(codes) <= 4 else f"{len(codes)} languages"
        return f"{self.task} ({self.translated_by}: {shown})" if self.translated_by else self.task


def check_translated(part: Component, task: Task, engines: Mapping[str, EngineSpec]) -> None:
    """Refuse a component that its engine cannot translate.

    Raises:
        UnknownName: no such engine.
        ValueError: a task without English training data or of another type, or no language but English.
    """
    if part.translated_by not in engines:
        raise UnknownName("translation", part.translated_by, engines)
    if task.type not in TRANSLATED or SOURCE not in task.languages or "train" not in task.files:
        raise ValueError(
            f"'{task.name}' cannot be translated: that is for {', '.join(TRANSLATED)} with English training data"
        )
    for code in part.languages:
        if code == "all":
            raise ValueError(f"'{task.name}' is translated: name its languages, as in languages: [en, de, sw]")
        language(code)
    if not set(part.languages) - {SOURCE}:
        raise ValueError(f"'{task.name}' is trained on English alone: name more languages, or drop `translated_by`")


class PhaseSpec(Strict):
    """One training run over one mixture; in a file, a task's name or a list of them will do."""

    tasks: tuple[Component, ...] = Field(min_length=1)
    sampling: Sampling = "proportional"
    cap: int = Field(default=CAP, gt=0, description="largest size that counts for sampling and epochs")
    temperature: float = Field(default=2.0, gt=0)
    train: Options = Field(default_factory=dict, description="training options of this phase")

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"tasks": [value]}
        return {"tasks": value} if isinstance(value, list) else value

    @property
    def label(self) -> str:
        """`mnli`, or `{mnli, squad_v1}` for a mixture."""
        names = [part.label for part in self.tasks]
        return names[0] if len(names) == 1 else "{" + ", ".join(names) + "}"

    def options(self, *layers: dict[str, Any]) -> TrainConfig:
        """Training options: the layers in order, then this phase's own."""
        merged: dict[str, Any] = {}
        for layer in (*layers, self.train):
            merged.update(layer)
        return TrainConfig(**merged)


class Recipe(Strict):
    """The phases before the target; in a file, the list of them will do."""

    phases: tuple[PhaseSpec, ...] = ()
    name: str = Field(default="", description="how tables call it; else its phases")

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return {"phases": value} if isinstance(value, list) else value

    @property
    def label(self) -> str:
        """`[]`, `[mnli]`, `[squad_v1, mnli]`, `[{mnli, squad_v1}]`, or the given name."""
        return self.name or "[" + ", ".join(phase.label for phase in self.phases) + "]"
