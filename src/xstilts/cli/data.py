"""`xstilts data`: check data files and fetch missing ones."""

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from xstilts.cli import options as opt
from xstilts.cli.output import lines, show, some
from xstilts.core.errors import DataError, UnknownName
from xstilts.core.languages import any_language
from xstilts.sources.check import SplitCheck, check
from xstilts.sources.downloads import Bytes
from xstilts.sources.fetch import Request, fetch, plan
from xstilts.tasks import TASKS

data = typer.Typer(add_completion=False, help="Check data files and fetch missing ones.", no_args_is_help=True)


@data.command("check")
def check_(
    tasks: Annotated[list[str] | None, typer.Argument(help="Names of tasks. Default: all.")] = None,
    folders: opt.Data = None,
    quick: Annotated[bool, typer.Option("--quick", help="Only check that the files exist.")] = False,
    as_json: opt.Json = False,
) -> None:
    """Check which data sets are complete, damaged or missing.

    Compares row counts with the official releases, and checksums with those
    recorded at download.

    Examples:
      xstilts data check --data official --quick
      xstilts data check xnli panx --data official
    """
    check_data(tasks or [], folders, quick, as_json)


@data.command("fetch")
def fetch_(
    tasks: Annotated[list[str], typer.Argument(help="Names of tasks.")],
    folders: opt.Data = None,
    languages: Annotated[str, typer.Option(help="Languages, separated by commas: en,de,sw. Default: all.")] = "",
    via: Annotated[
        Literal["official", "hub"] | None,
        typer.Option(help="Official files, or Parquet from the Hugging Face hub. Default: official where known."),
    ] = None,
    revision: Annotated[
        str | None, typer.Option(help="Commit, branch or tag on the hub. Default: the one in the lock file.")
    ] = None,
    mirror: Annotated[
        str | None, typer.Option(help="URL or folder with copies of the official files, at HOST/PATH.")
    ] = None,
) -> None:
    """Download data sets into the data folder and read them once.

    Records the source and checksum of each file in xstilts-data.lock.json.

    Examples:
      xstilts data fetch xnli --data official
      xstilts data fetch panx --languages en,de,sw --data official
    """
    codes = tuple(any_language(code.strip()).code for code in languages.split(",") if code.strip())
    request, found = Request(_folder(folders), codes, via, revision, mirror), [TASKS.get(name) for name in tasks]
    for code in codes:
        known = {language for task in found for language in task.languages}
        if code not in known:
            raise UnknownName(f"language of {', '.join(tasks)}", code, known)
    planned = [task for task in found if plan(task, request)]
    for task in planned:
        kept = 0
        with Progress(transient=True, disable=not sys.stdout.isatty()) as bars:
            bar = bars.add_task(task.name, total=None)
            for event in fetch(task, request):
                if isinstance(event, Bytes):
                    bars.update(bar, completed=event.done, total=event.total or None, description=event.url[-60:])
                elif event.kept:
                    kept += 1
                else:
                    lines([f"{event.path}  {event.bytes:,} bytes  {event.origin}"])
        lines([f"{task.name}: {kept} files already exist"] * bool(kept))
    lines([f"checking {request.root}:"])
    check_data([task.name for task in planned], [request.root], only=codes)


def check_data(
    names: Sequence[str],
    given: Sequence[Path] | None,
    quick: bool = False,
    as_json: bool = False,
    only: Sequence[str] = (),
) -> None:
    """Print what was found, of all tasks if none are named; exit with 1 if a file is damaged or a named task has none.

    Args:
        only: languages to show; none: all.
    """
    tasks = [TASKS.get(name) for name in names] or [task for task in TASKS if not task.name.startswith("micro_")]
    findings: list[SplitCheck] = []
    columns = (TextColumn("reading"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(), transient=True, disable=as_json or not sys.stdout.isatty()) as bars:
        found = check(tasks, _folder(given), quick=quick)
        for part in bars.track(found, total=sum(len(task.files) for task in tasks)):
            part = [finding for finding in part if not only or finding.language in only]
            findings += part
            if part and not as_json:
                lines(finding_lines(part))
    there = {finding.task for finding in findings if finding.status != "missing"}
    absent = [name for name in names if name not in there]
    damaged = sum(finding.status == "damaged" for finding in findings)
    counts = f"{len(there)} of {len(tasks)} tasks found, {damaged} damaged"
    counts += f", no files of {', '.join(absent)}" if absent else ""
    show([asdict(finding) for finding in findings], as_json, [counts])
    if damaged or absent:
        raise typer.Exit(1)


def _folder(given: Sequence[Path] | None) -> Path:
    """The data folder. Raises `DataError` unless exactly one is given."""
    if not given:
        raise DataError("no data folder: give --data FOLDER or set XSTILTS_DATA")
    if len(given) > 1:
        raise DataError(f"--data is given {len(given)} times: this command reads one folder")
    return given[0]


def finding_lines(findings: Sequence[SplitCheck]) -> list[str]:
    """A line for a split of a task, then one for each problem and each note."""
    first, whole = findings[0], [one for one in findings if one.status not in ("missing", "damaged")]
    notes = [f"{len(whole)} of {len(findings)} languages" if len(findings) > 1 else first.status]
    rows, official = sum(one.rows or 0 for one in whole), sum(one.official or 0 for one in whole)
    if rows:
        counted = any(one.official != one.rows for one in whole) and all(one.official is not None for one in whole)
        notes.append(f"{rows:,} rows" + (f" of {official:,}" if counted else ""))
    for status, words in (("part", "part of the release"), ("withheld", "gold withheld"), ("missing", "missing")):
        codes = [one.language for one in findings if one.status == status]
        if codes and len(findings) > 1:
            notes.append(f"{words}: {some(codes, ' ')}")
    problems = [f"  damaged: {one.problem}" for one in findings if one.problem]
    problems += [f"  note: {one.note}" for one in findings if one.note]
    return [f"{first.task:<18}{first.split:<12}{'; '.join(notes)}", *dict.fromkeys(problems)]
