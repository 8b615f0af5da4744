"""What holds for every architecture that writes text: our probabilities and losses are transformers' own, and so on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM

from backbones.tiny_models import (
    ARCHS,
    VOCABULARY,
    Arch,
    bpe_tokenizer,
    decoder_tokenizer,
    sequences,
    t5_tokenizer,
)
from contracts.writers import EXAMPLES, writer
from xstilts.backbones.adapters import add_adapter, train_only
from xstilts.backbones.backbone import Backbone
from xstilts.backbones.coder import Coder
from xstilts.backbones.families import family_of
from xstilts.backbones.load import load_backbone, random_backbone, save_backbone
from xstilts.backbones.names import LoRA
from xstilts.backbones.text import generate, log_probabilities, pack_answers
from xstilts.core.errors import BackboneError, DataError
from xstilts.core.seeds import generator
from xstilts.data.examples import Answer, ChoiceExample, SpanExample, TaggedExample
from xstilts.stages.predicting import Predictor
from xstilts.task_types import TASK_TYPES, TaskType
from xstilts.task_types.features import Features
from xstilts.tasks import Encoding

WRITERS = tuple(arch for arch in ARCHS if family_of(arch.model_type).kind != "encoder")
every_writer = pytest.mark.parametrize("arch", WRITERS, ids=str)
two_kinds = pytest.mark.parametrize("kind", ["qwen3", "mt5"])
PROMPTS, ANSWERS, OWNER = sequences((9, 4, 6)), sequences((1, 3, 2, 5), seed=1), (0, 0, 2, 1)


def library_writer(arch: Arch) -> Any:
    config = AutoConfig.for_model(arch.model_type, **{**arch.fields, "decoder_start_token_id": 0})
    torch.manual_seed(0)
    auto = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
    return auto.from_config(config).eval()


def by_library(model: Any, prompt: np.ndarray, answer: np.ndarray) -> Any:
    """transformers' own forward pass and loss for one prompt and answer; the loss is a mean over tokens."""
    if not model.config.is_encoder_decoder:
        ids = torch.from_numpy(np.concatenate([prompt, answer]))[None]
        labels = ids.clone()
        labels[:, : len(prompt)] = -100
        return model(ids, labels=labels)
    ids = torch.from_numpy(np.append(prompt, answer[-1]))[None]
    return model(ids, labels=torch.from_numpy(answer)[None])


def our_scores(backbone: Backbone) -> Tensor:
    ends = [np.append(answer, 2) for answer in ANSWERS]
    packed, targets = pack_answers(PROMPTS, ends, OWNER, backbone.decoder)
    scores_A = log_probabilities(backbone, backbone(packed), packed, targets)
    return torch.zeros(len(ends)).index_add(0, targets["answer_A"], scores_A)


@every_writer
def test_log_probabilities_are_the_librarys(arch: Arch) -> None:
    model = library_writer(arch)
    expected = []
    for answer, owner in zip(ANSWERS, OWNER, strict=True):
        loss = by_library(model, PROMPTS[owner], np.append(answer, 2)).loss
        expected.append(-loss * (len(answer) + 1))
    torch.testing.assert_close(our_scores(Backbone(model, None)), torch.stack(expected), rtol=1e-4, atol=1e-4)


@every_writer
def test_the_body_alone_is_a_bare_model(arch: Arch, tmp_path: Path) -> None:
    """Saved whole, loaded without its output layer: heads see the states they always saw."""
    tokenizer = t5_tokenizer() if family_of(arch.model_type).kind == "encoder-decoder" else decoder_tokenizer()
    fields = {name: value for name, value in arch.fields.items() if not name.endswith("_token_id")}
    whole = random_backbone(arch.model_type, fields, tokenizer, 0, output="text").eval()
    save_backbone(whole, tmp_path)
    bare = load_backbone(str(tmp_path)).eval()
    again = load_backbone(str(tmp_path), output="text").eval()
    packed, _ = pack_answers(PROMPTS, ANSWERS, OWNER, whole.decoder)
    assert whole.writes
    assert not bare.writes
    assert torch.equal(whole(packed), bare(packed))
    assert torch.equal(our_scores(whole), our_scores(again))


