"""From an experiment to its graph: every cell of the table as an evaluate stage."""

from xstilts.expand.cells import CONTROL_NAMES, Expansion, GridCell, trained_and_tested
from xstilts.expand.data import Replicate
from xstilts.expand.phases import StartModel

__all__ = ["CONTROL_NAMES", "Expansion", "GridCell", "Replicate", "StartModel", "trained_and_tested"]
