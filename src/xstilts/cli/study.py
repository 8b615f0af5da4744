"""`xstilts study` and `xstilts claims`: an experiment with its question, run, judged and written up."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from textwrap import wrap
from typing import Annotated, Any

from typer import Argument, Option

from xstilts.cli import options as opt
from xstilts.cli.output import aligned, lines, show
from xstilts.cli.run import run_experiment
from xstilts.core.errors import ConfigError
from xstilts.core.machine import Machine
from xstilts.experiment import Experiment
from xstilts.graph.store import Store
from xstilts.reports.cells import share
from xstilts.reports.study import measured, study_of
from xstilts.reports.write import write_study
from xstilts.session.grid import grid_of
from xstilts.session.loading import Loaded, load_study
from xstilts.session.reported import report_folder
from xstilts.session.results import analysis_of
from xstilts.studies.files import packaged, studies, study_file
from xstilts.studies.spec import StudySpec
from xstilts.studies.verdicts import Verdict

To = Annotated[Path | None, Option("--to", help="File for the page (Markdown).")]


def study(  # noqa: PLR0913, PLR0917
    name: Annotated[
        str | None, Argument(help="Name of a study, or a study file of your own. Default: list them.")
    ] = None,
    data: opt.Data = None,
    store: opt.Store = Path("runs"),
    workers: opt.Workers = None,
    device: opt.Device = "auto",
    micro_batch_tokens: opt.Tokens = 8192,
    plan: Annotated[bool, Option("--plan", help="Estimate what it will take, without running it.")] = False,
    to: To = None,
    as_json: opt.Json = False,
) -> None:
    """Run a study: an experiment with a question, and published claims to judge.

    Writes a report with question, answer, results and a verdict on every
    claim to reports/NAME in the store: index.html, and study.md as Markdown.
    Finished stages are reused. Without NAME, lists the studies that come with
    xstilts. To write your own: docs/studies/README.md.

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
        hardware = Hardware(find_device(kind), Machine(micro_batch_tokens=micro_batch_tokens))
        show_plan(load_study(name).experiment, data, store, hardware, as_json)
        return
    machine = Machine(device, workers, micro_batch_tokens=micro_batch_tokens)
    loaded = Loaded(*_loaded(name))
    found = run_experiment(loaded, data, store, machine, as_json, opt.command("study", name, data), anew=True)
    if found is None or (judged := found[1]) is None:
        return
    place, verdicts = to or report_folder(loaded.experiment, store) / "study.md", judged.verdicts
    write_study(found[0], judged, place)
    if as_json:
        show({"page": str(place), "claims": [claim_row(one) for one in verdicts]}, as_json)
    else:
        lines([f"study: {place}", "", *_claim_lines(verdicts)])


def claims(
    name: Annotated[str, Argument(help="Name of a study, or a study file of your own.")],
    data: opt.Data = None,
    store: opt.Store = Path("runs"),
    to: To = None,
    as_json: opt.Json = False,
) -> None:
    """Print the verdict on each claim of a study, from the results so far.

    Computes nothing new. With --to, writes the study's page as well.

    Example:
      xstilts claims curriculum --store runs/curriculum
    """
    experiment, spec = _loaded(name)
    place = Store(store, must_exist=True)
    grid = grid_of(experiment, place, data)
    found = analysis_of(grid, place, opt.command("study", name, data))
    page = study_of(spec, found)
    if to is not None:
        write_study(found, page, to)
    if as_json:
        show([claim_row(one) for one in page.verdicts], as_json)
    else:
        lines(_claim_lines(page.verdicts))


def show_studies(as_json: bool) -> None:
    """The studies that come with xstilts, with question and cost."""
    found = [(name, _loaded(name)[1]) for name in studies()]
    rows = [{"study": name, "question": spec.question, "cost": spec.cost} for name, spec in found]
    if as_json:
        show(rows, as_json)
    else:
        lines(f"{row['study']}\n    {row['question']}\n    cost: {row['cost']}" for row in rows)


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


def _claim_lines(verdicts: Sequence[Verdict]) -> list[str]:
    """A row for each claim, with its statement below, in 80 columns."""
    found = aligned(
        [
            {
                "claim": one.claim.id,
                "verdict": one.word,
                "probability": share(one.confidence),
                "p, Holm": share(one.p_adjusted),
            }
            for one in verdicts
        ]
    )
    below = [wrap(one.claim.statement, 80, initial_indent="    ", subsequent_indent="    ") for one in verdicts]
    return [*found[:1], *(line for row, text in zip(found[1:], below, strict=True) for line in (row, *text))]


def _loaded(name: str) -> tuple[Experiment, StudySpec]:
    experiment, spec = load_study(name)
    if spec is None:
        example = packaged("curriculum")
        raise ConfigError(f"no `study:` block, which holds question and claims (as in {example})", study_file(name))
    return experiment, spec
