"""`xstilts study` and `xstilts claims`: an experiment with its question, run, judged and written up."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from xstilts.cli.options import (
    DataOption,
    DeviceOption,
    JsonOption,
    StoreOption,
    TokensOption,
    WorkersOption,
    command,
)
from xstilts.cli.output import emit, table
from xstilts.cli.run import run_experiment
from xstilts.core.errors import ConfigError
from xstilts.core.machine import Machine
from xstilts.experiment import Experiment
from xstilts.graph.store import Store
from xstilts.reports.cells import GAP
from xstilts.reports.study import study_of, write_study
from xstilts.reports.study_tables import chance, measured
from xstilts.session.loading import load_study
from xstilts.session.reported import report_folder
from xstilts.session.results import analysis, minutes
from xstilts.studies.files import packaged, studies, study_file
from xstilts.studies.spec import StudySpec
from xstilts.studies.verdicts import Verdict

ToOption = Annotated[Path | None, typer.Option("--to", help="File for the page (Markdown).", show_default=False)]


def study(  # noqa: PLR0913, PLR0917
    name: Annotated[
        str | None,
        typer.Argument(help="Name of a study, or a study file of your own. Default: list them.", show_default=False),
    ] = None,
    data: DataOption = None,
    store: StoreOption = Path("runs"),
    workers: WorkersOption = None,
    device: DeviceOption = "auto",
    micro_batch_tokens: TokensOption = 8192,
    plan: Annotated[bool, typer.Option("--plan", help="Estimate what it will take, without running it.")] = False,
    to: ToOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run a study: an experiment with a question, and published claims to judge.

    Writes a page with question, answer, method, results, limitations and a
    verdict on every claim to reports/NAME/study.md in the store, beside the
    usual report. Finished stages are reused. Without NAME, lists the studies
    that come with xstilts. To write your own: docs/studies/README.md.

    Examples:
      xstilts study
      xstilts study curriculum --plan
      xstilts study curriculum --store runs/curriculum --to curriculum.md
    """
    if name is None:
        show_studies(as_json)
        return
    if plan:
        from xstilts.cli.plan import show_plan  # it loads torch
        from xstilts.planning.costing import Hardware
        from xstilts.planning.devices import device as find_device

        kind = "cpu" if device in ("cpu", "auto") else "h100" if device.startswith("cuda") else device
        use = Machine(micro_batch_tokens=micro_batch_tokens)
        show_plan(load_study(name).experiment, data, store, Hardware(find_device(kind), use), as_json)
        return
    machine = Machine(device, workers, micro_batch_tokens=micro_batch_tokens)
    experiment, spec = _loaded(name)
    grid, found = run_experiment(experiment, data, store, machine, as_json, command("study", name, data), True)
    if found is None:
        return
    page = study_of(spec, found, minutes(grid, Store(store, must_exist=True)))
    place = to or report_folder(experiment, store) / "study.md"
    write_study(page, place)
    if as_json:
        emit({"page": str(place), "claims": [claim_row(one) for one in page.verdicts]})
        return
    sys.stdout.write(f"study: {place}\n\n")
    _print_claims(page.verdicts)


def claims(
    name: Annotated[str, typer.Argument(help="Name of a study, or a study file of your own.", show_default=False)],
    data: DataOption = None,
    store: StoreOption = Path("runs"),
    to: ToOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print the verdict on each claim of a study, from the results so far.

    Computes nothing new. With --to, writes the study's page as well.

    Example:
      xstilts claims curriculum --store runs/curriculum
    """
    experiment, spec = _loaded(name)
    place = Store(store, must_exist=True)
    found, grid = analysis(experiment, place, data, command("study", name, data))
    page = study_of(spec, found, minutes(grid, place))
    if to is not None:
        write_study(page, to)
    if as_json:
        emit([claim_row(one) for one in page.verdicts])
    else:
        _print_claims(page.verdicts)


def show_studies(as_json: bool) -> None:
    """The studies that come with xstilts, with question and cost."""
    rows = []
    for name in studies():
        _, spec = _loaded(name)
        rows.append({"study": name, "question": spec.question, "cost": spec.cost})
    if as_json:
        emit(rows)
        return
    for row in rows:
        sys.stdout.write(f"{row['study']}\n    {row['question']}\n    cost: {row['cost']}\n")


def claim_row(one: Verdict) -> dict[str, Any]:
    """A verdict as a flat row."""
    return {
        "claim": one.claim.id,
        "verdict": one.word,
        "confidence": one.confidence,
        "p": one.p,
        "p_adjusted": one.p_adjusted,
        "value": one.parts[0][1].value if len(one.parts) == 1 else None,
        "measured": measured(one),
        "statement": one.claim.statement,
        "citation": list(one.claim.citation),
        "reason": one.reason,
        "notes": list(one.notes),
    }


def _print_claims(verdicts: Sequence[Verdict]) -> None:
    table(
        [
            {
                "claim": one.claim.id,
                "verdict": one.word,
                "confidence": chance(one.confidence),
                "p, Holm": GAP if one.p_adjusted is None else f"{one.p_adjusted:.3f}",
                "statement": one.claim.statement,
            }
            for one in verdicts
        ]
    )


def _loaded(name: str) -> tuple[Experiment, StudySpec]:
    experiment, spec = load_study(name)
    if spec is None:
        example = packaged("curriculum")
        raise ConfigError(f"no `study:` block, which holds question and claims (as in {example})", study_file(name))
    return experiment, spec
