"""What a user types after `xstilts export` and `xstilts predict`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xstilts.cli.options import DeviceOption, JsonOption, StageArgument, StoreOption, TaskOption, TokensOption


def export(  # noqa: PLR0913, PLR0917
    stage: StageArgument,
    to: Annotated[Path, typer.Option(help="Folder to write; new or empty.", show_default=False)],
    store: StoreOption = Path("runs"),
    task: TaskOption = None,
    form: Annotated[
        str | None,
        typer.Option("--as", help="transformers, sentence-transformers or peft; else one of the former by the head."),
    ] = None,
    layer: Annotated[int | None, typer.Option(help="Of sentence vectors; those above are cut off.")] = None,
    experiment: Annotated[
        Path | None, typer.Option(help="Experiment file whose title and limitations the card repeats.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """A finished model as a Hugging Face folder with a model card.

    The folder is loaded with AutoModelForSequenceClassification, ...ForTokenClassification, ...ForQuestionAnswering,
    ...ForMultipleChoice, ...ForMaskedLM or SentenceTransformer, without xstilts. It is read back and compared with the
    model in the store before it is put in its place; a head that transformers computes in another way is refused. Of a
    model tuned with LoRA the adapters are merged, or with --as peft written as one beside its head (docs/export.md).

    `xstilts list models` names the stages.

    Examples:

      xstilts export 3f2a9c --to my-nli

      xstilts export 3f2a9c --task micro_nli --to my-nli --store runs/demo

      xstilts export 3f2a9c --as peft --to my-adapter

      xstilts export 3f2a9c --as sentence-transformers --layer 7 --to my-vectors
    """
    from xstilts.cli.export import show_export

    options = {"task": task, "kind": form, "layer": layer, "experiment": experiment, "json": as_json}
    show_export(stage, to, store, options)


def predict(  # noqa: PLR0913, PLR0917
    stage: StageArgument,
    file: Annotated[
        Path,
        typer.Option(
            "--input", help="JSON, CSV, TSV, Parquet, lines of words, or text; - for stdin.", show_default=False
        ),
    ],
    to: Annotated[Path, typer.Option(help="File of the answers (JSON lines of id, prediction, scores); - for stdout.")],
    store: StoreOption = Path("runs"),
    task: TaskOption = None,
    columns: Annotated[
        str, typer.Option(help="FIELD=COLUMN, with commas between: text=body,pair=title.", show_default=False)
    ] = "",
    form: Annotated[str, typer.Option("--format", help="jsonl, csv, tsv, parquet, txt or words; else by suffix.")] = "",
    language: Annotated[
        str | None, typer.Option(help="Only rows of this language, where a column `language` says it.")
    ] = None,
    device: DeviceOption = "auto",
    micro_batch_tokens: TokensOption = 16_384,
    as_json: JsonOption = False,
) -> None:
    """Predictions of a finished model for a file in any language.

    Columns are called text and pair; context, question and choices; question and passage; words, unless --columns says
    otherwise. Files of words have a word a line and an empty line behind each sentence. Plain text (.txt) has a
    sentence a line, for single texts and for tagging, where words end at blanks. A pipe has no suffix: say --format
    where its content does not settle it. See docs/export.md.

    Examples:

      xstilts predict 3f2a9c --input reviews.csv --columns text=body --to answers.jsonl

      xstilts predict 3f2a9c --input sentences.txt --to tags.jsonl --device cuda
    """
    from xstilts.cli.predict import show_predict

    options = {"task": task, "columns": columns, "format": form, "language": language, "device": device}
    show_predict(stage, file, to, store, {**options, "tokens": micro_batch_tokens, "json": as_json})
