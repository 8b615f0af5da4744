"""What a user types after `xstilts list`, `xstilts show` and `xstilts score`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from xstilts.cli.options import ExperimentOption, JsonOption, StoreOption
from xstilts.cli.output import emit


def list_(
    what: Annotated[str, typer.Argument(help="tasks, languages, backbones, metrics or models.")] = "tasks",
    store: StoreOption = Path("runs"),
    as_json: JsonOption = False,
) -> None:
    """List the tasks, languages, backbones or metrics that xstilts knows, or your models.

    Examples:
      xstilts list backbones
      xstilts list models --store runs/demo    keys of trained models
    """
    from xstilts.cli.show import show_list

    show_list(what, store, as_json)


def show(
    name: Annotated[
        str, typer.Argument(help="Name of a task, language, metric or backbone, or the key of a finished stage.")
    ],
    store: StoreOption = Path("runs"),
    experiment: ExperimentOption = None,
    as_json: JsonOption = False,
) -> None:
    """Describe a task, language, metric, backbone or finished stage.

    For a task: its protocol, source, licence, citation and known defects. For
    a stage: its configuration, inputs and files.

    Examples:
      xstilts show xquad
      xstilts show 3f2a9c --store runs/demo
    """
    from xstilts.cli.show import show_one

    show_one(name, store, experiment, as_json)


def score(
    task: Annotated[
        str, typer.Argument(help="Name of a task, e.g. xquad, xnli, panx, udpos, mlqa, tatoeba, bucc2018.")
    ],
    language: Annotated[str, typer.Option(help="Language code, e.g. de.")],
    gold: Annotated[Path, typer.Option(help="File with the gold answers.")],
    predictions: Annotated[
        Path, typer.Option(help="File with predictions, as for an XTREME submission or from `predict`.")
    ],
    experiment: ExperimentOption = None,
    as_json: JsonOption = False,
) -> None:
    """Score predictions of any model with the official metric of a task.

    Gold is the official file of the data set, or a file with one label per
    line. Files may be compressed (gzip, bzip2, xz, zstd, zip) or pipes; - is
    standard input.

    Examples:
      xstilts score xnli --language sw --gold test.tsv --predictions out.jsonl
      xstilts score xquad --language de --gold xquad.de.json --predictions p.json
    """
    from xstilts.session.loading import load
    from xstilts.session.results import score_rows

    found = score_rows(task, language, gold, predictions, load(experiment) if experiment else None)
    if as_json:
        emit([row.row() for row in found])
        return
    for row in found:
        sys.stdout.write(f"{row.metric:<18}{row.value:8.2f}   {row.signature}\n")
