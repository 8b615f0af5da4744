"""Seeds that failed, collapsed or began again are counted in the report beside the means."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stages.tiny_experiment import run, run_all, scores, tiny_experiment
from xstilts.core.errors import FailedRun
from xstilts.expand import Expansion
from xstilts.graph.job import Job
from xstilts.graph.store import Store
from xstilts.reports import Analysis
from xstilts.reports.contents import contents
from xstilts.reports.findings import findings
from xstilts.reports.html import page
from xstilts.session.about import failed_runs
from xstilts.session.grid import Grid
from xstilts.session.results import analysis_of
from xstilts.stages import training
from xstilts.stages.run import run_stage
from xstilts.stats.flags import Flag
from xstilts.stats.table import Run

BASELINE = Run("tiny", "[]")


def expanded(tiny_world: Path, **train: Any) -> Expansion:
    options = {"steps": 2, "batch_size": 4, "learning_rate": 1e-3, **train}
    return Expansion(tiny_experiment(seeds=[1, 2, 3], targets=["micro_topic"], recipes=[[]], train=options), tiny_world)


def diverges(job: Job) -> None:
    """A runner in which the second seed diverges."""
    if job.stage.kind == "train" and job.config["seed"] == 2:
        raise FailedRun("the loss of micro_topic is nan at step 1", "diverged")
    run_stage(job)


def told(expansion: Expansion, store: Store) -> tuple[Analysis, str]:
    """The report's numbers, and its sentences with its page."""
    analysis = analysis_of(Grid.of(expansion.experiment, expansion.roots), store, "xstilts run")
    return analysis, " ".join([*findings(analysis), page(contents(analysis), {})])


def test_a_seed_that_failed_is_counted_until_it_is_computed(tiny_world: Path, tmp_path: Path) -> None:
    expansion, store = expanded(tiny_world, select="last"), Store(tmp_path)
    run(expansion.stages(), tmp_path, runner=diverges)
    (failed,) = [path.read_text() for path in (tmp_path / "failures").iterdir()]
    assert failed.splitlines()[1:] == ["the loss of micro_topic is nan at step 1"]
    assert failed_runs(Grid.of(expansion.experiment, expansion.roots), store) == (
        Flag("failed", BASELINE, "micro_topic", (2,), 3),
    )
    _, text = told(expansion, store)
    assert '<span class="badge">micro_topic failed (1 of 3 seeds)</span>' in text
    assert "Flagged as failed: 1 run ([]: micro_topic failed (1 of 3 seeds)). They have no scores and are in no" in text
    assert "None was dropped, but 1 failed and have no scores." in text
    run_all(expansion, tmp_path)
    assert failed_runs(Grid.of(expansion.experiment, expansion.roots), store) == ()
    assert "failed" not in told(expansion, store)[1]


def test_runs_that_collapsed_or_began_again_are_counted(
    tiny_world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def judged(_: Any) -> dict[str, str]:
        seen.append(1)
        return {"micro_topic": "told"} if len(seen) < 3 else {}

    monkeypatch.setattr(training, "collapsed", judged)
    expansion = expanded(tiny_world, restarts=1)
    run_all(expansion, tmp_path)
    parts = [set(scores(tmp_path, cell.stage)[0]["signature"].split(" | ")) for cell in expansion.cells]
    assert [{"run=collapsed", "restarts=1"} & each for each in parts].count({"run=collapsed", "restarts=1"}) == 1
    analysis, text = told(expansion, Store(tmp_path))
    flags = {flag.kind: (len(flag.seeds), flag.measured) for flag in analysis.flags}
    assert flags["restarted"] == flags["collapsed"] == (1, 3)
    assert '<span class="badge">micro_topic restarted (1 of 3 seeds)</span>' in text
    assert "A run that diverged or collapsed was replaced by one with another seed, which biases means upwards." in text
    assert "1 collapsed (at or below the majority baseline), 1 restarted with another seed. None was dropped." in text
