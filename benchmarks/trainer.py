"""The Hugging Face Trainer as a contender: transformers' own models and collators, on the ids that ours trains on."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from transformers import (
    AutoModelForMultipleChoice,
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    DataCollatorForMultipleChoice,
    DataCollatorForTokenClassification,
    DataCollatorWithPadding,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)
from transformers.trainer_pt_utils import LengthGroupedSampler

from benchmarks.contenders import DECAY, DROPOUT, RATE, Contender
from benchmarks.data import Bench
from benchmarks.measure import resident_bytes
from benchmarks.runs import Run, Watch, memory

CLASSES: Mapping[str, tuple[Any, Any]] = {
    "classification": (AutoModelForSequenceClassification, DataCollatorWithPadding),
    "multiple_choice": (AutoModelForMultipleChoice, DataCollatorForMultipleChoice),
    "span_qa": (AutoModelForQuestionAnswering, DataCollatorWithPadding),
    "tagging": (AutoModelForTokenClassification, DataCollatorForTokenClassification),
}


def run_trainer(contender: Contender, bench: Bench, seed: int) -> Run:
    """Train once and time it."""
    watch, rows = Watch(bench), trainer_rows(bench)
    before = resident_bytes()
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        # Without a GPU the Trainer's default asks for pinned memory, and torch says that there is none.
        warnings.simplefilter("ignore")
        trainer = CountingTrainer(
            model=library_model(bench, seed),
            args=_arguments(contender, bench, seed, folder),
            train_dataset=Rows(rows),
            data_collator=CLASSES[bench.type][1](bench.tokenizer),
            processing_class=bench.tokenizer,
            callbacks=[_WatchCallback(watch)],
        )
        trainer.remove_callback(PrinterCallback)
        # Accelerate keeps the precision in state shared by all Trainers of a process, and reads the environment.
        used = trainer.accelerator.mixed_precision
        expected = "no" if contender.precision == "fp32" else contender.precision
        assert used == expected, f"the Trainer took mixed precision '{used}' instead of '{expected}'"
        trainer.train()
    timed = slice(bench.warmup, bench.warmup + bench.steps)
    tokens, positions, examples = (sum(counted[timed]) for counted in zip(*trainer.counts))
    losses = tuple(map(float, trainer.losses))
    return Run(watch.seconds, tokens, positions, examples, bench.steps, losses, *memory(bench.device, before))


def _arguments(contender: Contender, bench: Bench, seed: int, folder: str) -> TrainingArguments:
    """Defaults but for what both sides share, and for logs and checkpoints, which are off (in the Trainer's favour)."""
    grouped = {"train_sampling_strategy": "group_by_length"} if contender.grouped else {}
    return TrainingArguments(
        output_dir=folder,
        max_steps=bench.warmup + bench.steps,
        per_device_train_batch_size=bench.batch,
        learning_rate=RATE,
        weight_decay=DECAY,
        optim="adamw_torch_fused",
        bf16=contender.precision == "bf16",
        use_cpu=bench.device == "cpu",
        dataloader_num_workers=bench.loaders,
        seed=seed,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        **grouped,
    )


def library_model(bench: Bench, seed: int) -> Any:
    """transformers' own model of the task on the benchmark's weights, with the attention it takes by default."""
    torch.manual_seed(seed)  # the head
    labels = {"num_labels": len(bench.labels)} if bench.type in ("classification", "tagging") else {}
    return CLASSES[bench.type][0].from_pretrained(bench.model, classifier_dropout=DROPOUT, **labels)


def trainer_rows(bench: Bench) -> list[dict[str, Any]]:
    """The instances as the library's scripts have them: lists of ids and labels, already in memory."""
    features = bench.features
    rows = []
    for i in range(len(features)):
        segments = [ids.tolist() for ids in features.instance(i)]
        masks = [[1] * len(ids) for ids in segments]
        if bench.type == "multiple_choice":
            rows.append({"input_ids": segments, "attention_mask": masks, "labels": int(features.columns["label"][i])})
        else:
            rows.append({"input_ids": segments[0], "attention_mask": masks[0], **_gold(bench, i, len(segments[0]))})
    return rows


def _gold(bench: Bench, i: int, length: int) -> dict[str, Any]:
    features = bench.features
    if bench.type == "classification":
        return {"labels": int(features.columns["label"][i])}
    if bench.type == "span_qa":
        return {f"{end}_positions": int(features.columns[end][i]) for end in ("start", "end")}
    labels = np.full(length, -100)
    labels[features.columns["word_start"][i]] = features.columns["tag"][i]
    return {"labels": labels.tolist()}


class Rows(torch.utils.data.Dataset[dict[str, Any]]):
    """Rows in memory."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, i: int) -> dict[str, Any]:
        return self.rows[i]


class CountingTrainer(Trainer):  # type: ignore[misc]
    """The Trainer, which notes loss, real tokens, places and examples of each step; and, where an instance is several
    texts, groups by the longest, which is what batches are padded to: by itself it would count the texts.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.losses: list[torch.Tensor] = []
        self.counts: list[tuple[int, int, int]] = []

    def compute_loss(self, model: Any, inputs: dict[str, Any], *rest: Any, **options: Any) -> Any:
        mask = inputs["attention_mask"]
        self.counts.append((int(mask.sum()), mask.numel(), len(mask)))
        loss = super().compute_loss(model, inputs, *rest, **options)
        self.losses.append(loss.detach())
        return loss

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        rows = self.train_dataset.rows
        if self.args.train_sampling_strategy != "group_by_length" or not isinstance(rows[0]["input_ids"][0], list):
            return super()._get_train_sampler(train_dataset)
        lengths = [max(map(len, row["input_ids"])) for row in rows]
        return LengthGroupedSampler(self.args.train_batch_size, lengths=lengths)


class _WatchCallback(TrainerCallback):  # type: ignore[misc]
    def __init__(self, watch: Watch) -> None:
        self.watch = watch

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.watch.step_done(state.global_step)
