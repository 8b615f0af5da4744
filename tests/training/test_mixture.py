"""How often each task is drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xstilts.core.errors import ConfigError
from xstilts.training.config import TrainConfig
from xstilts.training.mixture import CAP, Draws, Mixture, Part, language_probabilities, probabilities

SIZES = [300_000, 100_000, 1000]


def close(found: np.ndarray, expected: list[float]) -> None:
    np.testing.assert_allclose(found, np.asarray(expected) / np.sum(expected), rtol=1e-12)


def test_proportional_sizes_are_capped() -> None:
    close(probabilities(SIZES), [CAP, 100_000, 1000])
    close(probabilities(SIZES, cap=50_000), [50_000, 50_000, 1000])


def test_temperature_flattens_and_one_is_proportional() -> None:
    close(probabilities(SIZES, "temperature", temperature=2.0), list(np.sqrt([CAP, 100_000, 1000])))
    close(probabilities(SIZES, "temperature", temperature=1.0), [CAP, 100_000, 1000])


def test_uniform_ignores_sizes() -> None:
    close(probabilities(SIZES, "uniform"), [1, 1, 1])


def test_given_rates_are_normalised() -> None:
    close(probabilities(SIZES, "given", rates=[0.2, 0.2, 0.4]), [1, 1, 2])


def test_a_rate_of_one_task_leaves_the_rest_to_the_others_by_size() -> None:
    close(probabilities([1000, 3000, 5], rates=[None, None, 0.2]), [0.2, 0.6, 0.2])
    close(probabilities([1000, 3000], rates=[None, 0.0]), [1, 0])


@given(
    st.lists(st.integers(1, 10**7), min_size=1, max_size=6),
    st.sampled_from(["proportional", "temperature", "uniform"]),
)
def test_probabilities_sum_to_one_and_grow_with_size(sizes: list[int], sampling: str) -> None:
    found = probabilities(sizes, sampling)  # type: ignore[arg-type]
    assert found.sum() == pytest.approx(1.0)
    order = np.argsort(sizes, kind="stable")
    assert (np.diff(found[order]) >= -1e-12).all()


@pytest.mark.parametrize("rates", [[0.7, 0.7, None], [-0.1, None, None]])
def test_impossible_rates_are_refused(rates: list[float | None]) -> None:
    with pytest.raises(ConfigError, match=r"each must be at least 0, .* together at most 1"):
        probabilities(SIZES, rates=rates)


def test_rates_that_are_all_zero_are_refused() -> None:
    with pytest.raises(ConfigError, match="not all 0"):
        probabilities([10, 20], rates=[0.0, 0.0])


def test_given_sampling_needs_rates() -> None:
    with pytest.raises(ConfigError, match="needs a rate"):
        probabilities(SIZES, "given")


def test_languages_are_sampled_by_size_to_a_power() -> None:
    close(language_probabilities([1000, 10], 0.3), [1000**0.3, 10**0.3])
    close(language_probabilities([1000, 10], 1.0), [1000, 10])
    close(language_probabilities([1000, 10], 0.0), [1, 1])


def draws(*parts: dict[str, Any], steps: int | None = None, **sampling: Any) -> Draws:
    sizes = [int(part.pop("size")) for part in parts]
    mixture = Mixture(tuple(Part("", "", **part) for part in parts), **sampling)
    return mixture.draws(sizes, TrainConfig(batch_size=10, epochs=1, steps=steps))


def test_replay_takes_its_share_on_top_of_the_phases_own_steps() -> None:
    own, before = {"size": 900}, [{"size": 100, "replayed": True}, {"size": 300, "replayed": True}]
    found = draws(own, *before, replay=0.1)
    close(np.asarray(found.first), [0.9, 0.025, 0.075])
    assert found.steps == 100
    assert draws({"size": 900}).steps == 90
    assert draws({"size": 900}, {"size": 5, "replayed": True}, steps=7, replay=0.5).steps == 7


def test_replay_leaves_rates_of_the_phase_in_proportion() -> None:
    parts = [{"size": 900, "rate": None}, {"size": 50, "rate": 0.4}, {"size": 100, "replayed": True}]
    close(np.asarray(draws(*parts, replay=0.5).first), [0.3, 0.2, 0.5])


def test_replayed_sizes_are_capped_among_themselves() -> None:
    before = [{"size": 3 * CAP, "replayed": True}, {"size": CAP, "replayed": True}]
    close(np.asarray(draws({"size": 900}, *before, replay=0.5).first), [0.5, 0.25, 0.25])


def test_a_mixture_is_annealed_from_one_sampling_to_another() -> None:
    parts = [{"size": 900}, {"size": 100}]
    found = draws(*parts, end={"sampling": "uniform", "temperature": 2.0})
    close(np.asarray(found.first), [9, 1])
    assert found.last is not None
    close(np.asarray(found.last), [1, 1])
    parts = [{"size": 900}, {"size": 100}]
    found = draws(*parts, sampling="temperature", temperature=1.0, end={"sampling": "temperature", "temperature": 2.0})
    close(np.asarray(found.first), [9, 1])
    close(np.asarray(found.last), [3, 1])


def test_a_task_that_comes_in_late_counts_for_the_steps() -> None:
    parts = [{"size": 900}, {"size": 100, "rate": 0.0, "rate_end": 0.5}]
    found = draws(*parts, end={"sampling": "proportional", "temperature": 2.0})
    assert found.first == (1.0, 0.0)
    assert found.last == (0.5, 0.5)
    assert found.steps == 100
    assert draws({"size": 900}, {"size": 100, "rate": 0.0}).steps == 90, "it never comes in"


def test_the_cap_is_of_mixtures() -> None:
    """A task alone is read whole, as in jiant without a capped sampler: 392,702 examples are 24,544 steps of 32."""
    part, options = Part("", ""), TrainConfig(epochs=2, batch_size=32)
    assert Mixture((part,)).draws([392_702], options).steps == 24_544
    assert Mixture((part, part)).draws([392_702, 39_905], options).steps == 8_192 + 2_495
    assert draws({"size": 2 * CAP}, {"size": 10, "replayed": True}, replay=0.5).steps == round(2 * np.ceil(CAP / 5))
