"""Pretraining objectives: their losses are transformers' own, however a batch is cut, and they fall."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import AutoModelForMaskedLM

from backbones.tiny_models import BY_NAME, TEXT, decoder_tokenizer, t5_tokenizer, tiny_backbone
from task_types.samples import CODER, LINES, PAIRS, PARALLEL, as_part, rng, whole
from xstilts.backbones.backbone import Backbone, autocast
from xstilts.backbones.coder import Coder, VocabularyConfig, train_tokenizer
from xstilts.backbones.load import random_backbone
from xstilts.backbones.packing import micro_batches
from xstilts.backbones.text import start_token
from xstilts.core.errors import BackboneError, DataError
from xstilts.core.machine import Machine
from xstilts.data.examples import PlainText, TextExample
from xstilts.task_types import TASK_TYPES, TaskType
from xstilts.task_types.features import Features
from xstilts.task_types.masked_lm import Masking, TranslationLM
from xstilts.task_types.raw_text import CausalLM, SpanCorruption, corrupt, sentinels_of, spans
from xstilts.task_types.sentences import pool
from xstilts.task_types.simcse import SimCSE, triples, views_differ
from xstilts.tasks import Encoding
from xstilts.training.config import TrainConfig
from xstilts.training.loop import Losses, Phase, make_optimizer, train
from xstilts.training.mixture import Part
from xstilts.training.model import HeadSpec, TaskModel, restore_heads, save_model_heads
from xstilts.training.plan import Plan, Source

LIMITS = Encoding(max_length=32, paired=0.5)
NLI = (
    *PAIRS,
    TextExample("p4", "где дом ?", "the dog", "entailment"),
    TextExample("p5", TEXT[4], "Haus", "contradiction"),
)
DATA: dict[str, Any] = {
    "masked_lm": LINES,
    "causal_lm": LINES,
    "span_corruption": LINES,
    "translation_lm": PARALLEL,
    "contrastive": PARALLEL,
    "simcse": LINES,
}


@cache
def coder_of(name: str) -> Coder:
    if name == "causal_lm":
        return Coder(decoder_tokenizer())
    return Coder(train_tokenizer(TEXT * 3, VocabularyConfig(200, sentinels=32))) if name == "span_corruption" else CODER


def backbone_of(name: str) -> Backbone:
    sizes: dict[str, Any] = {"d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_heads": 4, "dropout_rate": 0.0}
    if name == "span_corruption":
        return random_backbone("mt5", sizes, coder_of(name).tokenizer, 0, output="text").eval()
    if name == "causal_lm":
        fields = {k: v for k, v in BY_NAME["qwen3"].fields.items() if k != "vocab_size" and not k.endswith("token_id")}
        return random_backbone("qwen3", fields, coder_of(name).tokenizer, 0, output="text").eval()
    quiet = 0.1 if name == "simcse" else 0.0
    return tiny_backbone(tokenizer=CODER.tokenizer, hidden_dropout_prob=quiet, attention_probs_dropout_prob=0.0)


def features_of(name: str, examples: Any = None) -> Features:
    return TASK_TYPES.get(name).encode(examples or DATA[name] * 2, coder_of(name), LIMITS, ())


def loss_of(task_type: TaskType, backbone: Backbone, batch: Any) -> Tensor:
    head = task_type.head(backbone, (), 0.0)
    return task_type.loss(head, backbone(batch.packed, task_type.right_context), batch).detach()


def phase_of(name: str, config: TrainConfig) -> Phase:
    features = as_part(features_of(name))
    source = Source.single("data", np.asarray(features.lengths))
    assert config.steps is not None
    plan = Plan((source,), (1.0,), config.batch_size, config.steps, 1)
    return Phase((Part("data", name),), (TASK_TYPES.get(name),), (features,), plan, config)


@pytest.mark.parametrize("name", DATA)
def test_the_loss_falls(name: str) -> None:
    config = TrainConfig(steps=24, batch_size=6, learning_rate=5e-3, head_dropout=0.0)
    backbone = backbone_of(name)
    model = TaskModel(backbone, [HeadSpec("data", name, ())], 0.0, 1)
    phase = phase_of(name, config).suited(backbone)
    losses = [float(record.loss) for record in train(model, phase, make_optimizer(model, config), Machine())]
    assert np.mean(losses[-6:]) < 0.85 * np.mean(losses[:3]), losses


@pytest.mark.parametrize("name", ["causal_lm", "span_corruption", "translation_lm"])
def test_the_gradient_does_not_depend_on_how_a_batch_is_cut(name: str) -> None:
    task_type, features, found = TASK_TYPES.get(name), features_of(name), []
    rows = np.arange(len(features))
    for budget in (10_000, 40):
        backbone = backbone_of(name)
        torch.manual_seed(0)
        head = task_type.head(backbone, (), 0.0)
        groups = micro_batches(features.lengths[rows], budget)
        batches = list(task_type.micro_batches(features, rows, groups, rng(3)))
        for batch in batches:
            task_type.loss(head, backbone(batch.packed, task_type.right_context), batch).backward()
        gradients = [p.grad for p in backbone.parameters() if p.grad is not None]
        found.append((len(batches), sum(batch.count for batch in batches), gradients))
    assert found[0][0] < found[1][0]
    assert found[0][1] == found[1][1]
    for one, other in zip(found[0][2], found[1][2], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_causal_lm_is_the_librarys_loss() -> None:
    backbone, features, kind = backbone_of("causal_lm"), features_of("causal_lm"), CausalLM()
    batch = whole(kind, features)
    expected = 0.0
    for row in range(len(features)):
        (ids,) = features.instance(row)
        assert ids[-1] == coder_of("causal_lm").end_id
        assert features.type_splits[row] == len(ids)
        tokens = torch.from_numpy(ids.astype(np.int64))[None]
        with torch.no_grad():
            logits = backbone_of("causal_lm").model  # the library's own attention, of the same weights
            logits.set_attn_implementation("eager")
            expected += float(logits(tokens, labels=tokens).loss) * (len(ids) - 1)
    assert batch.count == features.lengths.sum() - len(features)
    assert float(loss_of(kind, backbone, batch)) == pytest.approx(expected, rel=1e-4)


def test_span_corruption_is_the_librarys_loss() -> None:
    backbone, features, kind = backbone_of("span_corruption"), features_of("span_corruption"), SpanCorruption()
    batch = whole(kind, features)
    library = backbone_of("span_corruption").model
    library.get_encoder().set_attn_implementation("eager")
    expected, draws, coder = 0.0, rng(), coder_of("span_corruption")
    for row in range(len(features)):
        (ids,) = features.instance(row)
        read, written = corrupt(ids, spans(len(ids), 0.15, 3.0, draws), sentinels_of(coder))
        read = np.concatenate([coder.single.before, read, [coder.end_id]])
        labels = torch.from_numpy(np.append(written, coder.end_id))[None]
        before = torch.cat([torch.tensor([[start_token(backbone.config)]]), labels[:, :-1]], 1)
        with torch.no_grad():
            output = library(torch.from_numpy(read)[None], labels=labels, decoder_input_ids=before)
        expected += float(output.loss) * labels.shape[1]
    assert float(loss_of(kind, backbone, batch)) == pytest.approx(expected, rel=1e-4)


def test_fifteen_per_cent_are_taken_out_in_spans_of_three() -> None:
    draws, sizes, taken = rng(), [], 0
    for _ in range(200):
        drawn = spans(100, 0.15, 3.0, draws)
        assert drawn == sorted(drawn)
        assert drawn[0][0] > 0
        assert drawn[-1][1] == 100
        assert all(end < begin for (_, end), (begin, _) in pairwise(drawn))
        sizes += [end - begin for begin, end in drawn]
        taken += sum(end - begin for begin, end in drawn)
    assert taken == 200 * 15
    assert np.mean(sizes) == 3
    assert set(range(1, 8)) <= set(sizes)
    for length in range(1, 12):
        assert 0 < len(spans(length, 0.15, 3.0, draws)) <= length


@pytest.mark.parametrize("rate", [0.15, 0.5, 0.99])
def test_corrupted_text_can_be_put_together_again(rate: float) -> None:
    sentinels, draws = list(range(1000, 1064)), rng()
    for length in (1, 2, 3, 17, 60):
        ids = np.arange(length)
        read, written = (part.tolist() for part in corrupt(ids, spans(length, rate, 2.0, draws), sentinels))
        hidden: dict[int, list[int]] = {}
        for token in written:
            if token >= 1000:
                last = hidden.setdefault(token, [])
            else:
                last.append(token)
        assert [one for token in read for one in hidden.get(token, [token])] == ids.tolist()
        assert list(hidden) == sentinels[: len(hidden)] == [token for token in read if token >= 1000]


def test_sentinels_are_the_tokenizers_own() -> None:
    trained = train_tokenizer(TEXT * 3, VocabularyConfig(200, sentinels=4))
    assert sentinels_of(Coder(trained)) == [5, 6, 7, 8]
    assert "<extra_id_2>" in trained.tokenize("a <extra_id_2> b")
    published = t5_tokenizer()
    published.add_tokens(["▁<extra_id_1>", "▁<extra_id_0>"])
    top = len(published)
    assert sentinels_of(Coder(published)) == [top - 1, top - 2]
    published.add_tokens(["<extra_id_0>", "<extra_id_1>"])  # as the T5 class puts on top of mT5's
    assert sentinels_of(Coder(published)) == [top - 1, top - 2]
    with pytest.raises(BackboneError, match="this one has none"):
        SpanCorruption().encode(LINES, Coder(t5_tokenizer()), LIMITS, ())
    with pytest.raises(BackboneError, match="3 spans in a text of 60 tokens, and the tokenizer has 2 sentinels"):
        corrupt(np.arange(60), spans(60, 0.15, 3.0, rng()), [1, 2])


def test_masks_of_translation_lm_are_the_librarys_loss_over_both_texts() -> None:
    features, kind, backbone = features_of("translation_lm"), TranslationLM(rate=0.3), backbone_of("translation_lm")
    assert len(features) == 2 * len(PARALLEL)
    firsts = {bytes(CODER.pieces([pair.target])[0]) for pair in PARALLEL}
    opens = [bytes(features.instance(row)[0][1 : int(features.type_splits[row]) - 2]) for row in range(len(features))]
    assert 0 < sum(one in firsts for one in opens) < len(opens)  # either language stands first
    batch, before = whole(kind, features), features.packed(range(len(features)))[0]
    ordinary = ~np.isin(before.ids_T.numpy(), list(CODER.special_ids))
    assert batch.count == round(0.3 * ordinary.sum())
    torch.manual_seed(0)
    head = kind.head(backbone, (), 0.0)
    library = AutoModelForMaskedLM.from_config(deepcopy(backbone.config), attn_implementation="eager").eval()
    library.base_model.load_state_dict(backbone.model.state_dict(), strict=False)
    library.lm_head.dense.load_state_dict(head.dense.state_dict())
    library.lm_head.layer_norm.load_state_dict(head.norm.state_dict())
    library.lm_head.decoder.load_state_dict({"weight": backbone.embeddings, "bias": head.bias})
    library.lm_head.bias.data.copy_(head.bias.data)
    labels = torch.full_like(before.ids_T, -100)
    labels[batch.targets["place_M"]] = batch.targets["token_M"]
    expected, begin = 0.0, 0
    for length in batch.packed.lengths:
        own = slice(begin, begin + length)
        begin += length
        if (labels[own] >= 0).any():
            with torch.no_grad():
                mean = library(input_ids=batch.packed.ids_T[None, own], labels=labels[None, own]).loss
            expected += float(mean) * int((labels[own] >= 0).sum())
    loss = kind.loss(head, backbone(batch.packed, True), batch)
    assert float(loss.detach()) == pytest.approx(expected, rel=1e-4)


def test_one_head_serves_masked_and_translation_lm(tmp_path: Any) -> None:
    both = [HeadSpec("pairs", "translation_lm", ()), HeadSpec("text", "masked_lm", ())]
    model = TaskModel(backbone_of("translation_lm"), both, 0.0, 1)
    assert model.heads["pairs"] is model.heads["text"]
    save_model_heads(model, tmp_path)
    alone = TaskModel(backbone_of("translation_lm"), both[:1], 0.0, 2)
    assert restore_heads(alone, tmp_path, {})["loaded"] == ["pairs"]
    assert torch.equal(alone.heads["pairs"].dense.weight, model.heads["text"].dense.weight)  # type: ignore[union-attr, arg-type]
    assert isinstance(TASK_TYPES.get("translation_lm"), Masking)
    other = TaskModel(backbone_of("translation_lm"), [HeadSpec("nli", "classification", ("a", "b"))], 0.0, 2)
    assert set(restore_heads(other, tmp_path, {})["carried"]) == {"pairs", "text"}


def test_simcse_reads_a_sentence_twice_through_dropout() -> None:
    kind, backbone = SimCSE(), backbone_of("simcse")
    features = features_of("simcse", LINES)
    assert features.lengths.tolist() == [2 * len(CODER.one(ids, 32).ids) for ids in CODER.pieces(TEXT)]
    batch = whole(kind, features)
    backbone.train()
    torch.manual_seed(0)
    states = backbone(batch.packed)
    vectors = F.normalize(pool(states, batch.packed, "mean"), dim=-1).detach()
    expected = -(vectors[0::2] @ vectors[1::2].T / 0.05).log_softmax(-1).diagonal().sum()
    loss = kind.loss(kind.head(backbone, (), 0.0), states, batch).detach()
    assert float(loss) == pytest.approx(float(expected), rel=1e-5)
    assert not torch.equal(vectors[0::2], vectors[1::2])


def test_simcse_needs_dropout_on_raw_text_alone() -> None:
    quiet, batch = backbone_of("masked_lm"), whole(SimCSE(), features_of("simcse"))
    quiet.train()
    assert not views_differ(quiet)
    assert views_differ(backbone_of("simcse"))
    with pytest.raises(BackboneError, match=r"no dropout: give `options: \{dropout: 0.1\}`"):
        loss_of(SimCSE(), quiet, batch)
    assert torch.isfinite(loss_of(SimCSE(dropout=0.1), quiet, batch))
    told = [*NLI, TextExample("same", TEXT[0], TEXT[0], "entailment")]  # as NLI sets have it now and then
    assert torch.isfinite(loss_of(SimCSE(), quiet, whole(SimCSE(), features_of("simcse", told))))


@pytest.mark.parametrize("name", ["simcse", "contrastive"])
def test_cosines_keep_their_digits_under_bf16(name: str) -> None:
    """Of vectors that are nearly alike, bf16 would make logits a twelfth apart."""
    kind, backbone = TASK_TYPES.get(name), backbone_of("masked_lm")
    batch = whole(kind, features_of(name, NLI if name == "simcse" else None))
    near_TH = 1 + 0.01 * torch.randn(batch.packed.ids_T.shape[0], 64, generator=torch.Generator().manual_seed(0))
    head = kind.head(backbone, (), 0.0)
    exact = kind.loss(head, near_TH, batch)
    with autocast("bf16", "cpu"):
        assert float(kind.loss(head, near_TH, batch)) == pytest.approx(float(exact), rel=1e-5)


def test_supervised_simcse_takes_contradictions_of_the_same_premise_as_hard_negatives() -> None:
    assert triples(NLI) == [(TEXT[4], "где дом ?", "Haus"), ("где дом ?", "the dog")]
    features, kind, backbone = features_of("simcse", NLI), SimCSE(), backbone_of("masked_lm")
    assert [len(features.instance(row)) for row in range(len(features))] == [3, 2]
    batch = whole(kind, features)
    vectors = F.normalize(pool(backbone(batch.packed), batch.packed, "mean"), dim=-1).detach()
    scores = vectors[[0, 3]] @ vectors[[1, 4, 2]].T / 0.05
    expected = F.cross_entropy(scores, torch.arange(2), reduction="sum")
    assert float(loss_of(kind, backbone, batch)) == pytest.approx(float(expected), rel=1e-5)
    with pytest.raises(DataError, match="needs pairs with the label 'entailment'"):
        triples([replace(one, label="neutral") for one in NLI])


@pytest.mark.parametrize("name", ["causal_lm", "span_corruption"])
def test_models_without_an_output_layer_are_refused(name: str) -> None:
    with pytest.raises(BackboneError, match="with `output: text`"):
        TASK_TYPES.get(name).suited(backbone_of("masked_lm"))


def test_lines_longer_than_a_chunk_are_cut_as_before() -> None:
    lines = [PlainText(str(i), " ".join(TEXT)) for i in range(3)]
    features = features_of("causal_lm", lines)
    assert max(features.lengths) <= LIMITS.max_length
    assert sum(len(ids) for ids in coder_of("causal_lm").pieces([line.text for line in lines])) == int(
        features.lengths.sum()
    ) - len(features)


def test_losses_are_a_module_of_model_and_phase() -> None:
    """The loop computes what `loss` does, head and attention included."""
    phase = phase_of("causal_lm", TrainConfig(steps=1, batch_size=4))
    backbone = backbone_of("causal_lm")
    model = TaskModel(backbone, [HeadSpec("data", "causal_lm", ())], 0.0, 1)
    batch = phase.types[0].collate(phase.features[0], np.arange(3), rng())
    assert float(Losses(model, phase).eval()(0, batch).detach()) == pytest.approx(
        float(loss_of(CausalLM(), backbone, batch))
    )
