"""`xstilts study` and `xstilts claims`: run an experiment with its question, and judge its claims."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import wrap
from typing import Annotated, Any

from typer import Argument, Option

from xstilts.cli import options as opt
from xstilts.cli.output import aligned, show
from xstilts.cli.run import run_experiment
from xstilts.core.errors import ConfigError
from xstilts.graph.store import Store
from xstilts.reports.cells import share
from xstilts.reports.study import measured, study_of
from xstilts.reports.write import write_study
from xstilts.session.grid import grid_of, report_folder
from xstilts.session.loading import Loaded, load_study
from xstilts.session.reads import changed_files
from xstilts.session.results import analysis_of
from xstilts.studies.files import packaged, studies, study_file
from xstilts.studies.spec import StudySpec
from xstilts.studies.verdicts import Verdict

To = Annotated[Path | None, Option("--to", help="Markdown file to write the page to.")]


@opt.on_machine
def study(
    machine: Mapping[str, Any],
    name: Annotated[
        str | None, Argument(help="Name of a built-in study, or your own study file. Default: list the studies.")
    ] = None,
    data: opt.Data = None,
    store: opt.Store = Path("runs"),
    plan: Annotated[bool, Option("--plan", help="Estimate the cost instead of running the study.")] = False,
    to: To = None,
    as_json: opt.Json = False,
) -> None:
    """Run a study: an experiment with a question, and published claims to judge.

    Writes a report with question, answer, results and a verdict on every
    claim to reports/NAME in the store: index.html, and study.md as Markdown.
    Finished stages are reused. Without NAME, lists the built-in studies. To
    write your own: docs/studies/README.md.

    Examples:
      xstilts study
      xstilts study curriculum --plan
      xstilts study curriculum --store runs/curriculum --to curriculum.md
    """
    if name is None:
        specs = [(one, _loaded(one)[1]) for one in studies()]
        listed = [{"study": one, "question": spec.question, "cost": spec.cost} for one, spec in specs]
        show(listed, as_json, (f"{one}\n    {spec.question}\n    cost: {spec.cost}" for one, spec in specs))
    elif plan:
        from xstilts.cli.plan import plan as print_plan  # loads torch

        device = "auto" if machine["device"].startswith("cuda") else machine["device"]
        names = ("devices", "shard", "offload", "recompute", "micro_batch_tokens")
        print_plan(Path(name), data, store, device, **{one: machine[one] for one in names}, as_json=as_json)
    else:
        with opt.machine_of(machine) as chosen:
            loaded = _loaded(name)[0]
            command = opt.command("study", name, data, store=store, machine=machine)
            found = run_experiment(loaded, data, store, chosen, as_json, command, rewrite=True)
            if found is None or (judged := found[1]) is None:
                return
            page, verdicts = to or report_folder(loaded.experiment, store) / "study.md", judged.verdicts
            write_study(found[0], judged, page)
            rows = {"page": str(page), "claims": [_row(one) for one in verdicts]}
            show(rows, as_json, [f"study: {page}", "", *_claim_lines(verdicts)])


def claims(
    name: Annotated[str, Argument(help="Name of a built-in study, or your own study file.")],
    data: opt.Data = None,
    store: opt.Store = Path("runs"),
    to: To = None,
    as_json: opt.Json = False,
) -> None:
    """Print the verdict on each claim of a study, from the results so far.

    Computes nothing. With --to, also writes the study's page.

    Example:
      xstilts claims curriculum --store runs/curriculum
    """
    (experiment, _), spec = _loaded(name)
    place = Store(store, must_exist=True)
    grid = grid_of(experiment, place, data)
    sys.stderr.writelines(f"note: {line}\n" for line in changed_files(grid.stages, place))
    found = analysis_of(grid, place, opt.command("study", name, data))
    page = study_of(spec, found)
    if to is not None:
        write_study(found, page, to)
    show([_row(one) for one in page.verdicts], as_json, _claim_lines(page.verdicts))


def _row(one: Verdict) -> dict[str, Any]:
    return {
        "claim": one.claim.id,
        "verdict": one.word,
        **{name: getattr(one, name) for name in ("confidence", "p", "p_adjusted")},
        "value": one.parts[0][1].value if len(one.parts) == 1 else None,
        "measured": measured(one),
        "statement": one.claim.statement,
        "citation": list(one.claim.citation),
        "reason": one.reason,
        "notes": list(one.notes),
    }


def _claim_lines(verdicts: Sequence[Verdict]) -> list[str]:
    """A row for each claim, with its statement below, in 80 columns."""
    names = ("claim", "verdict", "probability", "p, Holm")
    cells = [(one.claim.id, one.word, share(one.confidence), share(one.p_adjusted)) for one in verdicts]
    found = aligned([dict(zip(names, row)) for row in cells])
    below = [wrap(one.claim.statement, 80, initial_indent="    ", subsequent_indent="    ") for one in verdicts]
    return [*found[:1], *(line for row, text in zip(found[1:], below, strict=True) for line in (row, *text))]


def _loaded(name: str) -> tuple[Loaded, StudySpec]:
    loaded = load_study(name)
    if loaded.study is None:
        example = packaged("curriculum")
        raise ConfigError(f"no `study:` block with a question and claims (example: {example})", study_file(name))
    return loaded, loaded.study