def test_an_output_layer_of_its_own_is_kept(tmp_path: Path) -> None:
    """mT5's published weights have one, though transformers 5 calls its embeddings tied."""
    whole = writer("mt5")
    whole.model.lm_head.weight = torch.nn.Parameter(torch.randn_like(whole.model.lm_head.weight))
    save_backbone(whole, tmp_path)
    again = load_backbone(str(tmp_path), output="text").eval()
    assert torch.equal(our_scores(whole), our_scores(again))
    assert not torch.equal(again.model.lm_head.weight, again.embeddings)


def test_an_output_layer_that_caps_its_logits_is_caught() -> None:
    small = {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
    }
    with pytest.raises(BackboneError, match="have other probabilities than in transformers"):
        random_backbone("gemma2", {**small, "final_logit_softcapping": 0.01}, decoder_tokenizer(), 0, output="text")


def test_an_encoder_writes_nothing() -> None:
    with pytest.raises(BackboneError, match="xlm-roberta is an encoder"):
        random_backbone("xlm-roberta", {"hidden_size": 24}, bpe_tokenizer(), 0, output="text")


@every_writer
def test_generation_is_greedy_and_keeps_to_what_is_allowed(arch: Arch) -> None:
    backbone = Backbone(library_writer(arch), None)
    free = generate(backbone, PROMPTS, end=2, longest=4)
    for prompt, answer in zip(PROMPTS, free, strict=True):
        written: list[int] = []
        while len(written) < 4:
            tokens = np.asarray([*written, 2])
            packed, targets = pack_answers([prompt], [tokens], [0], backbone.decoder)
            with torch.no_grad():
                best = int(next_logits(backbone, packed, targets).argmax())
            if best == 2:
                break
            written.append(best)
        assert answer == written
    only = generate(backbone, PROMPTS, end=2, longest=4, allowed=lambda i, seen: [7 + i] if len(seen) < 2 else [2])
    assert only == [[7, 7], [8, 8], [9, 9]]


def next_logits(backbone: Backbone, packed: Any, targets: Any) -> Tensor:
    """What the model expects in the place of the end token."""
    place = targets["place_A"][-1:].repeat(VOCABULARY)
    asked = {**targets, "place_A": place, "token_A": torch.arange(VOCABULARY)}
    return log_probabilities(backbone, backbone(packed), packed, asked)


@two_kinds
def test_an_adapter_that_is_zero_changes_nothing_and_learns(kind: str) -> None:
    backbone = writer(kind)
    before = our_scores(backbone)
    add_adapter(backbone, LoRA(dropout=0.0))
    train_only(backbone, "phase0")
    torch.testing.assert_close(our_scores(backbone), before)
    our_scores(backbone).sum().backward()
    adapted = [name for name, p in backbone.named_parameters() if p.grad is not None]
    assert adapted
    assert all(".lora_" in name for name in adapted)
    assert kind == "qwen3" or any("decoder" in name for name in adapted)
    assert not any("lm_head" in name for name in adapted)


GOLD = {
    "classification_text": ["good", "bad"],
    "multiple_choice_text": [2, 0],
    "span_qa_text": ["Anna", "the long book"],
    "tagging_text": [["DET", "NOUN", "VERB"], ["NOUN", "DET", "VERB", "PUNCT"]],
}


@two_kinds
@pytest.mark.parametrize("name", EXAMPLES)
def test_what_was_learned_is_what_is_answered(kind: str, name: str) -> None:
    """Two examples by heart: training and prediction read the same prompt, and answers come back as gold is written."""
    examples, labels = EXAMPLES[name]
    backbone = writer(kind)
    task_type: TaskType = TASK_TYPES.get(name).suited(backbone)
    features = task_type.encode(examples, Coder(backbone.tokenizer), Encoding(), labels)
    head = task_type.head(backbone, labels, 0.0)
    learn(backbone, task_type, head, features)
    predictions = Predictor(backbone, head, task_type, labels)(features, Encoding())
    assert [p.value for p in predictions if p.variant == ""] == GOLD[name]
    assert [p.value for p in predictions if p.variant == "free"] == (GOLD[name] if name == "span_qa_text" else [])


def learn(backbone: Backbone, task_type: TaskType, head: torch.nn.Module, features: Features) -> None:
    backbone.train()
    optimizer = torch.optim.AdamW(backbone.parameters(), lr=3e-3)
    rows = np.arange(len(features))
    for _ in range(600):  # 40 to 120 are usual; the unigram trainer splits its text differently in each process
        (batch,) = task_type.micro_batches(features, rows, [rows], generator(0, "test"))
        loss = task_type.loss(head, backbone(batch.packed), batch) / batch.count
        if float(loss.detach()) < 0.01:
            return
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    raise AssertionError(f"nothing was learned: a loss of {float(loss.detach()):.3f}")


