"""Word alignment by embeddings (SimAlign, Jalili Sabet et al. 2020, arXiv 2004.08728): `Argmax`, over sub-words.

Two sub-words are aligned when each is the other's nearest by cosine of their hidden states, and two words when any of
their sub-words are. The paper finds layer 8 of 12 best for multilingual BERT and XLM-R: two thirds of the depth.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from xstilts.backbones.backbone import Backbone
from xstilts.backbones.coder import Coder
from xstilts.backbones.packing import micro_batches, pack
from xstilts.translation.project import Alignment, Words

DEPTH = 2 / 3


class Aligner:
    """Aligns pairs of sentences by one hidden state (`layer`) of an encoder, `tokens` at a time."""

    def __init__(self, backbone: Backbone, device: str = "cpu", tokens: int = 8192) -> None:
        self.layer = round(DEPTH * backbone.layers)
        self.backbone, self.device, self.tokens = backbone.eval().to(device), device, tokens
        self.coder = Coder(backbone.tokenizer)
        self.longest = min(512, int(getattr(backbone.config, "max_position_embeddings", 512)) - 2)

    def __call__(self, pairs: Sequence[tuple[Words, Words]]) -> list[Alignment]:
        """The alignments of pairs of sentences; each sentence has words."""
        states = self._states([words for pair in pairs for words in pair])
        both = zip(states[::2], states[1::2])
        return [_aligned(one, other, (len(a), len(b))) for (one, other), (a, b) in zip(both, pairs)]

    @torch.no_grad()
    def _states(self, sentences: Sequence[Words]) -> list[tuple[Tensor, np.ndarray]]:
        """For each sentence the unit states of its sub-words, [n, H], and the word of each; long sentences are cut."""
        segments, owners = [], []
        for words in sentences:
            pieces = self.coder.word_pieces(words)
            owners.append(np.repeat(np.arange(len(words)), [len(ids) for ids in pieces]))
            segments.append(self.coder.one(np.concatenate(pieces), self.longest).ids)
        before, after = len(self.coder.single.before), len(self.coder.single.after)
        found: list[tuple[Tensor, np.ndarray]] = [(torch.empty(0), np.empty(0))] * len(sentences)
        for rows in micro_batches(np.array([len(ids) for ids in segments]), self.tokens) if segments else []:
            batch = pack([segments[row] for row in rows]).to(self.device)
            state_TH = self.backbone.hidden_states(batch, right_context=True)[self.layer].float().cpu()
            for row, start in zip(rows, batch.starts_S.tolist(), strict=True):
                own = state_TH[start + before : start + len(segments[row]) - after]
                found[row] = torch.nn.functional.normalize(own, dim=-1), owners[row][: len(own)]
        return found


def _aligned(first: tuple[Tensor, np.ndarray], second: tuple[Tensor, np.ndarray], words: tuple[int, int]) -> Alignment:
    (source_NH, of_source), (target_MH, of_target) = first, second
    similar_NM = source_NH @ target_MH.T
    forward, backward = similar_NM.argmax(1).tolist(), similar_NM.argmax(0).tolist()
    links = {(int(of_source[i]), int(of_target[j])) for i, j in enumerate(forward) if backward[j] == i}
    best_M = similar_NM.max(0).values.tolist()
    nearest, strength = [0] * words[1], [-2.0] * words[1]
    for j, (i, value) in enumerate(zip(backward, best_M, strict=True)):
        if value > strength[of_target[j]]:
            nearest[of_target[j]], strength[of_target[j]] = int(of_source[i]), value
    return Alignment(frozenset(links), tuple(nearest))
