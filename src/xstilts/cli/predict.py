"""`xstilts predict`: a finished model's answers for a user's file, with a bar for a person and lines for a log."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from xstilts.cli.options import DeviceOption, JsonOption, StageArgument, StoreOption, TaskOption, TokensOption
from xstilts.cli.output import emit
from xstilts.core.errors import XstiltsError
from xstilts.core.files import write_jsonl
from xstilts.core.machine import Machine
from xstilts.export.finished import find_model
from xstilts.export.inputs import Question, check_pairs, parse_columns, read_examples, reads_pairs
from xstilts.export.predicting import answering_head, open_answering
from xstilts.session.run import check_device


def predict(  # noqa: PLR0913, PLR0917
    stage: StageArgument,
    file: Annotated[
        Path,
        typer.Option("--input", help="JSON, CSV, TSV, Parquet, words or plain text; - for stdin.", show_default=False),
    ],
    to: Annotated[
        Path, typer.Option(help="File for the predictions (JSON lines: id, prediction, scores); - for stdout.")
    ],
    store: StoreOption = Path("runs"),
    task: TaskOption = None,
    columns: Annotated[
        str,
        typer.Option(
            help="Names of columns, as FIELD=COLUMN separated by commas: text=body,pair=title.", show_default=False
        ),
    ] = "",
    form: Annotated[
        str,
        typer.Option("--format", help="jsonl, csv, tsv, parquet, txt or words. Default: by suffix, else by content."),
    ] = "",
    language: Annotated[str | None, typer.Option(help="Only rows whose column `language` has this code.")] = None,
    device: DeviceOption = "auto",
    micro_batch_tokens: TokensOption = 16_384,
    as_json: JsonOption = False,
) -> None:
    """Predict with a trained model on a file of your own, in any language.

    Reads the columns text and pair (classification); context, question and
    choices (multiple choice); question and passage (span QA); or words
    (tagging), unless --columns names others. A .txt file has one sentence per
    line. A file of words has one word per line, with an empty line after each
    sentence. For a pipe, give --format unless the content makes it clear
    (docs/export.md). `xstilts list models` prints the keys of stages.

    Examples:
      xstilts predict 3f2a9c --input reviews.csv --columns text=body --to out.jsonl
      xstilts predict 3f2a9c --input sentences.txt --to tags.jsonl --device cuda
    """
    device = check_device(Machine(device)).device
    if to.is_dir():
        raise XstiltsError(f"{to} is a folder: name a file with --to")
    found = find_model(store, stage)
    head = answering_head(found, task)
    asked = Question(file, parse_columns(columns, head.kind), language, form)
    examples = read_examples(asked, head.kind)
    if head.type == "classification":
        check_pairs(examples, reads_pairs(found, head), file)
    answer = open_answering(found, head, device, micro_batch_tokens)
    with progress(len(examples)) as advance:
        rows = list(_told(answer(examples), advance))
    if str(to) == "-":  # answers alone, for a pipe
        sys.stdout.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        return
    write_jsonl(to, rows)
    if as_json:
        emit({"to": str(to), "examples": len(rows), "stage": found.model.key, "head": head.task, "type": head.type})
    else:
        sys.stdout.write(f"{len(rows)} predictions of {head.task} ({head.type}) in {to}\n")


def _told(parts: Iterable[list[dict[str, Any]]], advance: Callable[[int], None]) -> Iterator[dict[str, Any]]:
    for part in parts:
        yield from part
        advance(len(part))


@contextmanager
def progress(total: int) -> Iterator[Callable[[int], None]]:
    """A bar on standard error for a person; for a log a line at every tenth."""
    if sys.stderr.isatty():
        columns = (TextColumn("predicting"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
            task = bars.add_task("predicting", total=total)
            yield lambda count: bars.advance(task, count)
        return
    done = 0

    def tell(count: int) -> None:
        nonlocal done
        before, done = 10 * done // total, done + count
        if 10 * done // total > before and total > count:
            sys.stderr.write(f"{done}/{total} predicted\n")

    yield tell
