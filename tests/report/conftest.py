"""The report's tests use the synthetic tables of the statistics' tests and of the studies' tests."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent.parent / name) for name in ("stats", "studies")]
