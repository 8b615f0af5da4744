"""Which flags stop a claim, what is too weak to judge it, and which of two p values counts."""

from __future__ import annotations

from dataclasses import replace

import pytest
import study_samples
from study_samples import scores, spec

from xstilts.stats.evidence import Evidence
from xstilts.stats.flags import Flag
from xstilts.stats.series import Replication
from xstilts.stats.table import Run, ScoreTable
from xstilts.studies.verdicts import Scores, Verdict, _word, judge

TABLE = scores(n=150)
HELPS = {"recipe": "[nli]", "backbones": "small"}


def judged(
    test: dict[str, object], *flags: Flag, table: ScoreTable = TABLE, random: dict[str, str] | None = None
) -> Verdict:
    languages = {(target, "zero-shot"): ("aa", "bb") for target in ("topics", "pairs")}
    recipes, targets, options = ("[]", "[nli]", "[qa]"), ("topics", "pairs"), Replication()
    known = Scores(table, languages, ("small", "large"), recipes, targets, options, random=random or {})
    return judge(spec({"test": test}).claims, known, flags)[0]


def test_a_task_that_half_the_seeds_did_not_learn_stops_a_claim_and_fewer_are_a_note() -> None:
    for seeds, word in (((1, 2), "holds"), ((1, 2, 3), "undecided")):
        found = judged(HELPS, Flag("not learned", Run("small", "[nli]"), "nli", seeds, 6))
        assert (found.word, found.notes) == (word, (f"[nli] with small: nli not learned ({len(seeds)} of 6 seeds)",))
        assert (found.p is None) == (found.p_adjusted is None) == (word == "undecided")


def test_runs_that_collapsed_or_that_a_claim_is_not_about_stop_nothing() -> None:
    collapsed = judged(HELPS, Flag("collapsed", Run("small", "[nli]"), "topics", (1, 2, 3, 4, 5, 6), 6))
    assert (collapsed.word, collapsed.notes) == ("holds", ("[nli] with small: topics collapsed",))
    baseline = judged(HELPS, Flag("collapsed", Run("small", "[]"), "pairs", (1, 2), 6))
    assert (baseline.word, baseline.notes) == ("holds", ("[] with small: pairs collapsed (2 of 6 seeds)",))
    elsewhere = Flag("collapsed", Run("small", "[nli]"), "pairs", (1,), 6)
    assert judged({**HELPS, "targets": "topics"}, elsewhere).notes == ()
    compared = Flag("not learned", Run("small", "[qa]"), "qa", (1, 2, 3, 4, 5, 6), 6)
    found = judged({**HELPS, "against": "[qa]"}, compared)
    assert (found.word, found.notes) == ("holds", ("[qa] with small: qa not learned",))
    for run in (Run("large", "[nli]"), Run("small", "[qa]")):
        other = judged(HELPS, Flag("not learned", run, "nli", (1, 2, 3, 4, 5, 6), 6))
        assert (other.word, other.notes) == ("holds", ())


@pytest.mark.parametrize(("gain", "word"), [(30.0, "undecided"), (0.0, "holds"), (-30.0, "holds")])
def test_a_random_start_above_the_pretrained_one_stops_a_claim(
    monkeypatch: pytest.MonkeyPatch, gain: float, word: str
) -> None:
    monkeypatch.setitem(study_samples.GAINS, ("huge", "[]"), gain)
    found = judged(HELPS, table=scores(("small", "large", "huge"), n=150), random={"small": "huge"})
    assert found.word == word
    assert found.reason.startswith("a random start scores ") == (word == "undecided")
    assert judged(HELPS, random={"small": "not measured"}).word == "holds"
    asked = {"kind": "difference", "recipe": "[]", "backbones": "small", "other": "huge"}
    itself = judged(asked, table=scores(("small", "large", "huge"), n=150), random={"small": "huge"})
    assert (itself.word, itself.reason) == ("holds" if gain < 0 else "fails" if gain else itself.word, "")


def test_models_that_are_the_same_at_every_seed_judge_nothing() -> None:
    same = [row._replace(score=replace(row.score, stage=f"{row.score.recipe} {row.score.task}")) for row in TABLE.rows]
    found = judged(HELPS, table=ScoreTable(tuple(same)))
    assert (found.word, found.p) == ("undecided", None)
    assert found.reason == "the same models at every seed, so no spread over seeds to judge by"


@pytest.mark.parametrize(
    "supports, contradicts, adjusted, word",
    [
        (0.02, 1.0, 0.049, "holds"),
        (0.02, 1.0, 0.05, "undecided"),
        (0.02, 1.0, 0.06, "undecided"),
        (1.0, 0.02, 0.04, "fails"),
        (0.001, 0.01, 0.003, "fails"),
        (0.001, 0.02, 0.003, "holds"),
    ],
)
def test_holm_corrects_both_directions(supports: float, contradicts: float, adjusted: float, word: str) -> None:
    """Where both are shown, being less than matters counts, after the same correction: 3 x .01, but not 3 x .02."""
    assert _word(Evidence(supports, contradicts, None), adjusted) == word
