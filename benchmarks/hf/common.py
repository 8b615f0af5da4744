"""What the scripts share: arguments, the Trainer from data to predictions, and what it took."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer, HfArgumentParser, Trainer, TrainingArguments, set_seed

Row = dict[str, Any]


@dataclass
class Arguments:
    """Of model and data."""

    model: str = field(metadata={"help": "folder or name of a model"})
    train_file: str | None = field(default=None, metadata={"help": "JSON lines to train on"})
    test_file: str | None = field(default=None, metadata={"help": "JSON lines to predict"})
    max_length: int = field(default=128, metadata={"help": "tokens at which texts are cut"})
    doc_stride: int = field(default=128, metadata={"help": "tokens that two windows share"})
    pad_to_max_length: bool = field(default=False, metadata={"help": "pad every text, as the examples do by default"})

    @property
    def padding(self) -> str | bool:
        """Of the tokenizer; False: the collator pads each batch."""
        return "max_length" if self.pad_to_max_length else False


@dataclass
class Script:
    """One call of a script.

    Attributes:
        rows: of the file that is read: the training file, else the test file.
    """

    given: Arguments
    training: TrainingArguments
    tokenizer: Any
    rows: list[Row]

    @property
    def labels(self) -> list[str]:
        """Labels or tags of the training file, sorted."""
        return sorted({label for row in self.rows for label in row.get("tags") or [row["label"]]})

    def model(self, auto: Any, labels: Sequence[str] = ()) -> Any:
        """The model to train, with a new head for these labels; or the trained one as it is."""
        if not self.given.train_file:
            return auto.from_pretrained(self.given.model)
        names = dict(enumerate(labels))
        mapped = {"id2label": names, "label2id": {name: i for i, name in names.items()}} if labels else {}
        return auto.from_pretrained(self.given.model, ignore_mismatched_sizes=True, **mapped)

    def carry_out(self, model: Any, features: list[Row], collator: Any, decode: Callable[[Any], Sequence[Any]]) -> None:
        """Train and save, or predict and write; prints one JSON object with the seconds of either.

        Args:
            decode: from the model's outputs to one prediction a row.
        """
        warnings.simplefilter("ignore")
        trainer = Trainer(model, self.training, collator, train_dataset=features, processing_class=self.tokenizer)
        began, folder = time.perf_counter(), Path(self.training.output_dir)
        if self.given.train_file:
            trainer.train()
            seconds = time.perf_counter() - began
            trainer.save_model()
        else:
            outputs = trainer.predict(Columns(features, collator)).predictions
            seconds = time.perf_counter() - began
            folder.mkdir(parents=True, exist_ok=True)
            with (folder / "predictions.jsonl").open("w", encoding="utf-8") as file:
                for row, prediction in zip(self.rows, decode(outputs), strict=True):
                    file.write(json.dumps({"id": row["id"], "prediction": prediction}, ensure_ascii=False) + "\n")
        from benchmarks.measure import peak_bytes

        print(json.dumps({"seconds": round(seconds, 3), "peak_bytes": peak_bytes()}))


class Columns(torch.utils.data.Dataset[Row]):
    """Features without what is only there for decoding."""

    KEPT = ("input_ids", "attention_mask", "token_type_ids")

    def __init__(self, features: list[Row], collator: Any) -> None:
        self.features = features

    def __len__(self) -> int:
        return len(self.features)

    def __getitem__(self, i: int) -> Row:
        return {name: value for name, value in self.features[i].items() if name in self.KEPT}


def start() -> Script:
    """Arguments, tokenizer and rows of this call."""
    given, training = HfArgumentParser((Arguments, TrainingArguments)).parse_args_into_dataclasses()
    training.report_to, training.disable_tqdm, training.save_strategy = [], True, "no"
    training.remove_unused_columns = False
    set_seed(training.seed)
    path = given.train_file or given.test_file
    rows = [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]
    return Script(given, training, AutoTokenizer.from_pretrained(given.model), rows)
