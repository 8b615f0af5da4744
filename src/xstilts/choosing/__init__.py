"""Choosing an intermediate task by short runs instead of the full grid.

`runs` makes an experiment with one target, and describes its runs and their cost; `halving` trains them rung by rung
within a budget, and writes the result.
"""

from xstilts.choosing.halving import Choice, choice_page, choose
from xstilts.choosing.runs import Runs, from_names, setting

__all__ = ["Choice", "Runs", "choice_page", "choose", "from_names", "setting"]
