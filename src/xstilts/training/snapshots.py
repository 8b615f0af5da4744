"""Snapshots of a running phase's weights: when they are taken, and the one that is kept for the end.

A snapshot holds what is trained, as a checkpoint does, without moments. One file is kept, the best or the sum so far,
and beside it the one that the last checkpoint knew of: a run that is killed goes on from there, and must find it.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor

from xstilts.core.files import flush, sha256


def moments(steps: int, count: int, every: int | None = None) -> tuple[int, ...]:
    """Numbers of finished steps, rising, at which snapshots are taken; the end is always one.

    Args:
        steps: of the phase.
        count: snapshots at equal distances, fewer where there are fewer steps.
        every: steps between two, instead of `count`.
    """
    if every is not None:
        return (*range(every, steps, every), steps)
    return tuple(sorted({-(-steps * i // count) for i in range(1, count + 1)}))


class Snapshots:
    """The files of snapshots in a stage's folder; only the leading rank has one.

    Args:
        known: the step of the snapshot that was current at the checkpoint from which the phase goes on.
    """

    def __init__(self, directory: Path, known: int | None) -> None:
        self.folder = directory / "snapshots"
        self.current, self._known = known, known
        self._digests: dict[int, str] = {}

    def keep(self, step: int, weights: Mapping[str, Tensor]) -> None:
        """Make this the current one."""
        self.folder.mkdir(exist_ok=True)
        scratch = self.folder / "new"
        scratch.unlink(missing_ok=True)  # not written into: an earlier attempt at the stage may have the same file
        save_file(dict(weights), scratch)
        flush(scratch)
        scratch.replace(self._path(step))
        self.current = step
        self._clear()

    def weights(self) -> dict[str, Tensor]:
        """Those of the current one."""
        assert self.current is not None
        found: dict[str, Tensor] = load_file(self._path(self.current))
        return found

    def digests(self) -> dict[str, str]:
        """The SHA-256 of the current one by its path in the stage's folder; nothing before the first."""
        step = self.current
        if step is None:
            return {}
        if step not in self._digests:
            self._digests = {step: sha256(self._path(step))}
        return {f"{self.folder.name}/{step}.safetensors": self._digests[step]}

    def checkpointed(self) -> None:
        """A checkpoint was written: from now on a killed run goes on with the current snapshot."""
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
