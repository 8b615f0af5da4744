"""What a user types after `xstilts export` and `xstilts predict`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xstilts.cli.options import DeviceOption, JsonOption, StageArgument, StoreOption, TaskOption, TokensOption


def export(  # noqa: PLR0913, PLR0917
    stage: StageArgument,
    to: Annotated[Path, typer.Option(help="Folder to write; must be new or empty.", show_default=False)],
    store: StoreOption = Path("runs"),
    task: TaskOption = None,
    form: Annotated[
        str | None,
        typer.Option("--as", help="transformers, sentence-transformers or peft. Default: what suits the head."),
    ] = None,
    layer: Annotated[
        int | None, typer.Option(help="Layer of the sentence vectors; the layers above it are left out.")
    ] = None,
    experiment: Annotated[
        Path | None, typer.Option(help="Experiment file whose title and limitations go into the card.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write a trained model as a Hugging Face folder with a model card.

    The folder loads without xstilts, with the AutoModelFor... class of its
    task, or with SentenceTransformer. Before it is kept, it is loaded and
    compared with the model in the store. A head that transformers would
    compute in another way is refused. LoRA adapters are merged into the
    weights, or kept apart with --as peft (docs/export.md). `xstilts list
    models` prints the keys of stages.

    Examples:
      xstilts export 3f2a9c --to my-nli
      xstilts export 3f2a9c --task micro_nli --to my-nli --store runs/demo
      xstilts export 3f2a9c --as peft --to my-adapter
      xstilts export 3f2a9c --as sentence-transformers --layer 7 --to vectors
    """
    from xstilts.cli.export import show_export

    options = {"task": task, "kind": form, "layer": layer, "experiment": experiment, "json": as_json}
    show_export(stage, to, store, options)


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
    from xstilts.cli.predict import show_predict

    options = {"task": task, "columns": columns, "format": form, "language": language, "device": device}
    show_predict(stage, file, to, store, {**options, "tokens": micro_batch_tokens, "json": as_json})
