"""The throughput benchmark compares like with like. Speeds are not tested, only what they are computed from."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from xstilts.backbones.load import random_backbone, save_backbone
from xstilts.data.examples import Answer, ChoiceExample, Example, SpanExample, TaggedExample
from xstilts.tasks import Encoding

pytest.importorskip("accelerate", reason="the Trainer needs accelerate, which comes with the dev extra")
sys.path.insert(0, str(Path(__file__).parents[2]))  # `benchmarks` is a folder of the repository, not of the package

from benchmarks.contenders import (
    PACKED,
    PACKED_BUCKETS,
    PADDED,
    TRAINER,
    TRAINER_BEST,
    TRAINER_BF16,
    WHOLE_BUCKETS,
    Contender,
    contenders,
    make_phase,
    set_up,
)
from benchmarks.data import Asked, Bench
from benchmarks.results import Timed
from benchmarks.runs import Run

from benchmarks import attention, data, lengths, results, runs, tables, throughput, trainer

BATCH, STEPS, WARMUP = 4, 2, 1
SMALL = {
    "num_hidden_layers": 1,
    "hidden_size": 16,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "vocab_size": 1_000,
}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(data.SIZES, "tiny", SMALL)
        return data.make_bench(tmp_path_factory.mktemp("bench"), Asked("tiny", "mnli"), (BATCH, STEPS, WARMUP), "cpu")


def test_both_sides_count_the_tokens_of_the_batches_they_time(bench: Bench) -> None:
    """Over one epoch that is all tokens but those of the untimed first batch, on either side."""
    whole = replace(bench, batch=len(bench.features), steps=1)
    total = int(bench.features.lengths.sum())
    for contender in (TRAINER, TRAINER_BEST, PACKED, PACKED_BUCKETS, PADDED):
        found = runs.run(contender, whole, seed=0)
        assert (found.tokens, found.examples, found.steps) == (total, len(bench.features), 1), contender.name
        longest = int(bench.features.lengths.max())
        padded = contender.library == "Trainer" or contender.route == "padded"
        assert found.positions == (longest * len(bench.features) if padded else total), contender.name
        assert found.seconds > 0
        assert found.peak_bytes >= found.start_bytes > 0
        assert len(found.losses) == 2
        assert max(abs(loss - 1.1) for loss in found.losses) < 0.5  # of three classes, before anything is learned


def test_only_the_steps_after_the_warm_up_count(bench: Bench) -> None:
    """Every run sees each pair exactly once, the warm-up included."""
    one_epoch = replace(bench, steps=len(bench.features) // BATCH - WARMUP)
    total = int(one_epoch.features.lengths.sum())
    for contender in (TRAINER_BF16, PACKED):
        found = runs.run(contender, one_epoch, seed=0)
        assert found.examples == len(one_epoch.features) - WARMUP * BATCH
        assert 0 < found.tokens < total


def test_a_run_in_a_process_of_its_own_tells_what_it_did(bench: Bench) -> None:
    once = throughput.in_process(bench, threads=1)
    for contender in (TRAINER, PACKED):
        found = once(contender, 0)
        assert (found.steps, len(found.losses)) == (STEPS, STEPS + WARMUP)
        assert found.model_bytes > 0


def test_every_task_type_trains_on_both_sides(tmp_path: Path) -> None:
    """Choices, windows and tags, with the labels that the library's models take."""
    examples: dict[str, Example] = {
        "multiple_choice": ChoiceExample("0", "A red dog.", "Which?", ("the dog", "the cat that ran"), 1),
        "span_qa": SpanExample("0", "Which dog?", "There a red dog barks.", (Answer("red", 8),)),
        "tagging": TaggedExample("0", ("A", "red", "dog"), ("DET", "ADJ", "NOUN")),
    }
    for name, example in examples.items():
        labels = ("ADJ", "DET", "NOUN") if name == "tagging" else ()
        texts = lengths.Texts(name, labels, Encoding(max_length=32), [example] * 4)
        tokenizer = data.make_tokenizer(texts)
        folder = tmp_path / name
        data.encode(texts, tokenizer).save(folder / "features")
        save_backbone(
            random_backbone("xlm-roberta", {**SMALL, "max_position_embeddings": 64}, tokenizer, 0), folder / "model"
        )
        one = Bench(folder, folder / "model", name, labels, 2, 1, 1, "cpu")
        ours, theirs = (runs.run(contender, one, seed=0) for contender in (PACKED, TRAINER_BEST))
        assert (ours.tokens, ours.examples) == (theirs.tokens, theirs.examples), name
        assert abs(ours.losses[0] - theirs.losses[0]) < 0.5, name  # heads differ, chance does not


