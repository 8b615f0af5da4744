"""What an executor gives stages to: this process, processes on this machine, on SLURM's or on Ray's."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from xstilts.graph.perform import Work, perform
from xstilts.graph.stage import Stage

Message = dict[str, Any]
"""What becomes of a stage. The last three end the attempt.

    {"started": true}     it is ours and has a directory
    {"report": {...}}     how far it is
    {"outcome": {...}}    how it ended, the fields of `Outcome`
    {"died": how}         its process was killed or crashed
    {"lost": how}         its place is gone (a node, a preempted job): nothing is known against the stage
"""


class Workers(Protocol):
    """Places that carry out stages, several at a time. Usable inside the block; what still runs is ended with it."""

    def __enter__(self) -> object: ...

    def __exit__(self, *error: Any) -> None: ...

    def fits(self, stage: Stage) -> bool:
        """Whether the stage can be given now; the same for all stages of a kind."""
        ...

    def give(self, stage: Stage) -> None:
        """Have a stage carried out that `fits`."""
        ...

    def receive(self, timeout: float) -> Iterator[tuple[Stage, Message]]:
        """What became of the stages meanwhile; waits at most `timeout` seconds for the first message.

        Raises:
            StageError: no worker can be started, or a worker does not see the store.
        """
        ...


@dataclass(frozen=True)
class Needs:
    """What a stage needs of a machine while it runs. Goes by its kind and is never in its key.

    Attributes:
        gpus: devices that nothing else uses.
        cpus: cores; None: its share of those of this machine.
    """

    gpus: int = 0
    cpus: int | None = None


class Here:
    """One stage at a time in this process. What it says comes when it has ended."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._given: list[Stage] = []

    def __enter__(self) -> Here:
        return self

    def __exit__(self, *error: Any) -> None:
        self._given.clear()

    def fits(self, stage: Stage) -> bool:
        """Whether no stage is given yet."""
        return not self._given

    def give(self, stage: Stage) -> None:
        """Carry it out at the next `receive`."""
        self._given.append(stage)

    def receive(self, timeout: float) -> Iterator[tuple[Stage, Message]]:
        """All about the stage that was given."""
        if not self._given:
            time.sleep(timeout)
            return
        stage, said = self._given.pop(), list[Message]()
        outcome = perform(
            self._work, stage, lambda: said.append({"started": True}), lambda data: said.append({"report": data})
        )
        yield from ((stage, message) for message in [*said, {"outcome": asdict(outcome)}])
