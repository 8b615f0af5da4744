"""Which intermediate task to train on, judged by short runs instead of the full grid.

`runs` makes an experiment with one target of what was asked, and describes its runs and what they cost; `halving`
trains them rung by rung within a budget, and words the result.
"""

from xstilts.choosing.halving import Choice, choice_page, choose
from xstilts.choosing.runs import Runs, from_names, setting

__all__ = ["Choice", "Runs", "choice_page", "choose", "from_names", "setting"]
