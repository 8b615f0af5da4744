"""The model in training: one backbone, one head per task of the phase, and the rows of the word embedding in use.

The *active vocabulary* of a phase is the rows that its data can touch. A row whose token does not occur has no gradient
and no moments: AdamW only multiplies it by 1 - rate x decay at every step. `narrow` trains a compact embedding of the
active rows; `decay` gives the factor for the rest. Every other parameter is trained bit for bit as with all rows,
clipping included, and the embedding to 1e-7. In English task data 10,000 to 30,000 of XLM-R's 250,002 tokens occur.
Shape suffixes: A active rows, V vocabulary, E embedding size.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from xstilts.backbones.backbone import Backbone
from xstilts.core.files import read_json, write_json
from xstilts.core.seeds import derive_seed
from xstilts.task_types import TASK_TYPES, TaskType
from xstilts.training.config import TrainConfig
from xstilts.training.distributed import is_sharded


@dataclass(frozen=True)
class HeadSpec:
    """The task and type of a head."""

    task: str
    type: str
    labels: tuple[str, ...]

    @property
    def task_type(self) -> TaskType:
        return TASK_TYPES.get(self.type)

    @property
    def kind(self) -> str:
        """The type under which the head is saved, where several types train the same one."""
        return self.task_type.head_of or self.type


class Heads(nn.Module):
    """Heads by task name. torch's ModuleDict refuses names of its own methods, such as `train` or `items`."""

    def __setitem__(self, task: str, head: nn.Module) -> None:
        self._modules[task] = head

    def __contains__(self, task: object) -> bool:
        return task in self._modules

    def __getitem__(self, task: str) -> nn.Module:
        head = self._modules[task]
        assert head is not None
        return head


