"""Schedules and options."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from xstilts.core.machine import Machine
from xstilts.training.config import TrainConfig


def test_the_linear_schedule_rises_to_the_rate_and_falls_to_zero() -> None:
    config = TrainConfig(learning_rate=1.0, warmup=0.2)
    rates = [config.rate(step, 10) for step in range(10)]
    assert rates == pytest.approx([0.5, 1.0, 1.0, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8])


def test_the_constant_schedule_stays_after_warming_up() -> None:
    config = TrainConfig(learning_rate=2.0, warmup=0.5, schedule="constant")
    assert [config.rate(step, 4) for step in range(4)] == [1.0, 2.0, 2.0, 2.0]


@pytest.mark.parametrize("steps", [1, 2, 3, 1000])
@pytest.mark.parametrize("warmup", [0.0, 0.1, 0.9])
def test_rates_are_always_positive_and_never_above_the_peak(steps: int, warmup: float) -> None:
    config = TrainConfig(learning_rate=1.0, warmup=warmup)
    assert all(0 < config.rate(step, steps) <= 1.0 for step in range(steps))


@pytest.mark.parametrize(
    "wrong",
    [
        {"learning_rat": 1},
        {"learning_rate": 0},
        {"steps": 0},
        {"warmup": 1.0},
        {"precision": "fp16"},
        {"backend": "flash"},
        {"head_dropout": 1.0},
        {"batch_size": -1},
    ],
)
def test_wrong_options_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        TrainConfig(**wrong)  # type: ignore[arg-type]


def test_no_setting_is_an_option_of_training() -> None:
    assert not set(Machine.__dataclass_fields__) & set(TrainConfig.model_fields)
