"""Studies are tested on the synthetic tables of the statistics' tests."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "stats"))
