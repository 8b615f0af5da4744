"""What is said of a budget that does not reach: advice that can be followed."""

from __future__ import annotations

from xstilts.choosing.costs import Budget
from xstilts.choosing.halving import too_small


def test_a_share_that_can_be_given_is_named() -> None:
    said = too_small(0.01, 0.222, 4)
    assert said.endswith(
        "of the steps of 4 recipes and cheap scores take 23 %; give that, or leave out candidates or scores"
    )
    assert Budget.parse("23%").share == 0.23


def test_more_than_the_grid_cannot_be_given_as_a_share() -> None:
    assert "take 345 %; more than the grid itself: give a time, such as 20m, or leave the scores out" in too_small(
        0.5, 3.444, 3
    )
