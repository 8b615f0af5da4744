"""`xstilts status` and `why`: running stages, what a stage reads, and why it is not finished."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from graph.toy import RUNNER, stage
from xstilts.graph.job import Job
from xstilts.graph.locks import RUNNING
from xstilts.graph.locks import running as using
from xstilts.graph.perform import Work, perform
from xstilts.graph.stage import Stage, graph, to_rows
from xstilts.graph.store import Store
from xstilts.session.why import reasons, running

Typed = Callable[..., tuple[int, str, str]]
DATA = Stage("prepare", 1, {"files": {"en": {"train.tsv": "12ab"}}}, label="nli train, en")
OTHER = Stage("prepare", 1, {"files": {"en": {"train.tsv": "34cd"}}}, label="nli train, en")


def trained(data: Stage, rate: float = 0.1, version: int = 1, seed: int = 1) -> Stage:
    config = {"name": "x", "train": {"rate": rate, "epochs": 2}, "seed": seed}
    return Stage("train", version, config, {"data0": data}, f"tiny > nli @seed {seed}")


def scored(model: Stage) -> Stage:
    return Stage("evaluate", 1, {"name": "y"}, {"model": model}, model.label)


def finish(store: Store, *stages: Stage) -> None:
    for one in graph(stages):
        perform(Work(store, nothing, {}), one, lambda _: None)


def nothing(job: Job) -> None:
    (job.directory / "value.json").write_text("1")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Two finished seeds of a train stage; an experiment needs a third."""
    store = Store(tmp_path / "store")
    finish(store, scored(trained(DATA)), scored(trained(DATA, seed=2)))
    wanted = to_rows(scored(trained(DATA, seed=seed)) for seed in (1, 2, 3))
    (store.root / "experiments").mkdir()
    (store.root / "experiments" / "mine.json").write_text(json.dumps({"stages": wanted}))
    return store


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        (trained(DATA, seed=4), "seed is 4, there 2"),
        (trained(DATA, rate=0.2, seed=2), "train.rate is 0.2, there 0.1"),
        (trained(DATA, version=2, seed=2), "code version is 2, there 1"),
        (Stage("train", 1, {"new": 1}, {}), "new: no finished stage is like it"),
        (
            Stage("train", 2, {"name": "x", "seed": 4, "train": {"rate": 0.3}, "new": 1}, {"data0": DATA}),
            "code version is 2, there 1; new is 1, there not set; seed is 4, there 2; and 2 more",
        ),
        (Stage("predict", 1, {}, {}), "no stage of its kind is finished"),
    ],
)
def test_a_missing_stage_is_held_against_the_finished_one_that_is_most_like_it(
    store: Store, changed: Stage, reason: str
) -> None:
    assert reasons([changed], store)[changed.key].partition(" (in ")[0] == reason


def test_a_changed_file_is_named_where_it_is_read(store: Store) -> None:
    changed = trained(OTHER, seed=2)
    why = reasons([OTHER, changed], store)
    assert why[OTHER.key].startswith('files.en.train.tsv is "34cd", there "12ab" (in ')
    assert why[changed.key] == "it waits for prepare nli train, en"
    finish(store, OTHER)
    assert reasons([OTHER, changed], store)[changed.key].startswith(
        'prepare nli train, en: files.en.train.tsv is "34cd", there "12ab" (in '
    )
    assert reasons([changed], Store(store.root.parent / "empty")) == {}, "where nothing is finished, all is new"


def test_why_tells_of_a_stage_where_it_comes_from_and_who_reads_it(store: Store, typed: Typed) -> None:
    one = trained(DATA)
    code, out, err = typed("why", one.key[:6], "--store", store.root)
    assert (code, err) == (0, "")
    facts = dict(line.split(maxsplit=1) for line in out.splitlines()[:7] if " " in line)
    assert facts["stage"] == "train tiny > nli @seed 1"
    assert facts["needed"] == "by     mine"
    assert facts["nearest"] == f"{trained(DATA, seed=2).key}: seed is 1, there 2"
    rows = [line.split() for line in out.splitlines() if DATA.key in line or scored(one).key in line]
    assert [row[0] for row in rows] == ["data0", "is"]
    _, out, _ = typed("why", "train tiny > nli @seed 3", "--store", store.root, "--json")
    found = json.loads(out)
    assert (
        found["state"] == f"missing: seed is 3, there 2 (in {trained(DATA, seed=2).key[:8]}, train tiny > nli @seed 2)"
    )


@pytest.mark.parametrize(
    ("name", "problem"),
    [("tiny", "'tiny' is 6 stages: give the key of one of them, as in"), ("zzz", "unknown stage 'zzz'")],
)
def test_a_name_that_is_no_stage_or_several_is_one_line(store: Store, typed: Typed, name: str, problem: str) -> None:
    code, out, err = typed("why", name, "--store", store.root)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert problem in err