class TaskModel(nn.Module):
    """A backbone with heads by task name."""

    def __init__(self, backbone: Backbone, specs: Sequence[HeadSpec], dropout: float, seed: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.specs = tuple(specs)
        self.heads = Heads()
        self.carried: dict[HeadSpec, dict[str, torch.Tensor]] = {}
        for spec in sorted(specs, key=lambda spec: spec.kind != spec.type):
            lenders = [other.task for other in specs if other.kind == spec.kind and other.task in self.heads]
            if spec.kind != spec.type and lenders:
                self.heads[spec.task] = self.heads[lenders[0]]
                continue
            # Each head has its own seed: a task's head starts the same alone and in a mixture.
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(derive_seed(seed, "head", spec.task))
                self.heads[spec.task] = spec.task_type.head(backbone, spec.labels, dropout)


def save_model_heads(model: TaskModel, directory: Path) -> None:
    """Save the heads of this phase, and those carried on for later ones."""
    heads = {spec: dict(model.heads[spec.task].state_dict()) for spec in model.specs}
    save_heads({**model.carried, **heads}, directory)


def save_heads(heads: Mapping[HeadSpec, Mapping[str, torch.Tensor]], directory: Path) -> None:
    """Write `heads.safetensors` and `heads.json`."""
    state = {
        f"{spec.task}.{name}": value.detach().cpu().contiguous().clone()  # a shared head is saved under each name
        for spec, own in heads.items()
        for name, value in own.items()
    }
    save_file(state, directory / "heads.safetensors")
    rows = [{"task": spec.task, "type": spec.kind, "labels": list(spec.labels)} for spec in heads]
    write_json(directory / "heads.json", rows)


def saved_heads(directory: Path) -> dict[HeadSpec, dict[str, torch.Tensor]]:
    """The heads in a stage's folder; none for a bare backbone."""
    if not (directory / "heads.json").exists():
        return {}
    state = load_file(directory / "heads.safetensors")
    heads = {}
    for row in read_json(directory / "heads.json"):
        prefix = f"{row['task']}."
        own = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
        heads[HeadSpec(row["task"], row["type"], tuple(row["labels"]))] = own
    return heads


def restore_heads(model: TaskModel, directory: Path, keep: Mapping[str, Path]) -> dict[str, list[str]]:
    """Load heads of earlier phases: pretrained ones always, and those of the tasks in `keep`, each from its folder.

    `directory` is that of the previous phase. A pretrained head that this phase does not train is carried on for later
    ones. Returns which heads were `loaded`, `carried`, `dropped` (present before, not used) and `fresh`. This is
    recorded, since silently reused or dropped heads have changed published numbers.
    """
    folders = {folder: saved_heads(folder) for folder in {directory, *keep.values()}}
    before = folders[directory]
    pretrained = [spec for spec in before if spec.task_type.pretrained_head]
    used: dict[str, HeadSpec] = {}
    for spec in model.specs:
        held = folders[keep[spec.task]] if spec.task in keep else {}
        found = spec if spec in held else None
        if found is None and spec.task_type.pretrained_head:
            same = [head for head in pretrained if head.type == spec.kind]
            held, found = before, max(same, key=lambda head: head.task == spec.task, default=None)
        if found is not None:
            model.heads[spec.task].load_state_dict(held[found])
            used[spec.task] = found
    kinds = {spec.kind for spec in model.specs}
    model.carried = {spec: before[spec] for spec in before if spec in pretrained and spec.type not in kinds}
    kept = {*used.values(), *model.carried}
    return {
        "loaded": list(used),
        "carried": [spec.task for spec in model.carried],
        "dropped": sorted(spec.task for spec in before if spec not in kept),
        "fresh": [spec.task for spec in model.specs if spec.task not in used],
    }


class _Places:
    """A hook before the word embedding: the place of each token's row among the active ones."""

    def __init__(self, active_A: Tensor, vocabulary: int) -> None:
        self.place_V = torch.full((vocabulary,), len(active_A))  # a token that is not active fails as out of range
        self.place_V[active_A] = torch.arange(len(active_A))

    def __call__(self, words: nn.Module, given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        if self.place_V.device != given[0].device:
            self.place_V = self.place_V.to(given[0].device)
        return (self.place_V[given[0]], *given[1:])


def narrow(model: TaskModel, tokens: np.ndarray) -> Tensor | None:
    """Keep only the rows of these tokens in the word embedding, where that gives the same result.

    It does if the embedding is trained and only looked up: neither an output layer nor a head of the phase reads it.
    `tokens` are ids of all data that the phase is trained and judged on. Returns the active rows, [A] int64, ascending;
    None where all rows stay.
    """
    backbone = model.backbone
    words: Any = backbone.model.get_input_embeddings()
    weight_VE = backbone.embeddings
    readers = [one for one in backbone.model.modules() if any(own is weight_VE for own in one._parameters.values())]
    tied = any(getattr(head, "embeddings", None) is weight_VE for head in model.heads.modules())
    if readers != [words] or not isinstance(words, nn.Embedding) or tied or not weight_VE.requires_grad:
        return None
    padding = {words.padding_idx, backbone.config.pad_token_id} - {None}  # of the padded route
    active_A = torch.from_numpy(np.union1d(tokens, np.array(list(padding), dtype=np.int64)))
    places = _Places(active_A, len(weight_VE))
    words.weight = nn.Parameter(weight_VE.detach()[active_A.to(weight_VE.device)])
    words.num_embeddings = len(active_A)
    if words.padding_idx is not None:
        words.padding_idx = int(places.place_V[words.padding_idx])
    words.register_forward_pre_hook(places)
    return active_A


def decay(config: TrainConfig, done: Sequence[int], steps: int) -> float:
    """The factor of a row without gradients after `done` of `steps` steps; the mean if several weights are averaged."""
    rates = np.array([config.rate(step, steps) for step in range(max(done))])
    factors = np.cumprod(np.concatenate([[1.0], 1.0 - rates * config.weight_decay]))
    return float(np.mean(factors[list(done)]))


def clip_gradients(module: nn.Module, backbone: Backbone, largest: float) -> Tensor:
    """Scale all gradients to a norm of at most `largest`; returns the norm before.

    Squares of the word embedding's rows are summed in float64: rows without gradient do not change the rounding.
    """
    words = None if is_sharded(module) else backbone.embeddings
    gradients = []
    for one in module.parameters():
        if one is words and one.grad is not None:
            rows_V = torch.linalg.vector_norm(one.grad, dim=1, dtype=torch.float32)
            gradients.append(torch.linalg.vector_norm(rows_V, dtype=torch.float64).to(one.grad.dtype))
        elif one.grad is not None:
            gradients.append(one.grad)
    norm: Tensor = nn.utils.get_total_norm(gradients)
    nn.utils.clip_grads_with_norm_(module.parameters(), largest, norm)
    return norm
