"""Running an experiment and writing its report."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import typer

from xstilts.cli.options import check_device, check_shards
from xstilts.cli.progress import Style, Summary, follow
from xstilts.cli.reading import load_experiment
from xstilts.cli.results import collect, describe, report_folder
from xstilts.core.errors import XstiltsError
from xstilts.data.locate import strangers
from xstilts.expand import Expansion
from xstilts.expand.data import in_codes
from xstilts.experiment import Experiment
from xstilts.graph.local import run_local
from xstilts.graph.pool import cores
from xstilts.graph.stage import Stage, graph
from xstilts.graph.store import Store
from xstilts.report import Analysis, analyse, main_tables, plain_report, rich_table, write_analysis
from xstilts.stages import RESUMABLE
from xstilts.stages.digests import DIGESTS, remembered
from xstilts.studies.files import packaged

RUNNER = "xstilts.stages.run:run_stage"


@dataclass(frozen=True)
class Machine:
    """What the run may use; none of it changes a number beyond rounding. All but `workers`: see `Settings`."""

    workers: int = 1
    device: str = "cpu"
    micro_batch_tokens: int = 8192
    devices: int = 1
    shard: bool = False
    offload: bool = False
    recompute: bool = False
    ranks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_shards(self.devices, self.shard, self.offload)
        check_device(self.device, self.devices, bool(self.ranks))

    @classmethod
    def of(cls, workers: int | None, device: str = "cpu", *rest: Any) -> Machine:
        """As asked; without a number of workers one per core, or one where a device is shared."""
        made = cls(1, device, *rest)
        usual = cores() if device == "cpu" and made.devices == 1 else 1
        return replace(made, workers=usual if workers is None else workers)

    def settings(self) -> dict[str, Any]:
        """What stages are told."""
        return {name: value for name, value in asdict(self).items() if name != "workers"}


def demonstration(from_scratch: bool) -> Experiment:
    """The packaged experiment on the shipped encoders, or on the same ones pretrained here."""
    experiment = load_experiment(packaged("demo"))
    if not from_scratch:
        return experiment
    names = {spec.name for spec in experiment.backbones}
    trained = tuple(spec for spec in load_experiment(packaged("encoders")).backbones if spec.name in names)
    return experiment.model_copy(update={"backbones": trained})


def run_experiment(
    experiment: Experiment, data: Path | None, store: Path, machine: Machine, as_json: bool, command: str
) -> Analysis | None:
    """Run what is missing, then print the table and write the report, whose estimates it returns if there are any.

    Exits with 1 when a stage failed; with 2, when all that failed did so for a mistake in the data or the experiment.
    """
    with remembered(store / DIGESTS):
        expansion = Expansion(experiment, data)
        place = Store(store)
    style: Style = "json" if as_json else "person" if sys.stdout.isatty() else "log"
    asked = [*expansion.stages(), *expansion.checks()]
    stages = graph(asked)
    _warn_of_slow_bf16(stages, machine.device)
    _warn_of_other_languages(experiment, data)
    events = run_local(asked, place, RUNNER, machine.settings(), machine.workers, RESUMABLE)
    summary = follow(events, stages, style)
    analysis = None
    if any(place.has(cell.stage) for cell in expansion.cells if cell.role == "target"):
        analysis = _report(expansion, place, command, report_folder(experiment, store))
        if not as_json:
            _print_table(analysis, style)
            page = report_folder(experiment, store) / "index.html"
            sys.stdout.write(f"\n{summary.line}\nreport: {page}\n")
    _fail(summary)
    return analysis


def _warn_of_slow_bf16(stages: Iterable[Stage], device: str) -> None:
    asked = any("bf16" in (s.config.get("precision"), s.config.get("train", {}).get("precision")) for s in stages)
    if not asked or not device.startswith("cpu"):
        return
    from xstilts.backbones.backbone import bf16_is_slow

    if bf16_is_slow(device):
        sys.stderr.write(
            "warning: this CPU has no bf16 instructions and emulates them, many times slower than fp32: "
            "set `precision: fp32` in the experiment\n"
        )


def _warn_of_other_languages(experiment: Experiment, data: Path | None) -> None:
    """Files that a task of one's own would have, were their languages called as here."""
    if data is None or experiment.worlds:
        return
    for name, own in experiment.tasks.items():
        if own.languages is not None or own.type is None or name not in experiment.task_names():
            continue
        found = strangers(data, [pattern for patterns in own.files.values() for pattern in patterns])
        if found:
            sys.stderr.write(f"warning: {name} is read without the files for {in_codes(found)}\n")


def _fail(summary: Summary) -> None:
    for failure in {failure.error: failure for failure in reversed(summary.failures)}.values():  # one line a mistake
        place = f" (see {failure.log})" if failure.log else ""
        sys.stderr.write(f"failed: {failure.stage}: {failure.error}{place}\n")
    if summary.failures:
        raise typer.Exit(2 if all(failure.mistake for failure in summary.failures) else 1)


def _report(expansion: Expansion, store: Store, command: str, folder: Path) -> Analysis:
    table = collect(expansion.cells, store)
    analysis = analyse(table, describe(expansion, table, command, store))
    write_analysis(analysis, folder)
    return analysis


def _print_table(analysis: Analysis, style: Style) -> None:
    if style == "person":
        from rich.console import Console

        console = Console()
        for table in main_tables(analysis):
            console.print(rich_table(table))
    else:
        sys.stdout.write("\n" + plain_report(analysis))


def write_report_of(file: Path, data: Path | None, store: Path, command: str, to: Path | None) -> Path:
    """Write the report of what is finished; returns the page."""
    experiment = load_experiment(file)
    folder = to or report_folder(experiment, store)
    if folder.exists() and not folder.is_dir():
        raise XstiltsError(f"{folder} is a file: name a folder with --to")
    with remembered(store / DIGESTS):
        expansion = Expansion(experiment, data)
    _report(expansion, Store(store, must_exist=True), command, folder)
    return folder / "index.html"
