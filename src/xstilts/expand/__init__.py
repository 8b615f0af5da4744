"""From an experiment to its graph: every cell of the table as an evaluate stage.

`cells` walks backbones x recipes x targets x seeds and makes what recipes start from; `phases` describes training;
`data` finds the files and languages that all of them read.
"""

from xstilts.expand.cells import CONTROL_NAMES, Cell, Expansion, trained_and_tested
from xstilts.expand.data import Replicate
from xstilts.expand.phases import StartModel

__all__ = ["CONTROL_NAMES", "Cell", "Expansion", "Replicate", "StartModel", "trained_and_tested"]
