"""Backbones that write text: probabilities of answers to prompts, and constrained generation.

A decoder reads prompt and answer as one segment of a pack. An encoder-decoder reads a pack of prompts with its encoder,
and the padded answers with its decoder.
Shape suffixes: T tokens of the pack, S segments, N answers, A tokens of all answers, L longest, V vocabulary, H hidden.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import GenerationConfig

from xstilts.backbones.attention import NAME
from xstilts.backbones.backbone import HALF_TOLERANCE, TOLERANCE, Backbone
from xstilts.backbones.coder import Ids
from xstilts.backbones.dropout import identities
from xstilts.backbones.families import bias_of_longest
from xstilts.backbones.packing import Packed, pack
from xstilts.core.errors import BackboneError

Allowed = Callable[[int, Sequence[int]], list[int]]
"""(number of the prompt, tokens so far) -> allowed next tokens."""


def pack_answers(
    prompts: Sequence[Ids], answers: Sequence[Ids], owner: Sequence[int], decoder: bool
) -> tuple[Packed, dict[str, Tensor]]:
    """Prompts with answers as one pack, and targets for `log_probabilities`.

    Prompts begin with the tokens that open a text, answers end with the end token; `owner` has the number of each
    answer's prompt. Targets are `token_A`; `answer_A`: the answer of each token; `place_A`: for a decoder the place of
    the state that predicts it, else its place in the flattened grid of answers; for an encoder-decoder also `answer_NL`
    (padded with -1) and `prompt_N`.
    """
    lengths = [len(answer) for answer in answers]
    token_A = torch.from_numpy(np.concatenate(answers).astype(np.int64))
    targets = {"token_A": token_A, "answer_A": torch.arange(len(answers)).repeat_interleave(torch.tensor(lengths))}
    if decoder:
        packed = pack([np.concatenate([prompts[k], answer[:-1]]) for k, answer in zip(owner, answers, strict=True)])
        before = packed.starts_S + torch.tensor([len(prompts[k]) - 1 for k in owner])
        targets["place_A"] = torch.cat([begin + torch.arange(n) for begin, n in zip(before, lengths, strict=True)])
        return packed, targets
    grid = torch.full((len(answers), max(lengths)), -1)
    grid[torch.arange(grid.shape[1]) < torch.tensor(lengths)[:, None]] = token_A
    targets["place_A"] = (grid.flatten() >= 0).nonzero().squeeze(1)
    targets |= {"answer_NL": grid, "prompt_N": torch.tensor(owner)}
    return pack([np.concatenate([prompt, answers[0][-1:]]) for prompt in prompts]), targets


def log_probabilities(backbone: Backbone, states_TH: Tensor, packed: Packed, targets: Mapping[str, Tensor]) -> Tensor:
    """Log probabilities of all tokens of the answers, [A] float32, from the states of `pack_answers`'s pack."""
    if backbone.decoder:
        logits_AV: Tensor = backbone.model.get_output_embeddings()(states_TH[targets["place_A"]])
        return logits_AV.float().log_softmax(-1).gather(1, targets["token_A"][:, None]).squeeze(1)
    row_N = packed.segment_T[packed.starts_S][targets["prompt_N"]]
    mask_SL = packed.pad(torch.ones_like(packed.ids_T))
    answer_NL = targets["answer_NL"]
    before_NL = torch.full_like(answer_NL, start_token(backbone.config))
    before_NL[:, 1:] = answer_NL[:, :-1].clamp(min=0)
    if backbone.decoder_hashed is not None:
        backbone.decoder_hashed.begin(None)
        if backbone.training and packed.keys_S is not None:
            # Positions are negative, since those of the prompt are 0, 1 ...
            places_L = -1 - torch.arange(answer_NL.shape[1], device=answer_NL.device)
            backbone.decoder_hashed.begin(packed.seed, identities(packed.keys_S[row_N][:, None], places_L))
    read = {"encoder_outputs": (packed.pad(states_TH)[row_N],), "attention_mask": mask_SL[row_N]}
    output = backbone.model(**read, decoder_input_ids=before_NL, use_cache=False)
    logits_AV = output.logits.flatten(0, 1)[targets["place_A"]]
    return logits_AV.float().log_softmax(-1).gather(1, targets["token_A"][:, None]).squeeze(1)


