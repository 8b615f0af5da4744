"""Training curves and costs: thinned, aligned over seeds, as many as fit."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from report_helpers import ABOUT, DESIGN, QUICK
from synthetic_scores import build

from xstilts.reports import Named, analyse
from xstilts.reports.contents import contents
from xstilts.reports.curves import FEWEST, POINTS, ROOM, KindCost, Logged, charts, cost_table
from xstilts.reports.html import page


def log(view: str, title: str, seed: int, steps: int = 10, scored: bool = True) -> Logged:
    losses = [(50 * (n + 1), 2.0 / (n + 1)) for n in range(steps)]
    return Logged(view, title, seed, losses, [(50 * steps, 70.0 + seed)] * scored, 33.3 if scored else None)


def test_a_phase_is_one_chart_with_a_curve_for_each_seed():
    found, absent = charts([log("topics", "[nli]", seed) for seed in (1, 2)] + [log("topics", "[]", 1, scored=False)])
    assert [(one["view"], one["title"], one["seeds"]) for one in found] == [
        ("topics", "[nli]", [1, 2]),
        ("topics", "[]", [1]),
    ]
    assert found[0]["steps"] == [50 * n for n in range(1, 11)]
    assert found[0]["loss"][0][:3] == [2.0, 1.0, 0.667]
    assert found[0]["scores"] == [[(500, 71.0)], [(500, 72.0)]]
    assert (found[0]["majority"], found[1]["majority"], found[1]["scores"], absent) == (33.3, None, [[]], 0)


def test_long_curves_are_means_of_bins_that_keep_the_ends():
    (chart,), _ = charts([replace(log("topics", "[]", 1, 1234), scores=[(n, float(n)) for n in range(1, 501)])])
    assert len(chart["steps"]) == len(chart["loss"][0]) == POINTS
    assert chart["steps"][-1] == 50 * 1234
    assert chart["loss"][0][0] == float(f"{np.mean([2 / (n + 1) for n in range(12)]):.3g}")
    assert chart["scores"][0][0] == (5, 5.0)
    assert chart["scores"][0][-1] == (500, 500.0)


def test_a_seed_that_logged_other_steps_or_no_number_has_gaps():
    runs = [Logged("topics", "[]", 1, [(50, 1.0), (100, math.nan)]), Logged("topics", "[]", 2, [(100, 3.0)])]
    (chart,), _ = charts(runs)
    assert (chart["steps"], chart["loss"]) == ([50, 100], [[1.0, None], [None, 3.0]])


def test_very_many_curves_are_thinned_further_and_then_left_out():
    many = ROOM // FEWEST + 7
    found, absent = charts(log("topics", str(n), 1, 200) for n in range(many))
    assert absent == 7
    assert len(found) == many - 7
    assert {len(chart["steps"]) for chart in found} == {FEWEST}


def test_costs_have_a_sum_and_say_what_is_not_known():
    table = cost_table(
        [KindCost("train", 42, 83.66, 6_563_521, None), KindCost("predict", 49, 29.2, None, 151_500_000)]
    )
    assert [[row.label, *(cell.text for cell in row.cells)] for row in table.rows] == [
        ["train", "42", "83.7", "6,563,521", "–"],
        ["predict", "49", "29.2", "–", "151.5"],
        ["all", "91", "112.9", "6,563,521", "–"],
    ]
    assert table.notes == ("disk: not known of train, whose files are no longer all in the store",)
    assert cost_table([]) is None


def test_the_page_of_a_large_grid_stays_under_a_megabyte():
    """10 recipes x 10 targets x 50 languages x 5 seeds, with a log of 2,000 steps for each phase."""
    codes, recipes = [f"l{n:02}" for n in range(50)], [f"[task{n}]" for n in range(9)]
    targets = tuple(f"target{n}" for n in range(10))
    design = replace(
        DESIGN, gains={"[]": 0.0, **dict.fromkeys(recipes, 2.0)}, tasks=targets, languages=tuple(codes),
        seeds=(1, 2, 3, 4, 5), n=20, extra={},
    )  # fmt: skip
    logs = [log(view, title, seed, 2000) for view in targets for title in design.gains for seed in design.seeds]
    logs += [log("before the target", title, seed, 2000) for title in recipes for seed in design.seeds]
    about = replace(
        ABOUT, recipes=tuple(design.gains), targets=targets, languages=tuple(map(Named, codes)), controls={},
        source="l00", seeds=design.seeds, logged=tuple(logs),
        inputs=tuple(
            {"file": f"{target}/test-{code}.jsonl", "sha256_20": "0123456789abcdef0123"}
            for target in targets for code in codes
        ),
    )  # fmt: skip
    analysis = analyse(build(design, np.random.default_rng(0)), about, QUICK)
    size = len(page(contents(analysis), {}).encode())
    assert 400_000 < size < 1_000_000, size
