"""`xstilts study` and `xstilts claims`: an experiment with its question, run, judged and written up."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from xstilts.cli.options import Folders, command
from xstilts.cli.output import emit, table
from xstilts.cli.run import run_experiment
from xstilts.core.errors import ConfigError
from xstilts.core.machine import Machine
from xstilts.experiment import Experiment
from xstilts.graph.store import Store
from xstilts.reports.cells import GAP
from xstilts.reports.study import Study, study_of, write_study
from xstilts.reports.study_tables import chance, measured
from xstilts.session.loading import load_study
from xstilts.session.results import analysis, minutes, report_folder
from xstilts.studies.files import packaged, studies, study_file
from xstilts.studies.spec import StudySpec
from xstilts.studies.verdicts import Verdict


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


def run_study(name: str, data: Folders, store: Path, machine: Machine, to: Path | None, as_json: bool) -> None:
    """Run what is missing of a study, then write its report and its page."""
    experiment, spec = _loaded(name)
    grid, found = run_experiment(experiment, data, store, machine, as_json, command("study", name, data))
    if found is None:
        return
    study = study_of(spec, found, minutes(grid, Store(store, must_exist=True)))
    place = to or report_folder(experiment, store) / "study.md"
    write_study(study, place)
    if as_json:
        emit({"page": str(place), "claims": [claim_row(one) for one in study.verdicts]})
        return
    sys.stdout.write(f"study: {place}\n\n")
    _print_claims(study.verdicts)


def show_claims(name: str, data: Folders, store: Path, to: Path | None, as_json: bool) -> None:
    """The verdicts on a study's claims, from what is finished; with `to`, the page too."""
    experiment, spec = _loaded(name)
    place = Store(store, must_exist=True)
    found, grid = analysis(experiment, place, data, command("study", name, data))
    study: Study = study_of(spec, found, minutes(grid, place))
    if to is not None:
        write_study(study, to)
    if as_json:
        emit([claim_row(one) for one in study.verdicts])
    else:
        _print_claims(study.verdicts)


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
