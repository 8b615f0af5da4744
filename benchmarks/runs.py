"""How one run of a contender is timed: the Hugging Face Trainer, or xstilts' own loop.

A run trains `warmup + steps` optimizer steps; the clock runs from the end of the last warm-up step to the end of the
last step, so that batches are drawn, collated and moved inside the time on both sides. Both sides use the same weights,
token ids, batch size, AdamW (fused), decay, rate, clipping at 1.0 and dropout, and one forward pass per step.
"""

from __future__ import annotations

import copy
import gc
import tempfile
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from transformers import (
    AutoModelForSequenceClassification,
    DataCollatorWithPadding,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from benchmarks.contenders import Contender
from benchmarks.data import LABELS, MAX_LENGTH, Bench
from xstilts.backbones.backbone import Backbone
from xstilts.core.machine import Machine
from xstilts.training.config import TrainConfig
from xstilts.training.loop import Phase, make_optimizer, train
from xstilts.training.model import HeadSpec, Model
from xstilts.training.plan import Plan, Source

RATE, DECAY, DROPOUT = 2e-5, 0.01, 0.1
SPEC = HeadSpec("pairs", "classification", LABELS)


@dataclass(frozen=True)
class Run:
    """What one timed run did.

    Attributes:
        seconds: of the timed steps.
        tokens: real tokens trained on in them, padding not counted.
        positions: places of the batches, padding counted.
    """

    seconds: float
    tokens: int
    positions: int
    examples: int
    steps: int

    @property
    def tokens_per_second(self) -> float:
        return self.tokens / self.seconds

    @property
    def examples_per_second(self) -> float:
        return self.examples / self.seconds

    def row(self) -> dict[str, Any]:
        return {
            "seconds": round(self.seconds, 4),
            "tokens": self.tokens,
            "positions": self.positions,
            "examples": self.examples,
            "steps": self.steps,
        }


@dataclass
class Watch:
    """Reads the clock at the end of steps number `warmup` and `warmup + steps`, when the device has finished."""

    bench: Bench
    times: list[float] = field(default_factory=list)

    def step_done(self, done: int) -> None:
        if done in (self.bench.warmup, self.bench.warmup + self.bench.steps):
            if self.bench.device == "cuda":
                torch.cuda.synchronize()
            self.times.append(time.perf_counter())

    @property
    def seconds(self) -> float:
        begin, end = self.times
        return end - begin


def run(contender: Contender, bench: Bench, seed: int) -> Run:
    """Train once and time it; `seed` decides the order of the examples and dropout."""
    try:
        return (_run_trainer if contender.library == "Trainer" else _run_ours)(contender, bench, seed)
    finally:
        gc.collect()
        if bench.device == "cuda":
            torch.cuda.empty_cache()


# The Trainer -------------------------------------------------------------------------------------------------------


def _run_trainer(contender: Contender, bench: Bench, seed: int) -> Run:
    watch = Watch(bench)
    collator = _CountingCollator(bench.backbone.tokenizer)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        # Without a GPU the Trainer's default asks for pinned memory, and torch says that there is none.
        warnings.simplefilter("ignore")
        trainer = Trainer(
            model=_library_model(bench),
            args=_arguments(contender, bench, seed, folder),
            train_dataset=_Rows(_trainer_rows(bench)),
            data_collator=collator,
            processing_class=bench.backbone.tokenizer,
            callbacks=[_WatchCallback(watch)],
        )
        trainer.remove_callback(PrinterCallback)
        # Accelerate keeps the precision in state shared by all Trainers of a process, and reads the environment.
        used = trainer.accelerator.mixed_precision
        expected = "no" if contender.precision == "fp32" else contender.precision
        assert used == expected, f"the Trainer took mixed precision '{used}' instead of '{expected}'"
        trainer.train()
    timed = slice(bench.warmup, bench.warmup + bench.steps)
    return Run(
        watch.seconds,
        sum(collator.tokens[timed]),
        sum(collator.positions[timed]),
        sum(collator.examples[timed]),
        bench.steps,
    )


def _arguments(contender: Contender, bench: Bench, seed: int, folder: str) -> TrainingArguments:
    """Defaults but for what both sides share, and for logs and checkpoints, which are off (in the Trainer's favour)."""
    grouped = {"train_sampling_strategy": "group_by_length"} if contender.grouped else {}
    return TrainingArguments(
        output_dir=folder,
        max_steps=bench.warmup + bench.steps,
        per_device_train_batch_size=bench.batch,
        learning_rate=RATE,
        weight_decay=DECAY,
        bf16=contender.precision == "bf16",
        use_cpu=bench.device == "cpu",
        seed=seed,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        **grouped,
    )


def _library_model(bench: Bench) -> Any:
    """transformers' own classifier on the benchmark's weights, with the attention it takes by default."""
    config = copy.deepcopy(bench.backbone.config)
    config.num_labels = len(LABELS)
    config.classifier_dropout = DROPOUT
    model = AutoModelForSequenceClassification.from_config(config)
    weights = {name: value for name, value in bench.backbone.model.state_dict().items() if "pooler" not in name}
    model.base_model.load_state_dict(weights)
    return model


def _trainer_rows(bench: Bench) -> list[dict[str, Any]]:
    """The pairs as the library's tokenizers give them: lists of ids, already in memory."""
    tokens, labels = bench.features.tokens, bench.features.column("label")
    return [
        {"input_ids": tokens[i].tolist(), "attention_mask": [1] * len(tokens[i]), "labels": int(labels[i])}
        for i in range(len(bench.features))
    ]


class _Rows(torch.utils.data.Dataset[dict[str, Any]]):
    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, i: int) -> dict[str, Any]:
        return self.rows[i]