def test_status_shows_what_another_process_computes_and_how_far_it_is(tmp_path: Path, typed: Typed) -> None:
    store, one = Store(tmp_path / "store"), stage("slow", label="tiny > nli")
    seen: list[tuple[int, str, str]] = []

    def look(message: dict[str, object]) -> None:
        if "started" in message:
            return
        seen.append(typed("status", "--store", store.root))
        seen.append(typed("status", "--store", store.root, "--json"))

    perform(Work(store, RUNNER, {}), one, look)
    (code, out, _), (_, document, _) = seen
    assert code == 0
    row = out.splitlines()[-1]
    assert row.split()[:2] == ["add", one.key[:8]]
    assert f"{os.getpid()} on " in row
    found = json.loads(document)["running"]
    assert [(each["label"], each["fraction"], each["process"]) for each in found] == [("tiny > nli", None, os.getpid())]
    assert json.loads(typed("status", "--store", store.root, "--json")[1])["running"] == []
    assert not list(store.directory(one).glob("progress*")), "what is published says nothing of it"


def test_progress_is_written_now_and_then(tmp_path: Path, typed: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xstilts.graph.perform.PROGRESS_SECONDS", 0.0)
    store, one = Store(tmp_path / "store"), stage("half")
    seen: list[str] = []
    perform(Work(store, RUNNER, {}), one, lambda _: seen.append(typed("status", "--store", store.root)[1]))
    assert "50%" in seen[1].splitlines()[-1]
    assert "half half (" in seen[1].splitlines()[-1]


def test_progress_has_an_estimate_of_the_time_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xstilts.graph.perform.PROGRESS_SECONDS", 0.0)
    store = Store(tmp_path / "store")
    seen: list[float | None] = []

    def runner(job: Job) -> None:
        for share in (0.25, 0.5, 0.75, 0.3):  # the last is of another seed
            job.report({"fraction": share})
            seen.append(running(store)[0].seconds_left)
            time.sleep(0.2)

    perform(Work(store, runner, {}), trained(DATA), lambda _: None)
    assert (seen[0], seen[3]) == (None, None)
    assert all(seconds is not None and seconds > 0 for seconds in seen[1:3])


def plain(out: str) -> list[str]:
    """Lines without the time at the beginning of each block."""
    return [re.sub(r"^\d\d:\d\d:\d\d  ", "", line) for line in out.splitlines()]


def test_watch_prints_each_change_until_nothing_is_left(
    store: Store, typed: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    (store.root / "failures").mkdir()
    store.failure(trained(DATA, seed=3)).touch()
    later = iter([lambda: None, lambda: finish(store, scored(trained(DATA, seed=3)))])
    monkeypatch.setattr("xstilts.cli.status.sleep", lambda _: next(later)())
    code, out, err = typed("status", "--store", store.root, "--watch")
    assert (code, err) == (0, "")
    assert plain(out) == ["5 of 7 stages finished, 0 running, 1 failed", "7 of 7 stages finished, 0 running"]


def test_watch_ends_when_the_run_has_ended(store: Store, typed: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    run = using(store.root / RUNNING)
    later = iter([run.__enter__, lambda: None, lambda: run.__exit__(None, None, None), lambda: None])
    monkeypatch.setattr("xstilts.cli.status.sleep", lambda _: next(later)())
    assert typed("status", "--store", store.root, "--watch")[0] == 0
    assert next(later, None) is None, "it waited for a run to begin, and for its end"


@pytest.mark.parametrize("style", ["log", "json", "terminal"])
def test_watch_shows_what_runs_and_where_and_ends_on_an_interrupt(
    tmp_path: Path, typed: Typed, monkeypatch: pytest.MonkeyPatch, style: str
) -> None:
    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("xstilts.graph.perform.PROGRESS_SECONDS", 0.0)
    monkeypatch.setattr("xstilts.cli.status.sleep", interrupt)
    if style == "terminal":
        monkeypatch.setattr("xstilts.cli.status.Console", lambda: Console(force_terminal=True, width=100))
    store, words = Store(tmp_path / "store"), ["--json"] if style == "json" else []
    seen: list[tuple[int, str, str]] = []
    perform(
        Work(store, RUNNER, {}),
        stage("half"),
        lambda _: seen.append(typed("status", "--store", store.root, "--watch", *words)),
    )
    code, out, err = seen[1]
    out = out.removeprefix("half prints\n")
    assert (code, err) == (130, "")
    if style == "json":
        [row] = json.loads(out)["running"]
        assert (row["label"], row["fraction"], row["step"], row["process"]) == ("half", 0.5, 7, os.getpid())
        return
    head, where, far = plain(out)[:3]
    assert ("\x1b" in out) == (style == "terminal")
    assert "0 of 0 stages finished, 1 running" in head
    assert f"add half: process {os.getpid()} on " in where
    assert far == "    50%, half half"
