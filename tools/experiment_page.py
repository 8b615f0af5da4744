"""Writes the tables of docs/experiment.md from the models that validate experiment files."""

from __future__ import annotations

from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from marked import write
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from xstilts.backbones.names import LoRA
from xstilts.experiment import Experiment
from xstilts.experiment.specs import BackboneSpec, OwnTask, TargetSpec, TokenizerSpec
from xstilts.recipes import Component, PhaseSpec, Recipe
from xstilts.stages.resolve import LayerSpec, RetrievalSpec
from xstilts.studies.spec import Bounded, Claim, Contrast, Effect, StudySpec
from xstilts.training.config import TrainConfig
from xstilts.translation.spec import EngineSpec, Quality

MODELS: Mapping[type[BaseModel], str] = {
    Experiment: "The file",
    BackboneSpec: "A backbone",
    TokenizerSpec: "`tokenizer:` of a backbone",
    RetrievalSpec: "`retrieval:` of a backbone",
    LayerSpec: "`layer:` of `retrieval:`",
    Recipe: "A recipe",
    PhaseSpec: "A phase of a recipe or of `pretrain:`",
    Component: "A component of a phase",
    TargetSpec: "A target",
    TrainConfig: "`train:` and `tuning:`",
    LoRA: "`lora:` of `train:`",
    OwnTask: "A task of your own",
    EngineSpec: "An engine of `translations:`",
    Quality: "`quality:` of an engine",
    StudySpec: "`study:`",
    Effect: "An effect of `study:`",
    Claim: "A claim of `study:`",
    Contrast: "`contrast:` of an effect, and of `test:`",
    Bounded: "`test:` of a claim, beside those of `contrast:`",
}
PLAIN = {str: "text", int: "whole number", float: "number", bool: "true or false"}


def tables() -> str:
    """One section a model."""
    return "\n\n".join(f"## {title}\n\n{table(model)}" for model, title in MODELS.items())


def table(model: type[BaseModel]) -> str:
    """One line a key."""
    rows = ["| key | value | default | meaning |", "|---|---|---|---|"]
    for name, field in model.model_fields.items():
        if any(name in base.model_fields for base in model.__bases__ if base in MODELS):
            continue  # stands in the other table
        assert field.description, f"{model.__name__}.{name} has no description"
        meaning = field.description.replace("|", "\\|")
        rows.append(f"| `{field.alias or name}` | {value(field.annotation)} | {default(field)} | {meaning} |")
    return "\n".join(rows)


def value(kind: Any) -> str:
    """What a value may be, in words."""
    origin, inner = get_origin(kind), get_args(kind)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return "see below"
    if origin is Literal:
        return ", ".join(f"`{one}`" for one in inner if one not in ("", None))
    if origin in (Union, UnionType):
        return " or ".join(value(one) for one in inner if one is not NoneType)
    if origin is tuple:
        listed = f"list of {len(inner)}" if Ellipsis not in inner else "list"
        return listed if inner[0] in PLAIN or inner[0] not in MODELS else "list, see below"
    if origin is dict:
        return "name: value" + ("" if inner[1] not in MODELS else ", see below")
    if hasattr(kind, "__metadata__"):
        return value(inner[0])
    return PLAIN.get(kind, "a value")


def default(field: FieldInfo) -> str:
    """The default; empty where there is none or nothing."""
    if field.is_required():
        return "must be given"
    if "default" in (told := field.json_schema_extra or {}):
        return str(told["default"])
    if field.default_factory_takes_validated_data:  # depends on other fields; the description says how
        return ""
    made = field.get_default(call_default_factory=True)
    if made in (None, "", (), {}) or isinstance(made, BaseModel):
        return ""
    return f"`{str(made).lower() if isinstance(made, bool) else list(made) if isinstance(made, tuple) else made}`"


if __name__ == "__main__":
    write("experiment.md", "tables", tables())
