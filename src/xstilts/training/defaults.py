"""Default epochs and learning rate of a phase: by the number of examples and the model's width.

Fine-tuning on few examples fails for lack of optimizer steps, not of examples (Mosbach et al. 2021, arXiv 2006.04884:
20 epochs, bias correction and 10 % warm-up are a strong baseline; Zhang et al. 2021, arXiv 2006.05987, find the same).
So there are at least `STEPS` steps of `BATCH` examples, and at least `EPOCHS` passes. Rates by width: Turc et al. 2019
(arXiv 1908.08962) tune BERT of 128 to 512 over 3e-5 to 3e-4, Devlin et al. 2019 (appendix A.3) base over 2e-5 to 5e-5;
jiant takes 1e-5 for XLM-R Large on XTREME. Adapters take about ten times that (Hu et al. 2022, appendix D).
"""

from __future__ import annotations

import math

from xstilts.training.config import TrainConfig

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

    Args:
        examples: that the phase trains on; `ENOUGH` for any larger number.
        width: size of the model's hidden states; None if unknown.
    """
    open_, chosen = left_open(options), {}
    if "epochs" in open_:
        chosen["epochs"] = float(min(max(EPOCHS, math.ceil(STEPS * BATCH / max(1, examples))), MOST_EPOCHS))
    if "learning_rate" in open_:
        rate = UNKNOWN if width is None else next((rate for most, rate in RATES if width <= most), WIDE)
        chosen["learning_rate"] = rate if options.lora is None else float(f"{ADAPTED * rate:g}")
    return options.model_copy(update=chosen)