@two_kinds
@pytest.mark.parametrize("name", EXAMPLES)
def test_a_random_model_answers_in_form(kind: str, name: str) -> None:
    """Whatever it prefers: a label, a choice, a piece of the passage, a tag for every word."""
    examples, labels = EXAMPLES[name]
    backbone = writer(kind)
    task_type = TASK_TYPES.get(name).suited(backbone)
    features = task_type.encode(examples, Coder(backbone.tokenizer), Encoding(), labels)
    predictions = Predictor(backbone, task_type.head(backbone, labels, 0.0), task_type, labels)(features, Encoding())
    for prediction, example in zip(predictions, examples, strict=False):
        if isinstance(example, SpanExample):
            assert prediction.value
            assert prediction.value in example.passage
        elif isinstance(example, TaggedExample):
            assert len(prediction.value) == len(example.words)
            assert set(prediction.value) <= set(labels)
        elif isinstance(example, ChoiceExample):
            assert prediction.value in range(3)
        else:
            assert prediction.value in labels


@two_kinds
def test_the_loss_is_the_librarys(kind: str) -> None:
    """Summed over two examples, as transformers sums it over each alone."""
    examples, labels = EXAMPLES["classification_text"]
    backbone = writer(kind)
    task_type = TASK_TYPES.get("classification_text").suited(backbone)
    features = task_type.encode(examples, Coder(backbone.tokenizer), Encoding(), labels)
    rows = np.arange(2)
    (batch,) = task_type.micro_batches(features, rows, [rows], generator(0, "test"))
    with torch.no_grad():
        ours = task_type.loss(task_type.head(backbone, labels, 0.0), backbone(batch.packed), batch)
    model = (AutoModelForSeq2SeqLM if kind == "mt5" else AutoModelForCausalLM).from_config(backbone.config).eval()
    model.load_state_dict(backbone.model.state_dict())
    model.set_attn_implementation("eager")
    theirs, count = 0.0, 0
    for row in range(2):
        prompt, *answers = features.instance(row)
        answer = answers[int(features.columns["label"][row])].astype(np.int64)
        theirs += float(by_library(model, prompt.astype(np.int64), answer).loss.detach()) * len(answer)
        count += len(answer)
    assert float(ours) == pytest.approx(theirs, rel=1e-5)
    assert batch.count == count


def test_labels_that_the_tokenizer_cannot_tell_apart_are_refused() -> None:
    coder = Coder(t5_tokenizer())  # has no capitals
    with pytest.raises(BackboneError, match="cannot tell the labels 'DET' and 'NOUN' apart"):
        TASK_TYPES.get("tagging_text").encode(EXAMPLES["tagging_text"][0], coder, Encoding(), ("DET", "NOUN"))
    with pytest.raises(BackboneError, match="'DET' and 'NOUN'"):
        TASK_TYPES.get("classification_text").encode([], coder, Encoding(), ("DET", "NOUN"))


def test_more_choices_than_letters_are_refused() -> None:
    many = ChoiceExample("many", "the house", "is", tuple(map(str, range(27))), 3)
    with pytest.raises(DataError, match="example 'many' has 27 choices"):
        TASK_TYPES.get("multiple_choice_text").encode([many], Coder(decoder_tokenizer()), Encoding(), ())


def test_windows_of_a_long_passage_are_answered_together() -> None:
    """The answer stands in the last of several windows; offsets are those of the whole passage."""
    passage = "the house in Berlin is old " * 20 + "Anna"
    example = SpanExample("0", "who?", passage, (Answer("Anna", passage.index("Anna")),))
    backbone = writer("qwen3")
    task_type = TASK_TYPES.get("span_qa_text").suited(backbone)
    limits = replace(Encoding(), max_length=40, stride=10)
    features = task_type.encode([example], Coder(backbone.tokenizer), limits, ())
    assert len(features) > 3
    learn(backbone, task_type, task_type.head(backbone, (), 0.0), features)
    predictor = Predictor(backbone, task_type.head(backbone, (), 0.0), task_type, ())
    assert predictor(features, limits)[0].value == "Anna"
    silent = predictor(features, replace(limits, no_answer=True))
    assert silent[0].value == "Anna"