def test_the_trainer_groups_as_many_batches_as_our_buckets(bench: Bench) -> None:
    from transformers.trainer_pt_utils import get_length_grouped_indices

    sizes = bench.features.lengths.tolist()
    indices = get_length_grouped_indices(sizes, BATCH, generator=torch.Generator().manual_seed(0))
    group = [sizes[i] for i in indices[BATCH * bench.group : 2 * BATCH * bench.group]]
    # Sorted but for the first, which may have been exchanged for the longest of all.
    assert group[1:] == sorted(group[1:], reverse=True)
    assert make_phase(PACKED_BUCKETS, bench, 0).config.bucket == bench.group == STEPS


def test_both_sides_start_from_the_same_weights_and_train_as_many(bench: Bench) -> None:
    library = trainer.library_model(bench, seed=0)
    model, _ = set_up(WHOLE_BUCKETS, bench, seed=0)
    ours, shared = model.backbone.model.state_dict(), library.base_model.state_dict()
    assert set(ours) - set(shared) == {"pooler.dense.weight", "pooler.dense.bias"}
    assert all(torch.equal(value, ours[name]) for name, value in shared.items())
    narrowed, _ = set_up(PACKED, bench, seed=0)
    assert len(narrowed.backbone.embeddings) == data.pieces_used(bench.features) + 1  # padding's row
    head = model.heads[bench.spec.task]
    assert sorted(p.shape for p in head.parameters()) == sorted(p.shape for p in library.classifier.parameters())


def test_the_ids_are_those_the_tokenizer_gives_a_trainer_user() -> None:
    texts = lengths.made("mnli", 40)
    tokenizer, pairs = data.make_tokenizer(texts), texts.examples
    features = data.encode(texts, tokenizer)
    most = texts.encoding.max_length
    coded = tokenizer([p.text for p in pairs], [p.pair for p in pairs], truncation=True, max_length=most)
    assert [len(ids) for ids in coded["input_ids"]] == features.lengths.tolist()
    for i, ids in enumerate(coded["input_ids"]):
        if len(ids) < most:  # where a pair is cut, and which text loses first, is each library's own
            assert features.tokens[i].tolist() == ids


