"""Checkpoints of a running phase (trained weights, optimizer moments, the step), and snapshots of its weights alone.

checkpoint/step.json    the step, JSON that belongs to it, the SHA-256 of every file of tensors and of itself
*.safetensors           weights and moments; one file per rank if they are sharded
snapshots/*.safetensors the best weights or the sum so far, and those of the last checkpoint, which a resumed run needs

No pickles; writes are atomic. Frozen weights are those the phase started from, and are not saved. Nothing else needs
saving: the batch order and the random numbers of step k are functions of (seed, k).
"""

import hashlib
import json
import shutil
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.distributed.checkpoint import state_dict_loader, state_dict_saver
from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader, HuggingFaceStorageWriter
from torch.optim import Optimizer

from xstilts.core.errors import DataError, StageError
from xstilts.core.files import flush, read_json, sha256, write_json
from xstilts.training.distributed import is_sharded, team, whole

PLACES = ("checkpoint", "checkpoint.old")
"""Where a whole checkpoint may be: a kill between two renames leaves the previous one under the second name."""
WEIGHTS, MOMENTS, STEP = "weights.safetensors", "moments.safetensors", "step.json"


def save_checkpoint(
    directory: Path,
    model: nn.Module,
    optimizer: Optimizer,
    step: int,
    notes: Mapping[str, Any] | None = None,
    beside: Mapping[str, str] | None = None,
) -> None:
    """Write `directory/checkpoint`; the previous one is replaced when the new one is complete.

    All ranks must call it. Any number of ranks can load it. `step` counts finished optimizer steps; `notes` are JSON
    that must agree with it, such as counts for the log; `beside`: other files in `directory` with their SHA-256.
    """
    scratch = directory / "checkpoint.new"
    if team().is_main:
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True)
    team().leading(step)  # the other ranks wait for the folder
    files = _write(scratch, model, optimizer)
    if not team().is_main:
        return
    files |= {f"../{name}": digest for name, digest in (beside or {}).items()}
    record = {"step": step, "notes": dict(notes or {}), "files": files}
    write_json(scratch / STEP, {**record, "sha256": _digest(record)})
    for path in (scratch / STEP, scratch):
        flush(path)
    final, old = (directory / name for name in PLACES)
    if final.exists():  # else the old one is the last whole one, and stays until there is another
        shutil.rmtree(old, ignore_errors=True)
        final.rename(old)
    scratch.rename(final)
    shutil.rmtree(old, ignore_errors=True)


def _write(folder: Path, model: nn.Module, optimizer: Optimizer) -> dict[str, str]:
    """Write the tensors, every rank its own shards; returns the SHA-256 of all files."""
    weights: dict[str, torch.Tensor] = {name: value.detach() for name, value in _trained(model).items()}
    moments = {
        f"{name}|{key}": torch.as_tensor(value).detach()
        for name, parameter in model.named_parameters()
        for key, value in optimizer.state.get(parameter, {}).items()
    }
    if is_sharded(model):
        writer = HuggingFaceStorageWriter(str(folder), save_distributed=True)
        state_dict_saver.save({**weights, **moments}, storage_writer=writer, process_group=team().words)
        written = list(folder.glob(f"shard-{team().rank + 1:05d}-*"))
        assert written, f"no file of rank {team().rank} in {folder}"
    elif team().is_main:
        written = [folder / WEIGHTS, folder / MOMENTS]
        for path, tensors in zip(written, (weights, moments), strict=True):
            save_file({name: value.cpu().contiguous() for name, value in tensors.items()}, path)
    else:
        return {}
    for path in written:
        flush(path)
    own = {path.name: sha256(path) for path in written}
    return team().joined(own) if is_sharded(model) else own


