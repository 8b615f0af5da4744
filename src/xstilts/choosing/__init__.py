"""Which intermediate task to take, before paying for all: cheap scores, then successive halving on short runs.

`setting` turns what was asked into an experiment with one target; `runs` describes short and full runs of candidates
toward it; `costs` counts them; `cheap` scores them without training or after very little; `halving` runs rung after
rung within the budget; `pages` words the result; `worth` measures all of it against a finished grid.

It stands above both wings, as the command line does: what to run next depends on scores.
"""

from xstilts.choosing.cheap import SCORES
from xstilts.choosing.costs import Budget
from xstilts.choosing.halving import Choice, Chooser, Row
from xstilts.choosing.pages import choice_page, worth_page
from xstilts.choosing.setting import candidates, setting
from xstilts.choosing.worth import Worth, measure_worth

__all__ = [
    "SCORES",
    "Budget",
    "Choice",
    "Chooser",
    "Row",
    "Worth",
    "candidates",
    "choice_page",
    "measure_worth",
    "setting",
    "worth_page",
]
