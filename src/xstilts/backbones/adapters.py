"""Training a part of a backbone: low-rank adapters through PEFT (LoRA, Hu et al. 2022), and frozen layers.

Each phase has its own adapter, `phase0`, `phase1` ... Adapters of earlier phases stay, frozen. That equals merging
them, without rounding them to bf16 or 4-bit weights. Adapters are saved in PEFT's format.
"""

import warnings
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from xstilts.backbones.backbone import Backbone
from xstilts.backbones.names import LoRA
from xstilts.core.errors import BackboneError

WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"
_NOT_ADAPTED = r".*pooler.*"  # our heads do not read the library's poolers


def _number(name: str) -> int:
    return int(name.removeprefix("phase"))


def adapters_of(backbone: Backbone) -> list[str]:
    """Names of the adapters in the backbone, oldest first."""
    return sorted(getattr(backbone.model, "peft_config", {}), key=_number)


def _adapted_layers(backbone: Backbone) -> list[tuple[str, Any]]:
    """(path, layer) of all layers with adapters. PEFT is imported late: it is a fifth of a worker's start-up time."""
    from peft.tuners.lora import LoraLayer

    return [(path, module) for path, module in backbone.model.named_modules() if isinstance(module, LoraLayer)]


def add_adapter(backbone: Backbone, lora: LoRA) -> None:
    """Add an adapter, A drawn from torch's generator, B zero. Raises `BackboneError` if no layer is in its targets."""
    from peft import LoraConfig

    sizes: dict[str, Any] = {"r": lora.rank, "lora_alpha": lora.alpha, "lora_dropout": lora.dropout}
    targets = list(lora.targets) or "all-linear"
    _inject(backbone, LoraConfig(**sizes, target_modules=targets, exclude_modules=_NOT_ADAPTED))


def _inject(backbone: Backbone, config: Any) -> str:
    from peft import inject_adapter_in_model

    before = dict(getattr(backbone.model, "peft_config", {}))
    name = f"phase{len(before)}"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PEFT warns of adapters that are there already
            inject_adapter_in_model(config, backbone.model, adapter_name=name)
    except ValueError as error:
        modules = backbone.model.named_modules()
        linear = sorted({path.split(".")[-1] for path, part in modules if "Linear" in type(part).__name__})
        problem = f"the adapter fits no layer of this model ({str(error).splitlines()[0]})"
        raise BackboneError(f"{problem}: its linear layers are called {', '.join(linear)}") from None
    layers = _adapted_layers(backbone)
    for path, module in layers:
        if "Linear" not in type(module.get_base_layer()).__name__:
            raise BackboneError(f"adapters need linear layers, and `targets` names {path.rpartition('.')[2]}")
    backbone.model.peft_config = {**before, name: config}
    for _, module in layers:
        module.set_adapter([one for one in (*before, name) if one in module.lora_A])
        for frozen in before.keys() & module.lora_dropout.keys():
            module.lora_dropout[frozen] = nn.Identity()  # a frozen adapter works like a merged one
    for path, parameter in backbone.model.named_parameters():
        if ".lora_" in path and f".{name}." in path:
            parameter.data = parameter.data.float()
    return name


def train_only(backbone: Backbone, adapter: str | None = None, layers: int = 0, embeddings: bool = False) -> None:
    """Train one adapter or all weights, but not the lowest `layers` and what is below. Raises `BackboneError`."""
    for path, parameter in backbone.model.named_parameters():
        parameter.requires_grad_(adapter is None or (".lora_" in path and f".{adapter}." in path))
    if layers > backbone.layers:
        raise BackboneError(f"`frozen_layers: {layers}`, and the model has {backbone.layers} layers")
    stack = layer_stack(backbone)
    for module in stack[:layers]:
        module.requires_grad_(False)
    if layers or embeddings:  # all embeddings and their norm; only those of words if they are a sibling of the layers
        model, words = backbone.model, backbone.model.get_input_embeddings()
        path = next(path for path, module in model.named_modules() if module is words)
        parent: nn.Module = model.get_submodule(path.rpartition(".")[0])
        (words if any(module is stack for module in parent.modules()) else parent).requires_grad_(False)


