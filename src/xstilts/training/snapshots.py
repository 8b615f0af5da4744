"""Snapshots of a running phase's weights: when they are taken, and the one that is kept for the end.

A snapshot holds the trained weights of a checkpoint without the moments. One file is kept, the best or the sum so far,
and that of the last checkpoint, which a resumed run needs.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor

from xstilts.core.files import flush, sha256


def moments(steps: int, count: int, every: int | None = None) -> tuple[int, ...]:
    """Numbers of finished steps, ascending, at which snapshots are taken; the last is the end.

    Args:
        steps: of the phase.
        count: snapshots at equal distances, or fewer if there are fewer steps.
        every: steps between two, instead of `count`.
    """
    if every is not None:
        return (*range(every, steps, every), steps)
    return tuple(sorted({-(-steps * i // count) for i in range(1, count + 1)}))


class Snapshots:
    """The snapshots in a stage's folder, for the leading rank.

    Args:
        known: step of the snapshot that was current at the checkpoint from which the phase resumes.
    """

    def __init__(self, directory: Path, known: int | None) -> None:
        self.folder = directory / "snapshots"
        self.current, self._known = known, known
        self._digests: dict[int, str] = {}

    def keep(self, step: int, weights: Mapping[str, Tensor]) -> None:
        """Write the weights after a step as the current snapshot."""
        self.folder.mkdir(exist_ok=True)
        scratch = self.folder / "new"
        scratch.unlink(missing_ok=True)  # never written into: an earlier attempt at the stage may share the file
        save_file(dict(weights), scratch)
        flush(scratch)
        scratch.replace(self._path(step))
        self.current = step
        self._clear()

    def weights(self) -> dict[str, Tensor]:
        """The weights of the current snapshot."""
        assert self.current is not None
        found: dict[str, Tensor] = load_file(self._path(self.current))
        return found

    def digests(self) -> dict[str, str]:
        """Path in the stage's folder -> SHA-256 of the current snapshot; empty before the first."""
        step = self.current
        if step is None:
            return {}
        if step not in self._digests:
            self._digests = {step: sha256(self._path(step))}
        return {f"{self.folder.name}/{step}.safetensors": self._digests[step]}

    def checkpointed(self) -> None:
        """Note that a checkpoint was written: a killed run now resumes with the current snapshot."""
        self._known = self.current
        self._clear()

    def drop(self) -> None:
        """Remove all."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, step: int) -> Path:
        return self.folder / f"{step}.safetensors"

    def _clear(self) -> None:
        for path in self.folder.glob("*.safetensors"):
            if path not in (self._path(self.current or 0), self._path(self._known or 0)):
                path.unlink()
