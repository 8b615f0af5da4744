"""The batch plan is a pure function of (lengths, mixture, seed, step)."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from xstilts.training.mixture import probabilities
from xstilts.training.plan import Plan, Source, steps_of

PLANS = """
import numpy as np
from xstilts.training.mixture import probabilities
from xstilts.training.plan import Plan, Source

def plans():
    lengths = np.arange(100) % 17 + 3
    one = Source.single("nli", lengths)
    many = Source("text", lengths, (np.arange(0, 60), np.arange(60, 95), np.arange(95, 100)), (0.5, 0.3, 0.2))
    yield Plan((one,), (1.0,), 8, 40, 1)
    yield Plan((one, many), (0.7, 0.3), 8, 40, 1)
    yield Plan((many, one), (0.3, 0.7), 6, 40, 2, bucket=5)

def table():
    return [[[step.source, *step.rows.tolist()] for step in map(plan.__getitem__, range(40))] for plan in plans()]
"""
_scope: dict[str, Any] = {}
exec(PLANS, _scope)
plans: Callable[[], list[Plan]] = lambda: list(_scope["plans"]())  # noqa: E731
table: Callable[[], list[Any]] = _scope["table"]


def rows(plan: Plan, step: int) -> list[int]:
    return plan[step].rows.tolist()


@given(st.permutations(range(40)), st.integers(0, 2))
def test_a_step_is_the_same_in_whatever_order_it_is_asked_for(order: list[int], which: int) -> None:
    straight, jumping = plans()[which], plans()[which]
    expected = [straight[step] for step in range(40)]
    for step in order:
        assert jumping[step].source == expected[step].source
        assert jumping[step].rows.tolist() == expected[step].rows.tolist()


def test_a_fresh_process_makes_the_same_plan() -> None:
    code = PLANS + "\nimport json; print(json.dumps(table()))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == str(table())


def test_the_order_is_as_it_always_was_golden(golden: Callable[[str, Any], None]) -> None:
    golden("plan", [[" ".join(map(str, step)) for step in plan[:6]] for plan in table()])


@given(st.integers(1, 40), st.integers(1, 12), st.integers(0, 5), st.sampled_from([0, 3]))
def test_every_instance_is_seen_once_in_every_epoch(size: int, batch: int, seed: int, bucket: int) -> None:
    steps = 3 * size
    plan = Plan((Source.single("nli", np.arange(size) + 1),), (1.0,), batch, steps, seed, bucket)
    stream = [row for step in range(steps) for row in rows(plan, step)]
    if bucket == 0:
        for epoch in range(len(stream) // size):
            assert sorted(stream[epoch * size : (epoch + 1) * size]) == list(range(size))
    whole = steps // 3 * 3 * batch if bucket else len(stream)
    counts = Counter(stream[:whole])
    assert max(counts.values()) - min(counts[row] for row in range(size)) <= 1


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    def epoch(seed: int, number: int) -> list[int]:
        plan = Plan((Source.single("nli", np.ones(50, int)),), (1.0,), 50, 4, seed)
        return rows(plan, number)

    assert epoch(1, 0) != epoch(1, 1)
    assert epoch(1, 0) != epoch(2, 0)
    assert epoch(1, 0) == epoch(1, 0)


@given(st.integers(2, 6), st.integers(1, 5), st.integers(0, 9))
def test_buckets_hold_the_same_rows_sorted_by_length(bucket: int, batch: int, seed: int) -> None:
    lengths = np.random.default_rng(seed).integers(1, 100, size=37)
    steps = 3 * bucket
    plain, sorted_ = (Plan((Source.single("qa", lengths),), (1.0,), batch, steps, seed, b) for b in (0, bucket))
    for block in range(3):
        inside = range(block * bucket, (block + 1) * bucket)
        assert Counter(r for s in inside for r in rows(plain, s)) == Counter(
            r for s in inside for r in rows(sorted_, s)
        )
        spans = sorted(
            (min(lengths[plan_rows]), max(lengths[plan_rows])) for s in inside for plan_rows in [rows(sorted_, s)]
        )
        assert all(a[1] <= b[0] for a, b in itertools.pairwise(spans))


def test_buckets_come_in_random_order() -> None:
    plan = Plan((Source.single("qa", np.arange(1000)),), (1.0,), 4, 200, 0, bucket=10)
    longest = [max(rows(plan, step)) for step in range(10)]
    assert longest != sorted(longest)


SAMPLERS = [
    {"sampling": "proportional"},
    {"sampling": "proportional", "cap": 500},
    {"sampling": "temperature", "temperature": 3.0},
    {"sampling": "uniform"},
    {"sampling": "given", "rates": [0.2, 0.5, 0.3]},
    {"rates": [None, None, 0.4]},
]


@pytest.mark.parametrize("sampler", SAMPLERS, ids=[str(sampler) for sampler in SAMPLERS])
def test_every_sampler_draws_with_its_exact_probabilities(sampler: dict[str, Any]) -> None:
    """Chi-square of 30,000 steps against the closed form; the seed is fixed, so it passes or fails for good."""
    sizes = [3000, 400, 50]
    exact = probabilities(sizes, **{"cap": 2**17, **sampler})
    sources = tuple(Source.single(name, np.full(size, 5)) for name, size in zip("abc", sizes, strict=True))
    drawn = Counter(Plan(sources, tuple(exact), 4, 30_000, 3).sequence.tolist())
    assert chisquare([drawn[i] for i in range(3)], exact * 30_000).pvalue > 0.01


def test_an_annealed_mixture_goes_in_a_line_from_one_to_the_other() -> None:
    sources = tuple(Source.single(name, np.full(50, 5)) for name in "ab")
    plan = Plan(sources, (0.9, 0.1), 4, 40_000, 3, annealed=(0.3, 0.7))
    tenths = plan.sequence.reshape(10, -1).mean(axis=1)  # share of the second source
    np.testing.assert_allclose(tenths, 0.1 + 0.6 * (np.arange(10) + 0.5) / 10, atol=0.02)
    assert plan.sequence.dtype.kind == "i"
    assert Plan(sources, (0.9, 0.1), 4, 1, 3, annealed=(0.3, 0.7)).sequence.shape == (1,)


def test_annealing_to_the_same_probabilities_changes_nothing() -> None:
    sources = tuple(Source.single(name, np.full(50, 5)) for name in "abc")
    shares = (0.5, 0.3, 0.2)
    constant, annealed = (Plan(sources, shares, 4, 5000, 3, annealed=end).sequence for end in (None, shares))
    np.testing.assert_array_equal(constant, annealed)


def test_a_task_of_probability_zero_is_never_drawn() -> None:
    sources = tuple(Source.single(name, np.ones(9, int)) for name in "abc")
    plan = Plan(sources, (0.0, 1.0, 0.0), 2, 5000, 3)
    assert set(plan.sequence.tolist()) == {1}


def test_a_tasks_order_does_not_depend_on_its_company() -> None:
    a, b = Source.single("a", np.ones(30, int)), Source.single("b", np.ones(20, int))
    alone = Plan((a,), (1.0,), 4, 60, 5)
    mixed = Plan((b, a), (0.5, 0.5), 4, 60, 5)
    own = [mixed[step].rows.tolist() for step in range(60) if mixed[step].source == 1]
    assert len(own) > 15
    assert own == [rows(alone, step) for step in range(len(own))]


@pytest.mark.parametrize("bucket", [0, 4])
def test_languages_are_drawn_with_their_shares_and_each_is_read_evenly(bucket: int) -> None:
    groups = (np.arange(0, 1000), np.arange(1000, 1100), np.arange(1100, 1110))
    source = Source("text", np.ones(1110, int), groups, (0.5, 0.3, 0.2))
    plan = Plan((source,), (1.0,), 10, 2000, 7, bucket)
    seen = Counter(row for step in range(2000) for row in rows(plan, step))
    for group, share in zip(groups, (0.5, 0.3, 0.2), strict=True):
        counts = [seen[row] for row in group]
        assert abs(sum(counts) / 20_000 - share) < 0.015
        assert max(counts) - min(counts) <= 1


@pytest.mark.parametrize(
    ("sizes", "batch", "epochs", "cap", "steps"),
    [([100], 32, 2.0, 1000, 7), ([100, 50], 10, 1.0, 1000, 15), ([100, 50], 10, 1.0, 60, 11), ([5], 32, 0.1, 9, 1)],
)
def test_steps_of_a_phase_given_in_epochs(sizes: list[int], batch: int, epochs: float, cap: int, steps: int) -> None:
    assert steps_of(sizes, batch, epochs, cap) == steps
