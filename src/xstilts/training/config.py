"""The options of a training run, which are in the key, and their defaults by the amount of data and the model's width.

How a machine computes it: `xstilts.core.machine`.

Fine-tuning on few examples fails for lack of optimizer steps, not of examples (Mosbach et al. 2021, arXiv 2006.04884:
20 epochs, bias correction and 10 % warm-up are a strong baseline; Zhang et al. 2021, arXiv 2006.05987, find the same).
So there are at least `STEPS` steps of `BATCH` examples, and at least `EPOCHS` passes. Rates by width: Turc et al. 2019
(arXiv 1908.08962) tune BERT of 128 to 512 over 3e-5 to 3e-4, Devlin et al. 2019 (appendix A.3) base over 2e-5 to 5e-5;
jiant takes 1e-5 for XLM-R Large on XTREME. Adapters take about ten times that (Hu et al. 2022, appendix D).
"""

import math
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from xstilts.backbones.names import Backend, LoRA
from xstilts.core.strict import Strict

Select = Literal["validation", "last", "average", "oracle"]


class TrainConfig(Strict):
    """One training phase. Defaults: AdamW as in jiant's XTREME scripts (decay 0.01, epsilon 1e-8, clip 1.0, linear
    decay after 10 % warm-up). `xstilts.training.config` sets epochs and learning rate that an experiment leaves open.

    `batch_size` counts examples (windows for span QA, blocks for masked LM), as papers report it.

    `select` says which weights of the phase are kept: the best on English validation data, as in XTREME's scripts and
    jiant (the first 500 examples, every 1,000 steps, `patience: 30`), though English is a poor guide to other languages
    (Keung et al. 2020); the last; the average of the run's snapshots (Schmidt et al. 2023; their number is ours); or
    the best on the target's own languages, which is not a zero-shot result.
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
        description="peak learning rate; a list is a sweep",
        json_schema_extra={"default": "by the model's width"},
    )
    warmup: float = Field(default=0.1, ge=0, lt=1, description="share of the steps over which the learning rate rises")
    schedule: Literal["linear", "constant"] = Field(default="linear", description="linear: down to 0 by the last step")
    weight_decay: float = Field(default=0.01, ge=0, description="weight decay of AdamW")
    betas: tuple[float, float] = Field(default=(0.9, 0.999), description="decay rates of AdamW's moments")
    epsilon: float = Field(default=1e-8, gt=0, description="epsilon of AdamW")
    clip: float = Field(default=1.0, gt=0, description="gradient norm above which gradients are clipped")
    precision: Literal["fp32", "bf16"] = Field(default="fp32", description="bf16: matrix products in bf16 (autocast)")
    backend: Backend = Field(default="segments", description="implementation of packed attention")
    head_dropout: float = Field(default=0.1, ge=0, lt=1, description="dropout before a head")
    head: Literal["fresh", "keep"] = Field(default="fresh", description="keep: reuse the head of the same task")
    bucket: int = Field(default=0, ge=0, description="sort examples by length within this many batches; 0: no sorting")
    lora: LoRA | None = Field(default=None, description="train low-rank adapters and the heads; else all weights")
    quantize: Literal["nf4"] | None = Field(default=None, description="hold frozen weights under adapters in 4 bits")
    frozen_embeddings: bool = Field(default=False, description="do not train the embeddings")
    frozen_layers: int = Field(default=0, ge=0, description="number of lowest layers to freeze, with the embeddings")

    select: Select = Field(default="validation", description="which weights to keep; `oracle`: only for targets")
    checkpoints: int = Field(default=10, gt=0, description="number of snapshots, equally spaced over the phase")
    evaluate_every: int | None = Field(
        default=None, gt=0, description="steps between snapshots; overrides `checkpoints`"
    )
    subset: int = Field(default=500, ge=0, description="validation examples per language, a fixed sample; 0: all")
    patience: int | None = Field(
        default=None, gt=0, description="early stopping after this many snapshots without improvement"
    )
    average: int = Field(default=10, gt=0, description="number of last snapshots that `select: average` averages")
    restarts: int = Field(default=0, ge=0, description="number of other seeds to try if a run diverges or collapses")

    @model_validator(mode="after")
    def _adapted(self) -> Self:
        if self.select == "average" and self.lora is not None:
            raise ValueError(
                "the mean of adapters' factors is not the mean of their products: give no `average` with `lora`"
            )
        if self.quantize and self.lora is None:
            raise ValueError("weights in 4 bits cannot be trained: give `lora: {}` beside `quantize`")
        return self

    @property
    def held(self) -> dict[str, Any]:
        """Format of frozen weights under adapters (`Weights`): no more precise than the products they enter."""
        return {"dtype": "bfloat16" if self.precision == "bf16" else "float32", "quantize": self.quantize}

    def rate(self, step: int, steps: int) -> float:
        """Learning rate of optimizer step `step` (from 0) of `steps`."""
        rising = round(self.warmup * steps)
        if step < rising:
            return self.learning_rate * (step + 1) / rising
        if self.schedule == "constant":
            return self.learning_rate
        return self.learning_rate * (steps - step) / max(1, steps - rising)


STEPS, BATCH = 200, 32
"""The least a phase sees: optimizer steps, and examples of each."""
EPOCHS, MOST_EPOCHS = 2, 50
"""Passes over much data, and the most passes over little."""
ENOUGH = STEPS * BATCH // EPOCHS
"""With this many examples or more there are `EPOCHS` passes."""
RATES = ((256, 3e-4), (512, 1e-4), (768, 3e-5))
"""(Width, learning rate of models up to it); the width is the size of a hidden state."""
WIDE, UNKNOWN = 1e-5, 2e-5
"""Learning rates of wider models, and of those of unknown width."""
ADAPTED = 10.0
"""Factor of the learning rate of adapters."""


def left_open(options: TrainConfig) -> tuple[str, ...]:
    """The options that `fitted` sets: `epochs` and `learning_rate`, unless given; `steps` count as epochs."""
    said = options.model_fields_set
    epochs = ("epochs",) if "epochs" not in said and options.steps is None else ()
    return epochs + (("learning_rate",) if "learning_rate" not in said else ())


def fitted(options: TrainConfig, examples: int, width: int | None) -> TrainConfig:
    """The options with epochs by the number of examples and a learning rate by the model's width, unless given.

    `examples` is `ENOUGH` for any larger number; `width` is the size of the model's hidden states, None if unknown.
    """
    open_, chosen = left_open(options), {}
    if "epochs" in open_:
        chosen["epochs"] = float(min(max(EPOCHS, math.ceil(STEPS * BATCH / max(1, examples))), MOST_EPOCHS))
    if "learning_rate" in open_:
        rate = UNKNOWN if width is None else next((rate for most, rate in RATES if width <= most), WIDE)
        chosen["learning_rate"] = rate if options.lora is None else float(f"{ADAPTED * rate:g}")
    return options.model_copy(update=chosen)