def layer_stack(backbone: Backbone) -> nn.ModuleList:
    """The transformer layers, lowest first. Raises `BackboneError` if the architecture has no list of them."""
    lists = (module for module in backbone.body.modules() if isinstance(module, nn.ModuleList))
    found = next((module for module in lists if len(module) == backbone.layers), None)
    if found is None:
        raise BackboneError(f"{type(backbone.model).__name__} has no list of layers that could be frozen")
    return found


def save_adapters(backbone: Backbone, directory: Path) -> None:
    """Write `directory/phaseN/adapter_config.json` and `adapter_model.safetensors` in PEFT's format."""
    from peft import get_peft_model_state_dict

    for name in adapters_of(backbone):
        folder = directory / name
        folder.mkdir(parents=True)
        state: dict[str, torch.Tensor] = get_peft_model_state_dict(backbone.model, adapter_name=name)
        # In PEFT's files the names of modules begin with those of its wrapper.
        saved = {f"base_model.model.{key}": value.detach().cpu().contiguous() for key, value in state.items()}
        save_file(saved, folder / WEIGHTS, metadata={"format": "pt"})
        backbone.model.peft_config[name].save_pretrained(folder)


def load_adapters(backbone: Backbone, directory: Path) -> None:
    """Load saved adapters into the backbone, oldest first."""
    from peft import LoraConfig, set_peft_model_state_dict

    for folder in sorted(directory.iterdir(), key=lambda path: _number(path.name)):
        name = _inject(backbone, LoraConfig.from_pretrained(str(folder)))
        state = {key.removeprefix("base_model.model."): value for key, value in load_file(folder / WEIGHTS).items()}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result: Any = set_peft_model_state_dict(backbone.model, state, adapter_name=name)
        if result.unexpected_keys:
            raise BackboneError(f"adapter {folder} belongs to another model: it has {result.unexpected_keys[0]}")


class JoinedAdapter(NamedTuple):
    """Adapters as one: the update of a layer (by path) is `scale * B @ A`, with A [rank, in] and B [out, rank]."""

    rank: int
    scale: float
    layers: dict[str, tuple[torch.Tensor, torch.Tensor]]


def join_adapters(backbone: Backbone) -> JoinedAdapter:
    """The exact sum of all adapters: A stacked, B side by side, zeros if an adapter skips a layer.

    The scale is that of the last adapter; other adapters' B are multiplied by the ratio of the scales.
    """
    configs = [(name, backbone.model.peft_config[name]) for name in adapters_of(backbone)]
    scale = configs[-1][1].lora_alpha / configs[-1][1].r
    layers = {}
    for path, layer in _adapted_layers(backbone):
        parts: list[tuple[torch.Tensor, torch.Tensor]] = []
        for name, config in configs:
            if name in layer.lora_A:
                ratio = layer.scaling[name] / scale
                parts.append((layer.lora_A[name].weight.detach(), layer.lora_B[name].weight.detach() * ratio))
            else:
                parts.append((torch.zeros(config.r, layer.in_features), torch.zeros(layer.out_features, config.r)))
        layers[path] = torch.cat([a for a, _ in parts]), torch.cat([b for _, b in parts], dim=1)
    return JoinedAdapter(sum(config.r for _, config in configs), scale, layers)


def merge_adapters(backbone: Backbone) -> None:
    """Add all adapters to the weights and remove them."""
    if not (names := adapters_of(backbone)):
        return
    for path, module in _adapted_layers(backbone):
        module.merge(adapter_names=[name for name in names if name in module.lora_A])
        parent = backbone.model.get_submodule(path.rpartition(".")[0])
        setattr(parent, path.rpartition(".")[2], module.get_base_layer())
    del backbone.model.peft_config
