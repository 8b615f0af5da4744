"""`xstilts predict`: a finished model's answers for a user's file, with a bar for a person and lines for a log."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from xstilts.cli.output import emit
from xstilts.core.errors import XstiltsError
from xstilts.core.files import write_jsonl
from xstilts.core.machine import Machine
from xstilts.export.finished import find_model
from xstilts.export.inputs import Question, check_pairs, parse_columns, read_examples, reads_pairs
from xstilts.session.run import check_device


class Advance(Protocol):
    """Told how many examples more are done."""

    def __call__(self, count: int) -> None: ...


def show_predict(stage: str, file: Path, to: Path, store: Path, options: dict[str, Any]) -> None:
    """Read the file, predict, write the answers: whole or not at all.

    Args:
        options: `task`, `language`, `columns`, `format`, `device`, `tokens`, `json`.
    """
    device = check_device(Machine(options["device"])).device
    if to.is_dir():
        raise XstiltsError(f"{to} is a folder: name a file with --to")
    from xstilts.export.predicting import answering_head, open_answering

    found = find_model(store, stage)
    head = answering_head(found, options["task"])
    asked = Question(file, parse_columns(options["columns"], head.kind), options["language"], options["format"])
    examples = read_examples(asked, head.kind)
    if head.type == "classification":
        check_pairs(examples, reads_pairs(found, head), file)
    answer = open_answering(found, head, device, options["tokens"])
    rows: list[dict[str, Any]] = []
    with progress(len(examples)) as advance:
        for part in answer(examples):
            rows += part
            advance(len(part))
    if str(to) == "-":  # answers alone, for a pipe
        sys.stdout.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        return
    write_jsonl(to, rows)
    if options["json"]:
        emit({"to": str(to), "examples": len(rows), "stage": found.model.key, "head": head.task, "type": head.type})
    else:
        sys.stdout.write(f"{len(rows)} predictions of {head.task} ({head.type}) in {to}\n")


@contextmanager
def progress(total: int) -> Iterator[Advance]:
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
