"""Which intermediate task to train on, judged by short runs instead of the full grid.

`setting` makes an experiment with one target of what was asked; `runs` describes its runs and what they cost;
`halving` trains them rung by rung within a budget; `pages` words the result.
"""

from xstilts.choosing.halving import Choice, choose
from xstilts.choosing.pages import choice_page
from xstilts.choosing.runs import Runs
from xstilts.choosing.setting import from_names, setting

__all__ = ["Choice", "Runs", "choice_page", "choose", "from_names", "setting"]
