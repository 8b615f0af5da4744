"""A model that answers in text as transformers' own language model, and its answers' probabilities compared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from xstilts.backbones.backbone import Backbone, autocast
from xstilts.backbones.coder import Coder, Ids
from xstilts.backbones.load import auto_class, save_backbone
from xstilts.backbones.text import by_library, log_probabilities, pack_answers, start_token
from xstilts.export.build import reopen
from xstilts.export.check import difference, refuse_different, sample_features
from xstilts.export.finished import Head
from xstilts.export.opening import Source
from xstilts.tasks import Encoding

ANSWER = 3
"""Tokens of the answers that are compared."""


def write_text_model(source: Source, head: Head, directory: Path) -> tuple[Any, float]:
    """Write the whole model with its tokenizer, and read it back.

    Returns:
        what was read back, and the largest difference of an answer's log probabilities from ours.

    Raises:
        BackboneError: the folder gives other probabilities.
    """
    backbone = source.backbone
    save_backbone(backbone, directory)
    model = reopen(auto_class(backbone.config, "text"), directory).eval()
    start = 0 if backbone.decoder else start_token(backbone)
    with torch.inference_mode():
        asked = _samples(backbone, head, source.encoding)
        theirs = [by_library(model, backbone.decoder, start, *pair) for pair in asked]
    found = difference(our_answers(backbone, head, source.encoding), theirs)
    refuse_different(found, type(model).__name__, "nothing was exported")
    return model, found


@torch.inference_mode()
def our_answers(backbone: Backbone, head: Head, limits: Encoding, precision: str = "fp32") -> list[Tensor]:
    """Log probabilities of the tokens of an answer to each sampled prompt."""
    backbone.eval()
    found = []
    with autocast(precision, "cpu"):
        for prompt, answer in _samples(backbone, head, limits):
            packed, targets = pack_answers([prompt], [answer], [0], backbone.decoder)
            found.append(log_probabilities(backbone, backbone(packed), packed, targets))
    return found


def _samples(backbone: Backbone, head: Head, limits: Encoding) -> list[tuple[Ids, Ids]]:
    """Prompts as training writes them, each with its own first tokens as the answer: any will do."""
    coder = Coder(backbone.tokenizer)
    features = sample_features(coder, head.type, limits, head.labels)
    prompts = [features.instance(row)[0] for row in range(len(features))]
    return [(prompt, np.append(prompt[:ANSWER], coder.end_id)) for prompt in prompts]
