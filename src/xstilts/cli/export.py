"""`xstilts export` and `xstilts predict`: a finished model as a folder for other libraries, or on a user's file."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any, get_args

from rich.console import Console
from rich.progress import Progress
from typer import Option

from xstilts.cli import options as opt
from xstilts.cli.output import lines, show
from xstilts.core.errors import UnknownName, XstiltsError
from xstilts.core.files import write_jsonl
from xstilts.core.machine import Machine
from xstilts.export import predicting, write
from xstilts.export.finished import Finished
from xstilts.graph.store import Store
from xstilts.session.run import check_device


def export(
    stage: opt.Stage,
    to: Annotated[Path, Option(help="Output folder; must be new or empty.")],
    store: opt.Store = Path("runs"),
    task: opt.Task = None,
    form: Annotated[
        str | None, Option("--as", help="transformers, sentence-transformers or peft. Default: by type of head.")
    ] = None,
    layer: Annotated[int | None, Option(help="Layer of the sentence vectors; higher layers are dropped.")] = None,
    experiment: Annotated[
        Path | None, Option(help="Experiment file whose title and limitations go into the card.")
    ] = None,
    as_json: opt.Json = False,
) -> None:
    """Write a trained model as a Hugging Face folder with a model card.

    The folder loads without xstilts, with the AutoModelFor... class of its
    task, or with SentenceTransformer. xstilts loads it and compares its
    outputs with those of the model in the store; a head that transformers
    computes differently is refused. LoRA adapters are merged into the
    weights, or written separately with --as peft (docs/export.md).
    `xstilts list models` prints the keys of stages.

    Examples:
      xstilts export 3f2a9c --to my-nli
      xstilts export 3f2a9c --task micro_nli --to my-nli --store runs/demo
      xstilts export 3f2a9c --as peft --to my-adapter
      xstilts export 3f2a9c --as sentence-transformers --layer 7 --to vectors
    """
    if form is not None and form not in get_args(write.Kind):
        raise UnknownName("form of a folder", form, get_args(write.Kind))
    words = write.Words()
    if experiment is not None:
        from xstilts.session.loading import load

        read = load(experiment)
        words = write.Words(read.title or read.name, read.question, read.limitations)
    found = Finished.find(Store(store, must_exist=True), stage)
    made = write.export(found, to, task, form, layer, words)  # type: ignore[arg-type]
    told: dict[str, Any] = {"folder": str(to), "stage": found.model.key, "head": made.head.task, "type": made.head.type}
    told |= {"load_with": made.auto, "class": made.library, "layer": made.layer or None}
    loads = f"{made.auto}.from_pretrained loads it ({made.library})"
    if made.layer:
        loads = f"SentenceTransformer loads it ({made.pooling} of layer {made.layer})"
    same = f"equal up to {made.difference:.0e}" if made.difference else "identical"
    texts = [f"{to}: {loads}", f"outputs after reloading, compared with the store: {same}; model card: README.md"]
    show({**told, "largest_difference": made.difference}, as_json, texts)


def predict(
    stage: opt.Stage,
    file: Annotated[Path, Option("--input", help="JSON, CSV, TSV, Parquet, words or plain text; - for stdin.")],
    to: Annotated[Path, Option(help="Output file (JSON lines: id, prediction, scores); - for stdout.")],
    store: opt.Store = Path("runs"),
    task: opt.Task = None,
    columns: Annotated[
        str, Option(help="Names of columns, as FIELD=COLUMN separated by commas: text=body,pair=title.")
    ] = "",
    form: Annotated[
        str, Option("--format", help="jsonl, csv, tsv, parquet, txt or words. Default: by suffix, else by content.")
    ] = "",
    language: Annotated[str | None, Option(help="Only rows whose column `language` has this code.")] = None,
    device: opt.Device = "auto",
    micro_batch_tokens: opt.Tokens = 16_384,
    as_json: opt.Json = False,
) -> None:
    """Predict with a trained model on your own file, in any language.

    Reads the columns text and pair (classification); context, question and
    choices (multiple choice); question and passage (span QA); or words
    (tagging), unless --columns names others. A .txt file has one sentence per
    line. A words file has one word per line, with an empty line after each
    sentence. For a pipe, give --format if the content does not show it
    (docs/export.md). `xstilts list models` prints the keys of stages.

    Examples:
      xstilts predict 3f2a9c --input reviews.csv --columns text=body --to out.jsonl
      xstilts predict 3f2a9c --input sentences.txt --to tags.jsonl --device cuda
    """
    device = check_device(Machine(device)).device
    if to.is_dir():
        raise XstiltsError(f"{to} is a folder: name a file with --to")
    found = Finished.find(Store(store, must_exist=True), stage)
    head = predicting.answering_head(found, task)
    examples = predicting.read_examples(file, head.kind, predicting.parse_columns(columns, head.kind), language, form)
    if head.type == "classification":
        predicting.check_pairs(examples, predicting.reads_pairs(found, head), file)
    answer, rows = predicting.open_answering(found, head, device, micro_batch_tokens), list[dict[str, Any]]()
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bars:
        bar = bars.add_task("predicting", total=len(examples))
        for part in answer(examples):
            tenths = 10 * len(rows) // len(examples)
            rows += part
            bars.advance(bar, len(part))
            if bars.disable and len(part) < len(examples) and 10 * len(rows) // len(examples) > tenths:  # for a log
                sys.stderr.write(f"{len(rows)}/{len(examples)} predicted\n")
    if str(to) == "-":  # predictions alone, for a pipe
        lines(json.dumps(row, ensure_ascii=False) for row in rows)
        return
    write_jsonl(to, rows)
    told = {"to": str(to), "examples": len(rows), "stage": found.model.key, "head": head.task, "type": head.type}
    show(told, as_json, [f"{len(rows)} predictions of {head.task} ({head.type}) in {to}"])
