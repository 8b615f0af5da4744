"""Checkpoints of a running phase: trained weights, optimizer moments, the step. No pickles, whole or not at all.

Weights that are frozen are those the phase started from, and are not saved again.
There is nothing else to save: the batch order and the random draws of step k are functions of (seed, k).
"""

from __future__ import annotations

import shutil
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import nn
from torch.optim import Optimizer

from xstilts.core.errors import DataError, StageError
from xstilts.core.files import flush, read_json, write_json
from xstilts.training.distributed import fill, shard_like, team, whole

PLACES = ("checkpoint", "checkpoint.old")
"""Where a whole one may lie: a kill between two renames leaves the one before under its other name."""
WEIGHTS, MOMENTS, STEP = "weights.safetensors", "moments.safetensors", "step.json"


def save_checkpoint(
    directory: Path, model: nn.Module, optimizer: Optimizer, step: int, notes: Mapping[str, Any] | None = None
) -> None:
    """Write `directory/checkpoint`, replacing the one before only when the new one is complete.

    Of several ranks all must call it, and the leading one writes; it can be loaded by any number of them.

    Args:
        step: finished optimizer steps.
        notes: JSON that must agree with the step, such as counts for the log.
    """
    weights = trained_weights(model)
    moments: dict[str, torch.Tensor] = {}
    for name, parameter in model.named_parameters():
        for key, value in optimizer.state.get(parameter, {}).items():
            moments[f"{name}|{key}"] = _saved(torch.as_tensor(value))
    if not team().leads:
        return
    scratch = directory / "checkpoint.new"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    save_file(weights, scratch / WEIGHTS)
    save_file(moments, scratch / MOMENTS)
    write_json(scratch / STEP, {"step": step, "notes": dict(notes or {})})
    for path in [*scratch.iterdir(), scratch]:
        flush(path)
    final, old = (directory / name for name in PLACES)
    if final.exists():  # else the old one is the last whole one: it stays until there is another
        shutil.rmtree(old, ignore_errors=True)
        final.rename(old)
    scratch.rename(final)
    shutil.rmtree(old, ignore_errors=True)


def sift_checkpoints(directory: Path) -> tuple[int, list[str]]:
    """Remove checkpoints that are not whole.

    Returns:
        the finished steps of the one that a run goes on from, 0 where there is none; what was removed, and why.
    """
    steps, removed = [], []
    for place in [directory / name for name in PLACES if (directory / name).exists()]:
        try:
            step = int(read_json(place / STEP)["step"])
            for name in (WEIGHTS, MOMENTS):
                with safe_open(place / name, "pt"):  # the header tells the size
                    pass
        except (DataError, SafetensorError, OSError, LookupError, TypeError, ValueError) as error:
            shutil.rmtree(place)
            removed.append(f"{place.name}: {error}")
        else:
            steps.append(step)
    return next(iter(steps), 0), removed


def load_checkpoint(directory: Path, model: nn.Module, optimizer: Optimizer) -> tuple[int, dict[str, Any]]:
    """Restore the last complete checkpoint; returns its finished steps and notes, (0, {}) where there is none.

    Raises:
        StageError: ranks on other machines see another checkpoint.
    """
    final = next((directory / name for name in PLACES if (directory / name).exists()), None)
    saved: dict[str, Any] = read_json(final / STEP) if final else {"step": 0, "notes": {}}
    step = int(saved["step"])
    if step != team().leading(step):
        raise StageError(
            f"{socket.gethostname()} sees a checkpoint of step {step}, the leading rank another: the file system of "
            "the store has not caught up on all nodes; run it again"
        )
    if final is None:
        return 0, {}
    fill_weights(model, load_file(final / WEIGHTS))
    moments = load_file(final / MOMENTS)
    for name, parameter in model.named_parameters():
        prefix = f"{name}|"
        state = {key.removeprefix(prefix): value for key, value in moments.items() if key.startswith(prefix)}
        if state:
            # The step counter of AdamW stays on the CPU unless the optimizer is fused on a device.
            optimizer.state[parameter] = {
                key: shard_like(parameter, value.to(parameter.device) if key != "step" or parameter.is_cuda else value)
                for key, value in state.items()
            }
    return step, dict(saved["notes"])


def trained_weights(model: nn.Module) -> dict[str, torch.Tensor]:
    """What is trained, whole and on the CPU, by name; of several ranks all must ask for it."""
    return {name: _saved(value) for name, value in _trained(model).items()}


@torch.no_grad()
def fill_weights(model: nn.Module, weights: Mapping[str, torch.Tensor]) -> None:
    """Set what is trained to `weights`, in place."""
    for name, value in _trained(model).items():
        fill(value, weights[name])


def _saved(value: torch.Tensor) -> torch.Tensor:
    return whole(value.detach()).cpu().contiguous()


def _trained(model: nn.Module) -> dict[str, nn.Parameter]:
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


def drop_checkpoint(directory: Path) -> None:
    """Remove what a finished phase no longer needs; each under another name, so that no half of it is ever read."""
    gone = directory / "checkpoint.gone"
    shutil.rmtree(gone, ignore_errors=True)
    for name in ("checkpoint.new", *reversed(PLACES)):
        if (directory / name).exists():
            (directory / name).rename(gone)
            shutil.rmtree(gone)
