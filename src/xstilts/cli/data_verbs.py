"""What a user types after `xstilts data`."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from xstilts.cli.options import DataOption, ExperimentOption, JsonOption

data_app = typer.Typer(help="Data sets: what is there and whole, and fetching what is not.", no_args_is_help=True)


@data_app.command()
def check(
    tasks: Annotated[list[str] | None, typer.Argument(help="Tasks; none: all of them.", show_default=False)] = None,
    data: DataOption = None,
    quick: Annotated[bool, typer.Option("--quick", help="Only look for files, do not read them.")] = False,
    experiment: ExperimentOption = None,
    as_json: JsonOption = False,
) -> None:
    """Which data sets are there and whole: files read, rows counted, checksums of what was fetched compared.

    With --experiment, everything that file reads: the same as `xstilts check`.
    """
    from xstilts.cli.check import show_check
    from xstilts.cli.data import check_data

    if experiment:
        show_check(experiment, data, as_json, tasks or ())
    else:
        check_data(tasks or [], data, quick, as_json)


@data_app.command()
def fetch(
    tasks: Annotated[list[str], typer.Argument(help="Tasks to fetch.", show_default=False)],
    data: DataOption = None,
    languages: Annotated[str, typer.Option(help="Only these, e.g. en,de,sw; default: all.", show_default=False)] = "",
    via: Annotated[
        Literal["official", "hub"] | None,
        typer.Option(
            help="Official files, or Parquet from the hub; default: official where known.", show_default=False
        ),
    ] = None,
    revision: Annotated[
        str | None, typer.Option(help="Commit, branch or tag on the hub; default: the lock's.", show_default=False)
    ] = None,
    mirror: Annotated[
        str | None,
        typer.Option(help="URL or folder with official files below host and path.", show_default=False),
    ] = None,
) -> None:
    """Fetch data sets, then read them; origins and checksums go to xstilts-data.lock.json."""
    from xstilts.cli.data import fetch_data, folder
    from xstilts.core.languages import any_language
    from xstilts.sources.fetch import Request

    codes = tuple(any_language(code.strip()).code for code in languages.split(",") if code.strip())
    fetch_data(tasks, Request(folder(data), codes, via, revision, mirror))
