"""The score in the source language beside zero-shot means, and means that agree with the cells beside them."""

from __future__ import annotations

import numpy as np
import pytest
from report_helpers import ABOUT, QUICK, experiment
from synthetic_scores import Design, build, score

from xstilts.reports import About, analyse
from xstilts.reports.analysis import ALL, ZERO_SHOT
from xstilts.reports.cells import points
from xstilts.reports.tables import main_table
from xstilts.stats.table import Run, ScoreTable


@pytest.fixture(scope="module")
def analysis():
    return analyse(experiment(), ABOUT, QUICK)


def row(table, label):
    return next(row for row in table.rows if row.label == label)


def test_the_score_in_the_source_language_stands_beside_each_zero_shot_mean(analysis):
    """It was in no table: 83 % in English with chance elsewhere looked like a broken run."""
    table = main_table(analysis, analysis.sections[0], ZERO_SHOT)
    for label, run in (
        ("[]", Run("small", "[]")),
        ("[nli]", Run("small", "[nli]")),
        ("random encoder", Run("random", "[]")),
    ):
        own = [
            np.mean(
                [
                    s.value
                    for s in analysis.table.where(
                        backbone=run.backbone, recipe=run.recipe, task=task, language="en", main=True
                    ).scores
                ]
            )
            for task in ("topics", "pairs")
        ]
        details = [cell.detail for cell in row(table, label).cells]
        assert [text.split(" en ")[1] for text in details] == [points(v) for v in (*own, np.mean(own))]


def test_a_single_target_in_the_source_language_alone_shows_its_score():
    found = analyse(ScoreTable.of([score("t", "en", 1, ("m", "[]"), 50.0)]), About("t", "q"), QUICK)
    main = main_table(found, found.sections[0], ZERO_SHOT)
    assert (main.rows[0].cells[0].text, main.head[1].detail) == ("50.0", "accuracy, in en alone")
    assert main_table(found, found.sections[0], ALL).rows[0].cells[0].text == "50.0"


def test_a_target_in_the_source_language_alone_shows_its_score_and_gain_and_is_in_no_zero_shot_mean():
    """It showed a dash and `0 languages`, and took the mean of all other targets away."""
    design = Design({"[]": 0.0, "[nli]": 20.0}, tasks=("topics", "pairs"), n=400)
    rows = [
        r for r in build(design, np.random.default_rng(0)).rows if (r.score.task, r.score.language) != ("pairs", "aa")
    ]
    rows = [r for r in rows if (r.score.task, r.score.language) != ("pairs", "bb")]
    found = analyse(ScoreTable(tuple(rows)), About("t", "q"))
    main = main_table(found, found.sections[0], ZERO_SHOT)
    base, tuned = row(main, "[]").cells, row(main, "[nli]").cells
    english = found.table.where(task="pairs", recipe="[]").scores
    assert base[1].text == points(np.mean([s.value for s in english]))
    assert (tuned[1].kind, tuned[1].value) == ("gain", pytest.approx(20, abs=6))
    assert base[2].value == pytest.approx(base[0].value)
    assert main.head[3].detail == "of 1 target"
    assert "mean: without pairs, measured in en alone" in main.notes
    assert row(main, "best constant answer").cells[1].text == "33.3"


def test_the_mean_column_is_the_mean_of_the_cells_beside_it_where_targets_have_other_seeds():
    design = Design({"[]": 0.0, "[nli]": 0.0}, tasks=("topics", "pairs"), seeds=(1, 2, 3, 4), seed_noise=5.0)
    table = build(design, np.random.default_rng(3))
    rows = tuple(r for r in table.rows if r.score.task == "topics" or r.score.seed <= 3)
    found = analyse(ScoreTable(rows), About("t", "q"))
    for line in main_table(found, found.sections[0], ZERO_SHOT).rows[:2]:
        one, two, whole = (cell.value for cell in line.cells)
        assert whole == pytest.approx((one + two) / 2)
    gain = found.finding(Run("small", "[nli]"), Run("small", "[]"), "", ZERO_SHOT).gain
    assert gain.low < gain.value < gain.high
    assert gain.units == 3


def test_a_baseline_without_a_language_at_one_seed_says_so():
    rows = tuple(
        r for r in experiment().rows
        if (r.score.recipe, r.score.backbone, r.score.language, r.score.seed) != ("[]", "small", "bb", 2)
    )  # fmt: skip
    main = main_table(*((f := analyse(ScoreTable(rows), ABOUT, QUICK)), f.sections[0], ZERO_SHOT))
    assert "topics: without bb, not measured at every seed" in main.notes