def start_token(config: Any) -> int:
    """The first input token of an encoder-decoder's decoder."""
    start = getattr(config, "decoder_start_token_id", None)
    return int(config.pad_token_id if start is None else start)


@torch.inference_mode()
def generate(
    backbone: Backbone, prompts: Sequence[Ids], end: int, longest: int, allowed: Allowed | None = None
) -> list[list[int]]:
    """Greedy answers of at most `longest` tokens, by transformers' generation with its own attention.

    `end` is the token that ends an answer, which is left out; an encoder-decoder also reads it after the prompt.
    """
    device = backbone.embeddings.device
    rows = [np.asarray(p) if backbone.decoder else np.append(p, end) for p in prompts]
    width = max(len(row) for row in rows)
    pad = end if backbone.config.pad_token_id is None else int(backbone.config.pad_token_id)
    ids, mask = torch.full((len(rows), width), pad), torch.zeros((len(rows), width), dtype=torch.long)
    for i, row in enumerate(rows):
        place = slice(width - len(row), width) if backbone.decoder else slice(0, len(row))
        ids[i, place], mask[i, place] = torch.from_numpy(row.astype(np.int64)), 1
    known = width if backbone.decoder else 1
    options = GenerationConfig(max_new_tokens=longest, do_sample=False, eos_token_id=end, pad_token_id=pad)
    if not backbone.decoder:
        options.decoder_start_token_id = start_token(backbone.config)
    guide = None if allowed is None else lambda i, written: allowed(i, written[known:].tolist())
    with _library_attention(backbone):
        written = backbone.model.generate(
            ids.to(device), attention_mask=mask.to(device), generation_config=options, prefix_allowed_tokens_fn=guide
        )
    answers = [row[known:].tolist() for row in written]
    return [tokens[: tokens.index(end)] if end in tokens else tokens for tokens in answers]


@contextmanager
def _library_attention(backbone: Backbone) -> Iterator[None]:
    if backbone.family.positions == "relative":
        bias_of_longest(backbone.body, None)
    if backbone.route == "padded":
        yield
        return
    backbone.body.set_attn_implementation(backbone.library_attention)
    try:
        yield
    finally:
        backbone.body.set_attn_implementation(NAME)


def by_library(model: Any, prompt: Ids, answer: Ids) -> Tensor:
    """Log probabilities of all tokens of one answer, [A], by a transformers model's own forward pass."""
    device = model.get_input_embeddings().weight.device
    told = torch.from_numpy(answer.astype(np.int64)).to(device)
    if model.config.is_encoder_decoder:
        before = torch.from_numpy(np.append(prompt, answer[-1:]).astype(np.int64)).to(device)
        read = torch.cat([told.new_tensor([start_token(model.config)]), told[:-1]])
        logits_AV = model(before[None], decoder_input_ids=read[None]).logits[0]
    else:
        before = torch.from_numpy(np.append(prompt, answer).astype(np.int64)).to(device)
        logits_AV = model(before[None]).logits[0, len(prompt) - 1 : -1]
    scores_A: Tensor = logits_AV.float().log_softmax(-1).gather(1, told[:, None]).squeeze(1)
    return scores_A


@torch.no_grad()
def check_text(backbone: Backbone) -> None:
    """Raises `BackboneError` if an output layer scales or caps its logits, or the like.

    Then log probabilities of answers differ from the library's, by more than 1e-4, or 5 % in less than 32 bits.
    """
    prompt, answer = np.arange(3, 8), np.asarray([4, 6, 2])
    training, device = backbone.training, backbone.embeddings.device
    backbone.eval()
    packed, targets = pack_answers([prompt], [answer], [0], backbone.decoder)
    packed, targets = packed.to(device), {name: value.to(device) for name, value in targets.items()}
    ours = log_probabilities(backbone, backbone(packed), packed, targets)
    with _library_attention(backbone):
        theirs = by_library(backbone.model, prompt, answer)
    backbone.train(training)
    error = float((ours - theirs).abs().max())
    if not error <= (TOLERANCE if backbone.full_precision else HALF_TOLERANCE * float(theirs.abs().max())):
        raise BackboneError(
            f"answers of {type(backbone.model).__name__} have other probabilities than in transformers (difference "
            f"{error:.2g}): its output layer is not a plain projection; use `output: head`"
        )
