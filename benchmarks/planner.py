"""The planner's figures against a measured run: peak memory and time of training steps on random weights.

    python -m benchmarks.planner                                              # a small encoder on the CPU: time only
    python -m benchmarks.planner --backbone xlm-r-large --device cuda --planned-as h100
    python -m benchmarks.planner --backbone qwen3-8b --lora 16 --device cuda --planned-as h200

The model is made on the device from the architecture's configuration, nothing is fetched. A step is `--micro-batches`
packs of `--tokens` tokens in segments of `--segment`, through the package's own backbone, head and optimizer, in bf16
autocast unless `--precision fp32`. Memory is what torch's allocator had in use at most, without the driver's context.
Printed are measured and planned figures, their ratio, and the share of the device's peak that was reached: give it to
`xstilts plan --mfu`.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import AutoConfig, AutoModel, AutoModelForTextEncoding

from xstilts.backbones.adapters import adapters_of, add_adapter, train_only
from xstilts.backbones.backbone import Backbone, autocast
from xstilts.backbones.families import CHECKPOINTS
from xstilts.backbones.load import ENCODER_OF
from xstilts.backbones.names import LoRA
from xstilts.backbones.packing import pack
from xstilts.core.machine import Machine
from xstilts.planning.costing import Hardware, Load, training
from xstilts.planning.counts import Tuning
from xstilts.planning.devices import DEVICES, Utilisation, device
from xstilts.task_types import TASK_TYPES
from xstilts.training.config import TrainConfig
from xstilts.training.loop import make_optimizer

SMALL = {
    "model_type": "xlm-roberta",
    "num_hidden_layers": 4,
    "hidden_size": 256,
    "num_attention_heads": 4,
    "intermediate_size": 1024,
    "vocab_size": 8000,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
}
LABELS = ("a", "b", "c")


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("benchmarks.planner", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--backbone", default="small", help="short name of a checkpoint, or `small`")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--planned-as", choices=DEVICES, default=None, help="device to plan for")
    parser.add_argument("--precision", choices=("bf16", "fp32"), default=None, help="default: bf16 on a GPU")
    parser.add_argument("--backend", choices=("segments", "varlen", "block_mask"), default="segments")
    parser.add_argument("--tokens", type=int, default=2048, help="tokens per micro-batch")
    parser.add_argument("--segment", type=int, default=128, help="tokens of each segment")
    parser.add_argument("--micro-batches", type=int, default=2, help="micro-batches per step")
    parser.add_argument("--steps", type=int, default=5, help="timed steps, after two warm-up steps")
    parser.add_argument("--lora", type=int, default=0, metavar="RANK", help="adapters of this rank; 0: all weights")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(argv)
    given.precision = given.precision or ("bf16" if given.device == "cuda" else "fp32")
    given.planned_as = given.planned_as or ("h100" if given.device == "cuda" else "cpu")
    if given.tokens % given.segment:
        parser.error(f"--tokens {given.tokens} must be a multiple of --segment {given.segment}")
    return given


def shape_of(name: str) -> dict[str, Any]:
    if name == "small":
        return dict(SMALL)
    known = CHECKPOINTS.get(name)
    return {**known.shape, "model_type": known.model_type}


def make_model(given: argparse.Namespace) -> tuple[Backbone, nn.Module]:
    """Backbone and classification head of random weights, made on the device."""
    config = AutoConfig.for_model(**shape_of(given.backbone))
    auto = AutoModelForTextEncoding if config.model_type in ENCODER_OF else AutoModel
    half = given.lora and given.precision == "bf16"
    with torch.device(given.device):
        model = auto.from_config(config, dtype=torch.bfloat16 if half else torch.float32)
        backbone = Backbone(model, None, None, given.backend)
        if given.lora:
            add_adapter(backbone, LoRA(rank=given.lora))
        head = TASK_TYPES.get("classification").head(backbone, LABELS, 0.1)
    train_only(backbone, adapters_of(backbone)[-1] if given.lora else None)
    return backbone.train(), head.train()


def measure(given: argparse.Namespace) -> dict[str, float]:
    """Median seconds of a step, and on a GPU the peak of memory in bytes."""
    backbone, head = make_model(given)
    model = nn.ModuleDict({"backbone": backbone, "head": head})
    optimizer = make_optimizer(model, TrainConfig())
    packed = pack([np.full(given.segment, 7)] * (given.tokens // given.segment)).to(given.device)
    gold = torch.zeros(given.tokens // given.segment, dtype=torch.long, device=given.device)
    seconds = []
    for step in range(given.steps + 2):
        if step == 2 and given.device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        begin = time.perf_counter()
        for _ in range(given.micro_batches):
            with autocast(given.precision, given.device):
                logits = head(backbone(packed), packed)
                loss = nn.functional.cross_entropy(logits.float(), gold)
            loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if given.device == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - begin)
    memory = torch.cuda.max_memory_allocated() if given.device == "cuda" else 0
    return {"seconds": median(seconds[2:]), "memory": float(memory)}


def planned(given: argparse.Namespace) -> dict[str, float]:
    """The same from the plan, at full utilisation."""
    segments = given.micro_batches * given.tokens // given.segment
    load = Load(
        tokens=given.micro_batches * given.tokens,
        keys=float(given.segment),
        longest=given.segment,
        steps=1,
        batch=segments,
        precision=given.precision,
    )
    machine = Hardware(device(given.planned_as), Machine(micro_batch_tokens=given.tokens), Utilisation(1.0, 1.0, 1.0))
    cost = training(shape_of(given.backbone), Tuning(rank=given.lora), load, machine)
    cores = torch.get_num_threads() if given.planned_as == "cpu" else 1
    return {"seconds": 3600 * cost.hours.usual / cores, "memory": cost.memory.total, "flops": cost.flops}


def main(argv: Sequence[str] | None = None) -> None:
    given = arguments(argv)
    plan, real = planned(given), measure(given)
    tokens = given.micro_batches * given.tokens
    row: dict[str, Any] = {
        "backbone": given.backbone,
        "device": torch.cuda.get_device_name() if given.device == "cuda" else f"{torch.get_num_threads()} cores",
        "planned_as": given.planned_as,
        "precision": given.precision,
        "tokens": tokens,
        "flops": plan["flops"],
        "seconds": real["seconds"],
        "tokens_per_second": tokens / real["seconds"],
        "mfu": plan["seconds"] / real["seconds"],
    }
    if real["memory"]:
        ratio = plan["memory"] / real["memory"]
        row |= {"memory": real["memory"], "planned_memory": plan["memory"], "memory_ratio": ratio}
    if given.json:
        print(json.dumps(row, indent=2))
        return
    print(
        f"{given.backbone} on {row['device']}, {given.precision}, {given.micro_batches} x {given.tokens} tokens a step"
    )
    print(f"{row['seconds']:.3f} s a step, {row['tokens_per_second']:,.0f} tokens/s, {plan['flops']:.3g} FLOPs a step")
    print(f"{row['mfu']:.1%} of the peak of {given.planned_as}: `xstilts plan --mfu {row['mfu']:.2f}`")
    if "memory_ratio" in row:
        gb = f"{plan['memory'] / 1e9:.2f} GB planned, {real['memory'] / 1e9:.2f} GB measured"
        print(f"{gb}: ratio {row['memory_ratio']:.3f}")


if __name__ == "__main__":
    main()
