"""The options of a training run, which are in the key. How a machine computes it: `xstilts.core.machine`."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from xstilts.backbones.names import Backend, LoRA
from xstilts.core.strict import Strict

Select = Literal["validation", "last", "average", "oracle"]


class TrainConfig(Strict):
    """One training phase. Defaults: AdamW as in jiant's XTREME scripts (decay 0.01, epsilon 1e-8, clip 1.0, linear
    decay after 10 % warm-up). `xstilts.training.defaults` sets epochs and learning rate that an experiment leaves open.

    `batch_size` counts examples (windows for span QA, blocks for masked LM), as papers report it.

    `select` says which weights of the phase are kept: the best on English validation data, as in XTREME's scripts and
    jiant (the first 500 examples, every 1,000 steps, `patience: 30`), though English is a poor guide to other languages
    (Keung et al. 2020); the last; the average of the run's snapshots (Schmidt et al. 2023; their number is ours); or
    the best on the target's own languages, which is no zero-shot result.
    """

    epochs: float = Field(
        default=2.0,
        gt=0,
        description="passes over the (capped) data; ignored when steps is given",
        json_schema_extra={"default": "by the data's size"},
    )
    steps: int | None = Field(default=None, gt=0, description="optimizer steps")
    batch_size: int = Field(default=32, gt=0, description="examples per optimizer step")
    learning_rate: float = Field(
        default=2e-5,
        gt=0,
        description="the largest; a list in a file is a sweep",
        json_schema_extra={"default": "by the model's width"},
    )
    warmup: float = Field(default=0.1, ge=0, lt=1, description="share of the steps with a rising rate")
    schedule: Literal["linear", "constant"] = Field(default="linear", description="linear: down to 0 by the last step")
    weight_decay: float = Field(default=0.01, ge=0, description="of AdamW; so are the next two")
    betas: tuple[float, float] = Field(default=(0.9, 0.999), description="decay of the moments")
    epsilon: float = Field(default=1e-8, gt=0, description="beside the second moment's root")
    clip: float = Field(default=1.0, gt=0, description="largest norm of the gradient")
    precision: Literal["fp32", "bf16"] = Field(default="fp32", description="bf16: products under autocast")
    backend: Backend = Field(default="segments", description="of packed attention")
    head_dropout: float = Field(default=0.1, ge=0, lt=1, description="before a head")
    head: Literal["fresh", "keep"] = Field(default="fresh", description="keep: reuse the head of the same task")
    bucket: int = Field(default=0, ge=0, description="batches among which examples are sorted by length; 0: none")
    lora: LoRA | None = Field(default=None, description="train low-rank adapters and the heads; else all weights")
    quantize: Literal["nf4"] | None = Field(default=None, description="frozen weights in 4 bits under the adapters")
    frozen_embeddings: bool = Field(default=False, description="do not train the embeddings")
    frozen_layers: int = Field(default=0, ge=0, description="lowest layers, with the embeddings, that are not trained")

    select: Select = Field(default="validation", description="weights that are kept; `oracle`: only for targets")
    checkpoints: int = Field(default=10, gt=0, description="snapshots, equally spaced over the phase")
    evaluate_every: int | None = Field(default=None, gt=0, description="steps between snapshots, instead")
    subset: int = Field(default=500, ge=0, description="validation examples of each language, a fixed sample; 0: all")
    patience: int | None = Field(default=None, gt=0, description="snapshots without a better one before it stops")
    average: int = Field(default=10, gt=0, description="last snapshots of which `select: average` is the mean")
    restarts: int = Field(default=0, ge=0, description="other seeds tried in turn where a run diverges or collapses")

    @model_validator(mode="after")
    def _averaged(self) -> TrainConfig:
        if self.select == "average" and self.lora is not None:
            raise ValueError(
                "the mean of adapters' factors is not the mean of their products: give no `average` with `lora`"
            )
        return self

    @model_validator(mode="after")
    def _adapted(self) -> TrainConfig:
        if self.quantize and self.lora is None:
            raise ValueError("weights in 4 bits cannot be trained: give `lora: {}` beside `quantize`")
        return self

    @property
    def held(self) -> dict[str, Any]:
        """How frozen weights under adapters are held (`Weights`): no more digits than the products they enter."""
        return {"dtype": "bfloat16" if self.precision == "bf16" else "float32", "quantize": self.quantize}

    def rate(self, step: int, steps: int) -> float:
        """Learning rate of optimizer step `step` (from 0) of `steps`."""
        rising = round(self.warmup * steps)
        if step < rising:
            return self.learning_rate * (step + 1) / rising
        if self.schedule == "constant":
            return self.learning_rate
        return self.learning_rate * (steps - step) / max(1, steps - rising)
