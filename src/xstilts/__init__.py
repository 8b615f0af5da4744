"""xstilts: English intermediate-task training for zero-shot cross-lingual transfer, officially measured.

>>> import xstilts as xs
>>> experiment = xs.load("first.yaml")  # doctest: +SKIP
>>> xs.run(experiment, store="runs").result()  # doctest: +SKIP
>>> xs.gains(experiment, store="runs")  # doctest: +SKIP

Importing this loads neither torch nor transformers; what needs them loads them when it is called.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xstilts.core.machine import Machine
    from xstilts.experiment import Experiment
    from xstilts.session.check import check
    from xstilts.session.loading import load
    from xstilts.session.models import model
    from xstilts.session.results import gains, report, score, scores
    from xstilts.session.run import run

__version__ = "0.1.0"
_HOMES = {
    "Experiment": "xstilts.experiment",
    "Machine": "xstilts.core.machine",
    "check": "xstilts.session.check",
    "gains": "xstilts.session.results",
    "load": "xstilts.session.loading",
    "model": "xstilts.session.models",
    "report": "xstilts.session.results",
    "run": "xstilts.session.run",
    "score": "xstilts.session.results",
    "scores": "xstilts.session.results",
}
__all__ = [
    "Experiment",
    "Machine",
    "check",
    "gains",
    "load",
    "model",
    "report",
    "run",
    "score",
    "scores",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'xstilts' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
