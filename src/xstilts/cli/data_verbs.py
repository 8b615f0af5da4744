"""What a user types after `xstilts data`."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from xstilts.cli.options import DataOption, ExperimentOption, JsonOption

data_app = typer.Typer(help="Check data files, and fetch those that are missing.", no_args_is_help=True)


@data_app.command()
def check(
    tasks: Annotated[list[str] | None, typer.Argument(help="Names of tasks. Default: all.", show_default=False)] = None,
    data: DataOption = None,
    quick: Annotated[bool, typer.Option("--quick", help="Only look whether the files exist.")] = False,
    experiment: ExperimentOption = None,
    as_json: JsonOption = False,
) -> None:
    """Read the files of data sets: which are complete, damaged or missing?

    Compares row counts with the official releases, and checksums with those
    of the download. With --experiment, does what `xstilts check` does.

    Examples:
      xstilts data check --data official --quick
      xstilts data check xnli panx --data official
    """
    from xstilts.cli.check import show_check
    from xstilts.cli.data import check_data

    if experiment:
        show_check(experiment, data, as_json, tasks or ())
    else:
        check_data(tasks or [], data, quick, as_json)


@data_app.command()
def fetch(
    tasks: Annotated[list[str], typer.Argument(help="Names of tasks.", show_default=False)],
    data: DataOption = None,
    languages: Annotated[
        str, typer.Option(help="Languages, separated by commas: en,de,sw. Default: all.", show_default=False)
    ] = "",
    via: Annotated[
        Literal["official", "hub"] | None,
        typer.Option(
            help="Official files, or Parquet from the Hugging Face hub. Default: official where known.",
            show_default=False,
        ),
    ] = None,
    revision: Annotated[
        str | None,
        typer.Option(help="Commit, branch or tag on the hub. Default: that of the lock file.", show_default=False),
    ] = None,
    mirror: Annotated[
        str | None,
        typer.Option(help="URL or folder that mirrors the official files, as HOST/PATH.", show_default=False),
    ] = None,
) -> None:
    """Download data sets into the data folder and read them once.

    Records where each file came from and its checksum in
    xstilts-data.lock.json.

    Examples:
      xstilts data fetch xnli --data official
      xstilts data fetch panx --languages en,de,sw --data official
    """
    from xstilts.cli.data import fetch_data, folder
    from xstilts.core.languages import any_language
    from xstilts.sources.fetch import Request

    codes = tuple(any_language(code.strip()).code for code in languages.split(",") if code.strip())
    fetch_data(tasks, Request(folder(data), codes, via, revision, mirror))