def _digest(record: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def _damage(place: Path) -> str:
    try:
        record = read_json(place / STEP)
        if record.pop("sha256") != _digest(record):
            return f"{STEP} has changed since it was written"
        changed = [name for name, digest in record["files"].items() if sha256(place / name) != digest]
    except DataError as error:
        return f"{STEP}: {error.problem}"
    except OSError as error:
        return f"{Path(error.filename or place).name}: {error.strerror}"
    except (AttributeError, LookupError, TypeError):
        return f"{STEP} has no checksums"
    return f"{Path(changed[0]).name} has changed since it was written" if changed else ""


def sift_checkpoints(directory: Path) -> tuple[int, list[str]]:
    """Remove damaged checkpoints; returns the finished steps of the one that is left (or 0), and what was removed."""
    removed: list[str] = []
    for place in [directory / name for name in PLACES if (directory / name).exists()]:
        if not (problem := _damage(place)):
            return int(read_json(place / STEP)["step"]), removed
        shutil.rmtree(place)
        removed.append(f"{place.name}: {problem}")
    return 0, removed


def load_checkpoint(directory: Path, model: nn.Module, optimizer: Optimizer) -> tuple[int, dict[str, Any]]:
    """Restore the last complete checkpoint; returns its finished steps and notes, or (0, {}) without one.

    Every rank reads its own part, tensor by tensor. Raises `StageError` if ranks see different checkpoints.
    """
    final = next((directory / name for name in PLACES if (directory / name).exists()), None)
    record: dict[str, Any] = read_json(final / STEP) if final else {"step": 0, "notes": {}}
    step = int(record["step"])
    if step != team().leading(step):
        raise StageError(
            f"{socket.gethostname()} sees a checkpoint of step {step}, the leading rank another: the store's file "
            "system is not up to date on all nodes; run it again"
        )
    if final is None:
        return 0, {}
    reader = HuggingFaceStorageReader(str(final))
    parameters = dict(model.named_parameters())
    state: dict[str, torch.Tensor] = {name: value.detach() for name, value in _trained(model).items()}
    for entry in reader.read_metadata().state_dict_metadata:
        name, _, key = entry.partition("|")
        if key:
            parameter = parameters[name]
            # The step counter of AdamW stays on the CPU unless the optimizer is fused on a device.
            counter = torch.zeros((), device=parameter.device if parameter.is_cuda else "cpu")
            state[entry] = counter if key == "step" else torch.zeros_like(parameter)
            optimizer.state[parameter][key] = state[entry]
    state_dict_loader.load(state, storage_reader=reader, no_dist=True)
    return step, dict(record["notes"])


def trained_weights(model: nn.Module) -> dict[str, torch.Tensor]:
    """Trained parameters by name, whole and on the CPU, for the leading rank; all ranks must call it."""
    found = {}
    for name, value in _trained(model).items():
        full = whole(value.detach())
        if team().is_main:
            found[name] = full.cpu().contiguous()
    return found


@torch.no_grad()
def fill_weights(model: nn.Module, weights: Mapping[str, torch.Tensor]) -> None:
    """Set the trained parameters, which are whole, to `weights` in place."""
    for name, value in _trained(model).items():
        value.copy_(weights[name])


def _trained(model: nn.Module) -> dict[str, nn.Parameter]:
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


def drop_checkpoint(directory: Path) -> None:
    """Remove all checkpoints; each is renamed first, so that a half of it is never read."""
    gone = directory / "checkpoint.gone"
    shutil.rmtree(gone, ignore_errors=True)
    for name in ("checkpoint.new", *reversed(PLACES)):
        if (directory / name).exists():
            (directory / name).rename(gone)
            shutil.rmtree(gone)


def moments(steps: int, count: int, every: int | None = None) -> tuple[int, ...]:
    """Numbers of finished steps, ascending, at which snapshots are taken; the last is the end.

    There are `count` at equal distances (or fewer if there are fewer steps), or one `every` so many steps.
    """
    if every is not None:
        return (*range(every, steps, every), steps)
    return tuple(sorted({-(-steps * i // count) for i in range(1, count + 1)}))


class Snapshots:
    """The snapshots in a stage's folder, for the leading rank.

    `known` is the step of the snapshot that was current at the checkpoint from which the phase resumes.
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
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, step: int) -> Path:
        return self.folder / f"{step}.safetensors"

    def _clear(self) -> None:
        for path in self.folder.glob("*.safetensors"):
            if path not in (self._path(self.current or 0), self._path(self._known or 0)):
                path.unlink()
