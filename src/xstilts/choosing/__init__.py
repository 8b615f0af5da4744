"""Choosing an intermediate task by short runs instead of the full grid."""

from xstilts.choosing.halving import Choice, choice_page, choose
from xstilts.choosing.runs import Runs, from_names, setting

__all__ = ["Choice", "Runs", "choice_page", "choose", "from_names", "setting"]