def test_lengths_are_spread_as_said() -> None:
    texts = lengths.made("mnli", 1500)
    words = sorted(len(f"{p.text} {p.pair}".split()) for p in texts.examples)
    assert words[0] >= lengths.FEWEST_WORDS
    assert 29 <= words[len(words) // 2] <= 33
    sizes = data.encode(texts, data.make_tokenizer(texts)).lengths
    assert 9 < sizes.min() < 14
    assert 100 < sizes.max() <= texts.encoding.max_length


def fake(contender: Contender, number: int, speed: int, loss: float = 1.0, memory: int = 100) -> Timed:
    return Timed(contender, number, Run(2.0, 2 * speed, 4 * speed, 64, 2, (loss,) * 5, 1000 + memory, 1000))


def test_ratios_are_taken_round_by_round_beside_their_goals() -> None:
    timed = [fake(TRAINER, 0, 100), fake(TRAINER_BEST, 0, 300), fake(PACKED_BUCKETS, 0, 400, memory=50)]
    timed += [fake(PACKED_BUCKETS, 1, 300, memory=80), fake(TRAINER_BEST, 1, 150), fake(TRAINER, 1, 50)]
    assert results.ratio(timed, PACKED_BUCKETS, TRAINER) == (5.0, 4.0, 6.0)
    assert results.ratio_table(timed)[1] == [
        [
            PACKED_BUCKETS.name,
            TRAINER_BEST.name,
            "x1.67 (1.33 - 2.00)",
            ">= 1.4: met",
            "x0.65 (0.50 - 0.80)",
            "<= 0.6: missed",
        ],
        [PACKED_BUCKETS.name, TRAINER.name, "x5.00 (4.00 - 6.00)", ">= 3: met", "x0.65 (0.50 - 0.80)", ""],
        [TRAINER_BEST.name, TRAINER.name, "x3.00 (3.00 - 3.00)", "", "x1.00 (1.00 - 1.00)", ""],
    ]
    header, rows = results.speed_table(timed)
    assert dict(zip(header, rows[0], strict=True))["share of real tokens"] == "0.50"


def test_losses_agree_when_they_differ_by_less_than_two_standard_errors() -> None:
    timed = [
        fake(TRAINER_BF16, 0, 1, 1.0),
        fake(PACKED, 0, 1, 1.02),
        fake(TRAINER_BF16, 1, 1, 1.1),
        fake(PACKED, 1, 1, 1.06),
    ]
    assert "-0.0100 +- 0.0539 (within" in results.agreement(timed)
    timed[1:4:2] = [fake(PACKED, 0, 1, 2.02), fake(PACKED, 1, 1, 2.06)]
    assert "beyond two standard errors" in results.agreement(timed)
    assert results.curve_table(timed)[1][0] == [TRAINER_BF16.name, *["1.050"] * 5]
    assert "One round alone" in results.agreement(timed[:2])


def test_every_second_round_runs_in_reverse() -> None:
    seen: list[tuple[str, int]] = []

    def once(contender: Contender, seed: int) -> Run:
        seen.append((contender.name, seed))
        return Run(1.0, 1, 1, 1, 1)

    throughput.measure((TRAINER, PACKED), 2, once)
    assert seen == [(TRAINER.name, 0), (PACKED.name, 0), (PACKED.name, 1), (TRAINER.name, 1)]


def test_a_section_of_a_page_is_replaced_and_the_rest_kept(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Title\n\n<!-- a: written by benchmarks.throughput -->\nold\n<!-- end of a -->\n\nEnd.\n")
    tables.write_section(page, "a", "new")
    tables.write_section(page, "b", "other")
    text = page.read_text()
    assert "old" not in text
    assert text.startswith(
        "# Title\n\n<!-- a: written by benchmarks.throughput -->\n\nnew\n\n<!-- end of a -->\n\nEnd.\n"
    )
    assert "other" in text
    tables.write_section(page, "b", "other")
    assert page.read_text() == text


def test_a_part_of_a_group_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert throughput.arguments(["--steps", "100"]).steps == 100
    with pytest.raises(SystemExit):
        throughput.arguments(["--steps", "60"])
    assert "multiple of 50" in capsys.readouterr().err
    assert throughput.GROUP == data.GROUP


def test_attention_back_ends_are_timed_on_the_same_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(data.SIZES, "tiny", SMALL)
    case = attention.Case("three", (5, 5, 3), 0.0)
    ready = attention.passes(case, "tiny", "cpu")
    segments, block_mask = ready["segments"]().float(), ready["block_mask"]().float()
    torch.testing.assert_close(segments, block_mask, atol=0.02, rtol=0.02)
    assert set(attention.measure(case, "tiny", "cpu", repeats=1)) == {"segments", "block_mask", "padded"}


def test_a_cpu_that_emulates_bf16_compares_in_fp32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.contenders.bf16_is_slow", lambda device: device == "cpu")
    chosen = contenders("cpu")
    assert {one.precision for one in chosen} == {"fp32"}
    assert len(chosen) == len({*chosen}) == 6
    rows = results.ratio_table([fake(one, 0, 100 + 100 * n) for n, one in enumerate(chosen)])[1]
    assert ["xstilts fp32 packed buckets", "Trainer fp32 group_by_length", ">= 1.4: missed"] in [
        [row[0], row[1], row[3]] for row in rows
    ]
    assert ["xstilts fp32 packed", "xstilts fp32 padded"] in [row[:2] for row in rows]


def test_real_lengths_need_the_folder_of_the_files(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        throughput.arguments(["--lengths", "squad"])
    assert "name their folder with --data" in capsys.readouterr().err
    given = throughput.arguments(["--data", "folder", "--model", "encoder"])
    assert (given.lengths, given.size) == ("nli", "")
    assert {*throughput.MADE} == {*lengths.SPREADS}
    assert {*throughput.REAL} == {*lengths.REAL}
