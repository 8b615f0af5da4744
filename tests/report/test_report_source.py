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


def main(found, scope=ZERO_SHOT):
    return main_table(found, found.sections[0], scope)


def row(table, label):
    return next(row for row in table.rows if row.label == label)


def test_the_baselines_score_in_the_source_language_stands_below_its_zero_shot_means():
    """It was in no table: 83 % in English with chance elsewhere looked like a broken run."""
    found = analyse(experiment(), ABOUT, QUICK)
    there = found.table.where(backbone="small", recipe="[]", language="en", main=True)
    own = [np.mean([s.value for s in there.where(task=task).scores]) for task in ("topics", "pairs")]
    texts = [cell.text for cell in row(main(found), "[] in en").cells]
    assert texts == [points(v) for v in (np.mean(own), *own)]


def test_a_single_target_in_the_source_language_alone_shows_its_score():
    found = analyse(ScoreTable.of([score("t", "en", 1, ("m", "[]"), 50.0)]), About("t", "q"), QUICK)
    assert (main(found).rows[0].cells[0].text, main(found).head[1].detail) == ("50.0", "accuracy, in en alone")
    assert main(found, ALL).rows[0].cells[0].text == "50.0"


def test_a_target_in_the_source_language_alone_shows_its_score_and_gain_and_is_in_no_zero_shot_mean():
    """It showed a dash and `0 languages`, and took the mean of all other targets away."""
    design = Design({"[]": 0.0, "[nli]": 20.0}, tasks=("topics", "pairs"), n=400)
    rows = build(design, np.random.default_rng(0)).rows
    rows = [r for r in rows if r.score.task != "pairs" or r.score.language == "en"]
    found = analyse(ScoreTable(tuple(rows)), About("t", "q"))
    base, tuned = row(main(found), "[]").cells, row(main(found), "[nli]").cells
    english = found.table.where(task="pairs", recipe="[]").scores
    assert base[2].text == points(np.mean([s.value for s in english]))
    assert (tuned[2].gain, tuned[2].value) == (True, pytest.approx(20, abs=6))
    assert base[0].value == pytest.approx(base[1].value)
    assert main(found).head[1].detail == "of 1 target"
    assert "mean: without pairs, measured in en alone" in main(found).notes
    assert row(main(found), "majority baseline").cells[2].text == "33.3"


def test_the_mean_column_is_the_mean_of_the_cells_beside_it_where_targets_have_other_seeds():
    design = Design({"[]": 0.0, "[nli]": 0.0}, tasks=("topics", "pairs"), seeds=(1, 2, 3, 4), seed_noise=5.0)
    table = build(design, np.random.default_rng(3))
    rows = tuple(r for r in table.rows if r.score.task == "topics" or r.score.seed <= 3)
    found = analyse(ScoreTable(rows), About("t", "q"))
    for label in ("[]", "[nli]"):
        whole, one, two = (cell.value for cell in row(main(found), label).cells)
        assert whole == pytest.approx((one + two) / 2)
    gain = found.finding(Run("small", "[nli]"), found.sections[0], "", ZERO_SHOT).gain
    assert gain.low < gain.value < gain.high
    assert gain.units == 3


def test_a_baseline_without_a_language_at_one_seed_says_so():
    rows = tuple(
        r for r in experiment().rows
        if (r.score.recipe, r.score.backbone, r.score.language, r.score.seed) != ("[]", "small", "bb", 2)
    )  # fmt: skip
    found = analyse(ScoreTable(rows), ABOUT, QUICK)
    assert "topics: without bb, not measured at every seed" in main(found).notes
