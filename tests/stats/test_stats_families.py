"""What a table calls clear: seldom anything where there is nothing, and what is there where it can be seen."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.coverage import Grid, rates, simulated
from synthetic_scores import Design, build

from xstilts.reports import About, analyse
from xstilts.reports.analysis import ZERO_SHOT
from xstilts.stats.estimates import family, language_family, moderated, strict_p
from xstilts.stats.series import Replication, Spread

ROUNDS = 40


def marked(design: Design, by_language: bool) -> float:
    """Share of rounds in which a report calls any difference clear, in one language or in a mean over them."""
    found = 0
    for number in range(ROUNDS):
        about = About("t", "q", targets=design.tasks)
        analysis = analyse(build(design, np.random.default_rng(number)), about)
        found_at = [(at, one.gain) for at, one in analysis.findings.items() if one.gain is not None]
        cells = [one for at, one in found_at if (at.where in design.languages[1:]) == by_language]
        found += any(one.clear for one in cells)
    return found / ROUNDS


@pytest.mark.parametrize("noise", [0.0, 4.0, 8.0])
def test_a_row_of_languages_without_any_gain_has_a_mark_in_five_percent_of_tables(noise):
    """It had one in .48 of them at sd 8: each language had its own five percent, and a test that knew no seeds."""
    languages = ("en", *(f"l{number}" for number in range(20)))
    design = Design({"[]": 0.0, "[nli]": 0.0}, languages=languages, n=100, seed_noise=noise / 2, language_noise=noise)
    assert marked(design, True) <= 0.10


def test_a_table_of_recipes_and_targets_without_any_gain_has_a_mark_in_five_percent():
    gains = dict.fromkeys(("[]", *(f"[r{number}]" for number in range(6))), 0.0)
    design = Design(gains, tasks=("a", "b", "c"), languages=("en", "aa"), n=60, seed_noise=4.0)  # before: 0.75
    assert marked(design, False) <= 0.10


@pytest.mark.parametrize(
    "grid",
    [
        Grid(recipes=10, targets=5, examples=50, seed_sd=0.0),
        Grid(recipes=5, targets=2, examples=50, seed_sd=8.0, seeds=5),
        Grid(recipes=5, targets=5, examples=50, uneven=0.7),
        Grid(targets=5, examples=50, linked=0.8),
        Grid(languages=40, by_language=True, examples=50, seed_sd=8.0),
        Grid(recipes=3, languages=10, by_language=True, examples=50, seed_sd=1.0, seeds=5),
        Grid(languages=10, by_language=True, examples=50, worlds=True),
    ],
)
def test_simulated_tables_without_any_effect_have_few_marks(grid):
    """200 rounds of a true 5 % stay below 9 % in 99 of 100 runs; `benchmarks.coverage` has more of both."""
    assert rates(grid, 200).false <= 0.085


def test_effects_that_can_be_seen_are_found():
    mean = Grid(recipes=3, targets=3, languages=10, examples=200, seeds=5, seed_sd=1.0, effect=5.0)
    assert rates(mean, 40).found >= 0.85
    row = Grid(languages=10, by_language=True, examples=1000, seeds=5, seed_sd=1.0, effect=10.0)
    assert rates(row, 40).found >= 0.9


def test_two_seeds_mark_nothing_and_are_no_part_of_the_family():
    rng = np.random.default_rng(0)
    few = [one for (one,) in simulated(Grid(recipes=2, seeds=2, effect=30.0), rng)[0]]
    many = [one for (one,) in simulated(Grid(recipes=1, seeds=5, effect=30.0, seed_sd=1.0), rng)[0]]
    alone, *rest = family([*many, *few], ["a", "b", "b"])
    assert alone.p_table == family(many, ["a"])[0].p_table
    assert [one.p_table for one in rest] == [None, None]
    ((one, two),) = language_family([few])
    assert (one.p_table, two.p_table) == (None, None)


def test_a_table_of_one_difference_is_its_own_t_test():
    (one,) = (row[0] for row in simulated(Grid(), np.random.default_rng(1))[0])
    (found,) = family([one], ["a"])
    assert found.p_table == pytest.approx(strict_p(one, Replication()))
    assert found.p <= found.p_table
    ((by_language,),) = language_family([[one]])
    assert by_language.p_table == pytest.approx(found.p_table, rel=1e-3)


def test_languages_with_other_seeds_than_their_row_are_not_marked():
    rows = simulated(Grid(languages=3, seeds=4, by_language=True), np.random.default_rng(2))[0]
    short = simulated(Grid(languages=1, seeds=3, by_language=True, effect=40.0), np.random.default_rng(2))[0][0]
    (found,) = language_family([[*rows[0], *short]])
    assert [one.p_table is None for one in found] == [False, False, False, True]
    assert not found[-1].clear


def test_variances_are_pooled_where_they_are_alike_and_left_where_they_are_not():
    rng = np.random.default_rng(0)

    def spreads(scale):
        return [Spread(0.0, 4, float(s * rng.chisquare(3) / 3), 0.0, 3) for s in scale]

    variance, freedom = moderated(spreads(np.ones(300)), list(range(300)))
    assert variance.std() < 0.1
    assert freedom.min() > 100
    apart = spreads(10.0 ** rng.normal(0, 2, 300))
    variance, freedom = moderated(apart, list(range(300)))
    assert freedom.max() < 4.5
    large = np.array([one.variance for one in apart]) > 1
    assert variance[large] == pytest.approx([one.variance for one in apart if one.variance > 1], rel=0.3)
    variance, freedom = moderated(spreads(np.ones(30)), ["one baseline"] * 30)
    assert freedom == pytest.approx(3 * 30 * 4 / 33)


def test_a_run_that_collapsed_at_one_seed_is_no_clear_loss():
    made = simulated(Grid(recipes=6, seed_sd=1.0), np.random.default_rng(4))[0]
    cells = [row[0] for row in made]
    cells[0].points[2] -= 50
    found = family(cells, ["a"] * 6)
    assert found[0].value < -10
    assert not found[0].clear


def test_a_report_corrects_over_all_of_its_sections():
    table = [build(Design({"[]": 0.0, "[a]": 9.0}, backbone=name), np.random.default_rng(1)) for name in ("one", "two")]
    both = analyse(type(table[0])((*table[0].rows, *table[1].rows)), About("t", "q"))
    one, two = (one.gain for at, one in both.findings.items() if at.where == ZERO_SHOT and at.target and one.gain)
    (alone,) = (
        one.gain
        for at, one in analyse(table[0], About("t", "q")).findings.items()
        if at.where == ZERO_SHOT and at.target and one.gain
    )
    assert alone.p_table == pytest.approx(alone.p)
    assert (one.value, one.p) == (two.value, two.p) == (alone.value, alone.p)
    assert one.p_table == two.p_table == pytest.approx(2 * alone.p, rel=0.5)
