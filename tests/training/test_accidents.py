"""Runs that diverge or collapse: named, counted, and replaced by other seeds where the stage allows it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from training.phases import DROPOUT, run, run_phase, same, write_inputs
from training.selection import config, validation, weights
from xstilts.core.errors import FailedRun
from xstilts.core.files import read_json
from xstilts.core.seeds import derive_seed
from xstilts.stages import training
from xstilts.stages.accidents import collapsed, constant
from xstilts.stages.log import Ends


def score(value: float, majority: float = 33.0, language: str = "en", **more: Any) -> dict[str, Any]:
    return {"task": "nli", "language": language, "metric": "accuracy", "value": value, "majority": majority, **more}


def test_a_run_at_or_below_the_best_constant_answer_collapsed() -> None:
    assert collapsed([score(33.0)]) == {"nli": "33.0 on validation; the majority baseline has 33.0"}
    assert collapsed([score(33.1)]) == {}
    assert collapsed([score(20.0), score(50.0, language="de")]) == {}
    assert collapsed([score(100.0, 100.0)]) == {}, "gold is constant: nothing can be said"
    exact = {"task": "nli", "language": "en", "metric": "exact_match", "value": 1.0}
    assert collapsed([score(60.0), exact]) == {}
    assert collapsed([exact]) == {} == collapsed([])
    (why,) = collapsed([score(33.0, constant="neutral"), score(30.0, language="de", constant="neutral")]).values()
    assert why == "31.5 on validation, all answers 'neutral'; the majority baseline has 33.0"


def test_one_answer_to_everything_is_seen_in_labels_tags_and_texts() -> None:
    assert constant(["neutral", "neutral"]) == "neutral"
    assert constant([["O", "O"], ["O"]]) == "O"
    assert constant(["", ""]) == ""
    assert constant(["", "a"]) is constant([["O", "B"]]) is constant([]) is None


def test_a_flat_loss_is_that_of_its_last_tenth_beside_the_first() -> None:
    def ends(last: float, steps: int = 200) -> dict[str, str]:
        found = Ends(steps, {})
        for step in range(steps):
            if step == steps // 2:
                found = Ends(steps, found.rows())  # as from a checkpoint
            found.add(step, "nli", torch.tensor(1.1 if step < steps / 2 else last))
            found.add(step, "text", torch.tensor(5.0))
        return found.flat(["nli"])

    assert ends(1.09) == {"nli": "its loss is flat, 1.100 at the beginning and 1.090 at the end"}
    assert ends(1.05) == {}
    assert ends(1.10, 199) == {}, "too few steps to say"


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("inputs")
    return {**write_inputs(root, "nli", **DROPOUT), "dev0": validation(root / "dev0", "nli")}


def seeded(stage: Mapping[str, Any], failed: int) -> dict[str, Any]:
    return {**stage, "seed": derive_seed(1, "restart", failed)}


STAGE = config("nli", learning_rate=1e-2, restarts=3)
KEPT = config("nli", learning_rate=1e-2)


@pytest.fixture
def twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first two seeds collapse."""
    seen: list[int] = []

    def judged(scores: Any) -> dict[str, str]:
        seen.append(1)
        return {"nli": "33.0 on validation"} if len(seen) < 3 else {}

    monkeypatch.setattr(training, "collapsed", judged)


@pytest.mark.usefixtures("twice")
def test_other_seeds_are_tried_and_written_down(inputs: dict[str, Path], tmp_path: Path) -> None:
    found = run(tmp_path / "run", inputs, STAGE)
    summary = read_json(found / "summary.json")
    rows = [
        {"what": "collapsed", "seed": seed, "why": "nli: 33.0 on validation"}
        for seed in (1, derive_seed(1, "restart", 1))
    ]
    assert summary["accidents"] == rows
    assert "collapsed" not in summary
    assert read_json(found / "about.json")["restarts"] == 2
    assert same(weights(found), weights(run(tmp_path / "alone", inputs, seeded(KEPT, 2))))
    assert not list(found.glob("checkpoint*"))


def test_a_run_that_is_killed_between_seeds_goes_on_with_its_own(
    inputs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is told of a seed that was given up outlives the process; its checkpoint does not."""
    monkeypatch.setattr(training, "collapsed", lambda scores: {"nli": "told"})

    def killed(at: str) -> Any:
        def report(data: Mapping[str, Any]) -> None:
            if at in data["message"]:
                raise KeyboardInterrupt

        return report

    directory, stage = tmp_path / "run", config("nli", restarts=2)
    directory.mkdir()
    settings = {"checkpoint_seconds": 1e-9, "log_every": 1}
    for at in ("step 7 ", "another seed (1 of 2)", "step 7 ", "another seed (2 of 2)", "step 7 "):
        with pytest.raises(KeyboardInterrupt):
            run_phase(stage, directory, inputs, settings, killed(at))
    found = run(directory, inputs, stage)
    straight = run(tmp_path / "straight", inputs, stage)
    assert read_json(found / "summary.json") == read_json(straight / "summary.json")
    assert len(read_json(found / "summary.json")["accidents"]) == 2
    assert same(weights(found), weights(straight))


def test_the_last_seed_is_kept_and_told_if_it_collapses_too(inputs: dict[str, Path], tmp_path: Path) -> None:
    stage = config("nli", learning_rate=1e-9, restarts=1)  # nothing is learned
    said: list[dict[str, Any]] = []
    found = tmp_path / "run"
    found.mkdir()
    run_phase(stage, found, inputs, {}, said.append)
    summary = read_json(found / "summary.json")
    told = [row["message"] for row in said if "fraction" not in row]
    why = summary["collapsed"]["nli"]
    assert re.fullmatch(r"[\d.]+ on validation(, all answers '\w+')?; the majority baseline has [\d.]+", why)
    assert told[-1] == f"collapsed: nli: {why}; kept, and flagged in the report"
    assert told[0].endswith("; starting again with another seed (1 of 1)")
    assert read_json(found / "about.json")["collapsed"] == summary["collapsed"]


def test_a_run_that_diverges_at_every_seed_fails_with_one_line(inputs: dict[str, Path], tmp_path: Path) -> None:
    stage = config("nli", by="last", judged=False, learning_rate=1e39, warmup=0.0, restarts=1)
    with pytest.raises(FailedRun, match=r"at step 0 \(the last finite loss was 1\.\d+\): lower the learning rate"):
        run(tmp_path / "run", inputs, stage)
    (row,) = read_json(tmp_path / "run" / "accidents.json")
    assert (row["what"], row["seed"]) == ("diverged", 1)
    assert row["why"].startswith("a weight is infinite or NaN after an update with nli at step 0 (the last finite loss")


def test_two_ranks_begin_again_together(inputs: dict[str, Path], tmp_path: Path) -> None:
    stage = config("nli", learning_rate=1e-9, restarts=1)
    one, two = run(tmp_path / "one", inputs, stage), run(tmp_path / "two", inputs, stage, devices=2)
    ours, theirs = (read_json(path / "summary.json") for path in (one, two))
    assert ours["accidents"] == theirs["accidents"]
    assert len(ours["accidents"]) == 1