class _CountingCollator:
    """The Trainer's default collator (pad to the longest), counting. The k-th batch is what step k trains on."""

    def __init__(self, tokenizer: Any) -> None:
        self.collate = DataCollatorWithPadding(tokenizer)
        self.tokens: list[int] = []
        self.positions: list[int] = []
        self.examples: list[int] = []

    def __call__(self, rows: list[Mapping[str, Any]]) -> Any:
        batch = self.collate(rows)
        self.tokens.append(int(batch["attention_mask"].sum()))
        self.positions.append(batch["input_ids"].numel())
        self.examples.append(len(rows))
        return batch


class _WatchCallback(TrainerCallback):  # type: ignore[misc]
    def __init__(self, watch: Watch) -> None:
        self.watch = watch

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.watch.step_done(state.global_step)


# xstilts -----------------------------------------------------------------------------------------------------------


def make_phase(contender: Contender, bench: Bench, seed: int) -> Phase:
    """Data, plan and configuration of one of our runs."""
    steps = bench.warmup + bench.steps
    config = TrainConfig(
        steps=steps,
        batch_size=bench.batch,
        learning_rate=RATE,
        weight_decay=DECAY,
        warmup=0.0,
        precision=contender.precision,
        backend=contender.backend,
        head_dropout=DROPOUT,
        bucket=bench.group if contender.grouped else 0,
    )
    source = Source.single(SPEC.task, bench.features.lengths)
    plan = Plan((source,), (1.0,), bench.batch, steps, seed, config.bucket)
    return Phase((SPEC.task,), (SPEC.task_type,), (bench.features,), (1.0,), plan, config, seed)


def _run_ours(contender: Contender, bench: Bench, seed: int) -> Run:
    phase = make_phase(contender, bench, seed)
    backbone = Backbone(
        copy.deepcopy(bench.backbone.model), bench.backbone.tokenizer, contender.route, contender.backend
    )
    model = Model(backbone, [SPEC], DROPOUT, seed).to(bench.device)
    settings = Machine(device=bench.device, micro_batch_tokens=bench.batch * MAX_LENGTH)
    watch, tokens = Watch(bench), []
    for record in train(model, phase, make_optimizer(model, phase.config), settings):
        watch.step_done(record.step + 1)
        tokens.append(record.tokens)
    real = sum(tokens[bench.warmup :])
    positions = real
    if contender.route == "padded":
        lengths = [bench.features.lengths[phase.plan[step].rows] for step in range(bench.warmup, phase.plan.steps)]
        positions = sum(int(batch.max()) * len(batch) for batch in lengths)
    return Run(watch.seconds, real, positions, bench.batch * bench.steps, bench.steps)
