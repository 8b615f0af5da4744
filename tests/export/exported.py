"""Folders of tiny random models with tiny random heads, and what plain libraries in another process say of them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from backbones.tiny_models import TOKENIZERS, tiny_backbone
from xstilts.backbones.backbone import Backbone
from xstilts.backbones.coder import Coder
from xstilts.data.examples import ChoiceExample, SpanExample, TaggedExample, TextExample
from xstilts.export.finished import Head
from xstilts.graph.stage import Stage
from xstilts.task_types import TASK_TYPES
from xstilts.task_types.features import Features
from xstilts.tasks import Encoding

LABELS = {"classification": ("yes", "no", "perhaps"), "tagging": ("NOUN", "VERB", "X")}
KINDS = ("classification", "tagging", "span_qa", "multiple_choice")
TOKENIZER_OF = {
    "xlm-roberta": "bpe",
    "xlm-roberta-xl": "bpe",
    "xmod": "bpe",
    "bert": "wordpiece",
    "deberta-v2": "wordpiece",
    "rembert": "wordpiece",
    "electra": "wordpiece",
    "gte": "bpe",
    "modernbert": "byte",
    "eurobert": "byte",
    "mt5": "t5",
    "qwen3": "qwen",
    "llama": "llama",
    "bloom": "qwen",
    "xglm": "bpe",
}

PLAIN = """
import json, sys, warnings
warnings.simplefilter("error")
warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated")  # PEFT asks for it
import peft, torch, transformers
transformers.utils.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()
told, here = {}, json.load(open(sys.argv[1]))
for name, one in here.items():
    if one["auto"].startswith("AutoPeft"):
        labels = {"id2label": dict(enumerate(one["labels"]))} if one["labels"] else {}
        words = {"dtype": torch.float32, **labels, **one["options"]}
        model = getattr(peft, one["auto"]).from_pretrained(one["folder"], **words)
        if one["both_sides"]:
            model.config.is_causal = False
        model = model.eval().get_base_model()
    else:
        model = getattr(transformers, one["auto"]).from_pretrained(one["folder"]).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(one["folder"])
    rows = [texts for texts in one["texts"]]
    parts = [rows] if tokenizer.pad_token and one["kind"] != "multiple_choice" else [[row] for row in rows]
    told[name] = {"labels": model.config.id2label, "logits": []}
    for part in parts:
        if one["kind"] == "multiple_choice":
            (context, *choices), = part
            inputs = tokenizer([context] * len(choices), choices, padding=True, return_tensors="pt")
        else:
            columns = list(zip(*part))
            inputs = tokenizer(*map(list, columns), padding=len(part) > 1, return_tensors="pt")
        if type(model).__name__.endswith("MultipleChoice"):
            inputs = {key: value[None] for key, value in inputs.items()}
        with torch.no_grad():
            output = model(**inputs)
        if one["kind"] == "multiple_choice":
            told[name]["logits"].append(output.logits.flatten().tolist())
            continue
        logits = output.logits if "logits" in output else torch.stack([output.start_logits, output.end_logits], -1)
        for row, mask in zip(logits, inputs["attention_mask"].bool()):
            told[name]["logits"].append((row if one["kind"] == "classification" else row[mask]).tolist())
assert "xstilts" not in sys.modules
print(json.dumps(told))
"""


class Source(NamedTuple):
    """A model and how its inputs are cut."""

    backbone: Backbone
    encoding: Encoding


@cache
def source_of(name: str) -> Source:
    """A tiny random model of an architecture with a tokenizer of its kind, once: training pieces is not repeatable."""
    tokenizer = TOKENIZERS[TOKENIZER_OF[name]]()
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else 0
    longest = {} if name in ("mt5",) else {"max_position_embeddings": 128}
    return Source(tiny_backbone(name, tokenizer=tokenizer, pad_token_id=pad, **longest), Encoding(120, 8, 60))


def head_of(source: Source, kind: str) -> tuple[Head, nn.Module]:
    """A head of a task type with random weights and biases."""
    labels = LABELS.get(kind, ())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        module = TASK_TYPES.get(kind).head(source.backbone, labels, 0.1)
        for parameter in module.parameters():
            nn.init.normal_(parameter, std=0.4)
    return Head("mine", kind, labels), module.eval()


def run_plain(script: str, *arguments: object) -> str:
    """Standard output of a fresh process that cannot see this repository."""
    command = [sys.executable, "-I", "-c", script, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    return done.stdout


def plain_logits(folders: Mapping[str, Mapping[str, Any]], scratch: Path) -> dict[str, Any]:
    """Name -> labels and logits for `texts`: a text, two, or a context and its choices in each row."""
    path = scratch / "asked.json"
    path.write_text(json.dumps(folders), encoding="utf-8")
    told: dict[str, Any] = json.loads(run_plain(PLAIN, path))
    return told


def texts_of(kind: str, texts: Sequence[str]) -> list[list[str]]:
    """Rows of `plain_logits` for texts."""
    if kind == "multiple_choice":
        return [[texts[0], texts[1], texts[2], "a"], [texts[1], texts[0], "the dog"]]
    if kind == "tagging":
        return [[text] for text in texts]
    return [[text, other] for text, other in zip(texts, reversed(texts))]


REFUSED = {
    *(("modernbert", kind) for kind in KINDS),
    ("electra", "classification"),
    *(
        (name, kind)
        for name in ("eurobert", "mt5", "qwen3", "llama", "bloom")
        for kind in ("classification", "multiple_choice")
    ),
    *(("xglm", kind) for kind in KINDS),
}


def encoded(source: Source, kind: str, labels: tuple[str, ...], rows: list[list[str]]) -> Features:
    """Rows of `texts_of` through our own encoding."""
    made: list[Any] = []
    for i, row in enumerate(rows):
        if kind == "classification":
            made.append(TextExample(str(i), row[0], row[1], None))
        elif kind == "tagging":
            made.append(TaggedExample(str(i), tuple(row[0].split()), None))
        elif kind == "span_qa":
            made.append(SpanExample(str(i), row[0], row[1], None))
        else:
            made.append(ChoiceExample(str(i), row[0], "", tuple(row[1:]), None))
    return TASK_TYPES.get(kind).encode(made, Coder(source.backbone.tokenizer), source.encoding, labels)


class World(NamedTuple):
    """Data, store, and evaluate stages: of the baseline by target, of `micro_nli`, and of a mixture (`both`)."""

    data: Path
    store: Path
    stages: Mapping[str, Stage]

    def key(self, task: str) -> str:
        """Enough of the key of the evaluate stage."""
        return self.stages[task].key[:10]

    def model(self, task: str) -> Stage:
        """The train stage behind it."""
        return self.stages[task].inputs["predictions"].inputs["model"]
