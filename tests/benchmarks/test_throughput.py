"""The throughput benchmark compares like with like. Speeds are not tested, only what they are computed from."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("accelerate", reason="the Trainer needs accelerate, which comes with the dev extra")
sys.path.insert(0, str(Path(__file__).parents[2]))  # `benchmarks` is a folder of the repository, not of the package

from benchmarks.contenders import (
    PACKED,
    PACKED_BUCKETS,
    PACKED_FP32,
    PADDED_BUCKETS,
    TRAINER,
    TRAINER_BEST,
    TRAINER_BF16,
    VARLEN,
    Contender,
    contenders,
)
from benchmarks.data import Bench
from benchmarks.results import Timed
from benchmarks.runs import Run

from benchmarks import attention, data, results, runs, throughput

BATCH, STEPS, WARMUP = 4, 2, 1
SMALL = {
    "num_hidden_layers": 1,
    "hidden_size": 16,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "vocab_size": 1_000,
}


@pytest.fixture(scope="module")
def bench() -> Bench:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(data.SIZES, "tiny", SMALL)
        return data.make_bench("tiny", "mnli", 0.1, (BATCH, STEPS, WARMUP), "cpu")


@pytest.fixture(scope="module")
def one_epoch(bench: Bench) -> Bench:
    """Every run sees each pair exactly once, the warm-up included."""
    steps = len(bench.features) // BATCH
    return Bench(bench.backbone, bench.features, BATCH, steps - WARMUP, WARMUP, "cpu")


def test_both_sides_count_the_tokens_of_the_batches_they_time(bench: Bench) -> None:
    """Over one epoch that is all tokens but those of the untimed first batch, on either side."""
    whole = Bench(bench.backbone, bench.features, len(bench.features), 1, 1, "cpu")
    total = int(bench.features.lengths.sum())
    for contender in (TRAINER, TRAINER_BEST, PACKED_FP32, PACKED_BUCKETS, PADDED_BUCKETS):
        found = runs.run(contender, whole, seed=0)
        assert (found.tokens, found.examples, found.steps) == (total, len(bench.features), 1), contender.name
        longest = int(bench.features.lengths.max())
        padded = contender.library == "Trainer" or contender.route == "padded"
        assert found.positions == (longest * len(bench.features) if padded else total), contender.name
        assert found.seconds > 0


def test_only_the_steps_after_the_warm_up_count(one_epoch: Bench) -> None:
    total = int(one_epoch.features.lengths.sum())
    for contender in (TRAINER_BF16, PACKED):
        found = runs.run(contender, one_epoch, seed=0)
        assert found.examples == len(one_epoch.features) - WARMUP * BATCH
        assert 0 < found.tokens < total


def test_the_trainer_groups_as_many_batches_as_our_buckets(bench: Bench) -> None:
    from transformers.trainer_pt_utils import get_length_grouped_indices

    lengths = bench.features.lengths.tolist()
    indices = get_length_grouped_indices(lengths, BATCH, generator=torch.Generator().manual_seed(0))
    group = [lengths[i] for i in indices[BATCH * bench.group : 2 * BATCH * bench.group]]
    # Sorted but for the first, which may have been exchanged for the longest of all.
    assert group[1:] == sorted(group[1:], reverse=True)
    assert runs.make_phase(PACKED_BUCKETS, bench, 0).config.bucket == bench.group == STEPS


def test_both_sides_start_from_the_same_weights_and_train_as_many(bench: Bench) -> None:
    library = runs._library_model(bench)
    ours = bench.backbone.model.state_dict()
    shared = library.base_model.state_dict()
    assert set(ours) - set(shared) == {"pooler.dense.weight", "pooler.dense.bias"}
    assert all(torch.equal(value, ours[name]) for name, value in shared.items())
    head = runs.SPEC.task_type.head(bench.backbone, data.LABELS, 0.1)
    assert sorted(p.shape for p in head.parameters()) == sorted(p.shape for p in library.classifier.parameters())


def test_the_ids_are_those_the_tokenizer_gives_a_trainer_user() -> None:
    pairs = data.make_pairs(40, data.SPREADS["mnli"])
    tokenizer = data.make_tokenizer(pairs)
    features = data.encode(pairs, tokenizer)
    coded = tokenizer([p.text for p in pairs], [p.pair for p in pairs], truncation=True, max_length=data.MAX_LENGTH)
    assert [len(ids) for ids in coded["input_ids"]] == features.lengths.tolist()
    for i, ids in enumerate(coded["input_ids"]):
        if len(ids) < data.MAX_LENGTH:  # where a pair is cut, and which text loses first, is each library's own
            assert features.tokens[i].tolist() == ids


def test_lengths_are_spread_as_said() -> None:
    pairs = data.make_pairs(1500, data.SPREADS["mnli"])
    words = sorted(len(f"{p.text} {p.pair}".split()) for p in pairs)
    assert words[0] >= data.FEWEST_WORDS
    assert 29 <= words[len(words) // 2] <= 33
    lengths = data.encode(pairs, data.make_tokenizer(pairs)).lengths
    assert 9 < lengths.min() < 14
    assert 100 < lengths.max() <= data.MAX_LENGTH


def fake(contender: Contender, number: int, speed: int) -> Timed:
    return Timed(contender, number, Run(2.0, 2 * speed, 4 * speed, 64, 2))


def test_ratios_are_taken_round_by_round_and_name_their_baseline() -> None:
    timed = [fake(TRAINER, 0, 100), fake(TRAINER_BEST, 0, 300), fake(PACKED, 0, 400)]
    timed += [fake(PACKED, 1, 300), fake(TRAINER_BEST, 1, 150), fake(TRAINER, 1, 50)]
    assert results.ratio(timed, PACKED, TRAINER) == (5.0, 4.0, 6.0)
    assert [(a.name, b.name) for a, b, _ in results.ratios(timed)] == [
        ("xstilts bf16 packed", "Trainer fp32"),
        ("xstilts bf16 packed", "Trainer bf16 group_by_length"),
        ("Trainer bf16 group_by_length", "Trainer fp32"),
    ]
    header, rows = results.speed_table(timed)
    assert dict(zip(header, rows[0], strict=True))["share of real tokens"] == "0.50"
    said = results.verdict(timed, 0.1)
    assert "Trainer's defaults (fp32, padded" in said
    assert "x5.00 (4.00 - 6.00)" in said
    assert "reaches x1.67 (1.33 - 2.00)" in said


def test_varlen_is_no_equal_where_dropout_is_asked_for() -> None:
    timed = [fake(TRAINER, 0, 100), fake(TRAINER_BEST, 0, 200), fake(PACKED, 0, 300), fake(VARLEN, 0, 500)]
    assert "xstilts reaches x1.50" in results.verdict(timed, 0.1)
    assert "leaves out the attention dropout of 0.1 that all others apply, reaches x2.50" in results.verdict(timed, 0.1)
    assert "xstilts reaches x2.50" in results.verdict(timed, 0.0)


def test_every_second_round_runs_in_reverse(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, int]] = []

    def run(contender: Contender, _: Any, seed: int) -> Run:
        seen.append((contender.name, seed))
        return Run(1.0, 1, 1, 1, 1)

    monkeypatch.setattr(runs, "run", run)
    throughput.measure(bench, (TRAINER, PACKED), 2)
    assert seen == [(TRAINER.name, 0), (PACKED.name, 0), (PACKED.name, 1), (TRAINER.name, 1)]


def test_a_section_of_a_page_is_replaced_and_the_rest_kept(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Title\n\n<!-- a: written by benchmarks.throughput -->\nold\n<!-- end of a -->\n\nEnd.\n")
    results.write_section(page, "a", "new")
    results.write_section(page, "b", "other")
    text = page.read_text()
    assert "old" not in text
    assert text.startswith(
        "# Title\n\n<!-- a: written by benchmarks.throughput -->\n\nnew\n\n<!-- end of a -->\n\nEnd.\n"
    )
    assert "other" in text
    results.write_section(page, "b", "other")
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
    timed = [fake(one, 0, 100 + 100 * n) for n, one in enumerate(chosen)]
    named = {(a.name, b.name) for a, b, _ in results.ratios(timed)}
    assert ("xstilts fp32 packed buckets", "Trainer fp32 group_by_length") in named
    assert ("xstilts fp32 packed", "xstilts fp32 padded") in named
    assert "'Trainer fp32 group_by_length' reaches" in results.verdict(timed, 0.1)
