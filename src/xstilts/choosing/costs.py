"""What runs cost, in tokens through the model: a token that is trained on counts three times, forward and backward.

Counted are train, predict and profile stages, each once, from prepared data where there is some; loading models and
writing files are not. A stage that was finished before counts too, so that a choice asked for again is the same choice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from xstilts.core.errors import ConfigError
from xstilts.graph.stage import Stage, graph
from xstilts.graph.store import Store
from xstilts.planning.amounts import amount
from xstilts.planning.planner import Planner
from xstilts.training.config import TrainConfig

BACKWARD = 3.0
"""Of a forward pass: one forward, and two backward."""
COSTLY = ("train", "predict", "profile")
UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True)
class Budget:
    """A share of the full grid's cost, or seconds of computing."""

    share: float | None = 0.3
    seconds: float | None = None

    @classmethod
    def parse(cls, text: str) -> Budget:
        """`0.3`, `30%`, `20m` or `2h`. Raises `ConfigError`."""
        found = re.fullmatch(r"(\d+(?:\.\d+)?|\.\d+)(%|s|m|h)?", text.strip())
        value = float(found[1]) if found else 0.0
        unit = found[2] if found else None
        if unit in UNITS and value > 0:
            return cls(None, value * UNITS[unit])
        share = value / 100 if unit == "%" else value
        if not 0 < share <= 1:
            raise ConfigError(f"--budget {text}: give a share of the grid's cost such as 0.3, or a time such as 20m")
        return cls(share)


@dataclass
class Ledger:
    """Counts what stages cost, each once.

    Args:
        starts: the models that all candidates start from; their pretraining is not counted.
    """

    planner: Planner
    store: Store
    starts: Sequence[Stage]
    paid: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.free = {stage.key for stage in graph(self.starts)}

    @property
    def spent(self) -> float:
        return sum(self.paid.values())

    def cost(self, stages: Iterable[Stage]) -> float:
        """Tokens of all that these need and that is not paid."""
        return sum(self._of(stage) for stage in graph(stages) if stage.key not in self.paid)

    def pay(self, stages: Iterable[Stage]) -> None:
        """Take these and all they need as done."""
        for stage in graph(stages):
            self.paid.setdefault(stage.key, self._of(stage))

    def seconds(self, stages: Sequence[Stage]) -> float:
        """What computing the paid stages took, as the store has it."""
        costly = {stage.key for stage in graph(stages) if stage.kind in COSTLY} - self.free
        return sum(record.seconds for record in self.store.stages() if record.key in costly)

    def _of(self, stage: Stage) -> float:
        if stage.key in self.free:
            return 0.0
        if stage.kind == "train":
            return BACKWARD * self.planner.load_of(stage, TrainConfig(**stage.config["train"]))[0].tokens
        if stage.kind == "predict":
            return float(amount(stage.inputs["data"], self.store).total)
        if stage.kind == "profile":
            data = amount(stage.inputs["data"], self.store)
            times = BACKWARD if stage.config["measure"] == "fisher" else 1.0
            return float(times * min(stage.config["examples"], data.instances) * data.tokens)
        return 0.0
