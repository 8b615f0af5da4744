"""Claims are judged as the scores demand, and the page says so in words."""

from __future__ import annotations

from types import SimpleNamespace
from xml.etree import ElementTree

import pytest
from scipy import stats
from study_samples import SEEDS, analysis, spec
from synthetic_scores import score

from xstilts.reports.contents import contents
from xstilts.reports.findings import protocols
from xstilts.reports.markdown import report
from xstilts.reports.study import Study, study_of
from xstilts.reports.write import write_study
from xstilts.stats.estimates import holm
from xstilts.stats.table import ScoreTable

TWO = analysis()
THREE = analysis(("small", "large", "huge"))


def judged(*tests, of=TWO) -> Study:
    return study_of(spec(*({"test": test} for test in tests)), of)


@pytest.mark.parametrize(
    "test, word, value",
    [
        ({"recipe": "[nli]", "backbones": "small", "is": "above"}, "holds", 12),
        ({"recipe": "[nli]", "backbones": "small", "is": "below"}, "fails", 12),
        ({"recipe": "[nli]", "backbones": "small", "is": "within", "than": 12, "margin": 6}, "holds", 12),
        ({"recipe": "[nli]", "is": "above", "than": 7.0}, "undecided", 7.2),
        ({"recipe": "[nli]", "against": "[qa]", "backbones": "small", "is": "above"}, "holds", 21),
        ({"kind": "difference", "recipe": "[nli]", "backbones": "small", "other": "large"}, "holds", 11),
        ({"kind": "interaction", "recipe": "[nli]", "is": "differs", "margin": 2}, "holds", 11),
        ({"kind": "interaction", "recipe": "[nli]", "is": "differs", "margin": 20}, "fails", 11),
    ],
)
def test_a_claim_holds_fails_or_left_open(test, word, value):
    (found,) = judged(test).verdicts
    assert found.parts[0][1].value == pytest.approx(value, abs=2)
    assert (found.word, found.reason) == (word, "")
    assert found.confidence is not None
    if word != "undecided":
        assert (found.confidence > 0.9) == (word == "holds")


def test_claims_about_each_of_several_and_about_the_best():
    each, most, best, worst = judged(
        {"recipe": "[nli]", "each": "backbone", "than": 4},
        {"recipe": "[nli]", "each": "backbone", "at_least": 1, "than": 4},
        {"kind": "best", "recipe": "[nli]", "backbones": "small"},
        {"kind": "best", "recipe": "[]", "backbones": "small"},
    ).verdicts
    assert [one.word for one in (each, most, best, worst)] == ["fails", "holds", "holds", "fails"]
    assert [label for label, _ in each.parts] == ["small", "large"]
    assert [label for label, _ in best.parts] == ["over []", "over [qa]"]


def test_three_backbones_have_a_joint_test_pairs_and_a_trend():
    study = judged(
        {"kind": "interaction", "recipe": "[nli]", "is": "differs", "margin": 2},
        {"kind": "interaction", "recipe": "[qa]", "is": "differs", "margin": 0.1},
        {"kind": "trend", "recipe": "[nli]", "parameters": {"small": 1e6, "large": 1e7, "huge": 1e8}, "is": "below"},
        of=THREE,
    )
    differs, same, trend = study.verdicts
    assert (differs.word, trend.word) == ("holds", "holds")
    assert same.word == "undecided"
    assert trend.parts[0][1].value == pytest.approx(-11, abs=2)
    assert differs.measured is not None
    assert [part.label for part in differs.measured.pairs] == ["small - large", "small - huge", "large - huge"]


def test_gains_of_three_backbones_differ_or_are_alike():
    def gains(**bound):
        return judged({"kind": "interaction", "recipe": "[nli]", **bound}, of=THREE).verdicts[0]

    apart, alike, wide, loose = (
        gains(**{"is": word, "margin": margin}) for word in ("differs", "within") for margin in (2, 60)
    )
    assert [one.word for one in (apart, alike, wide, loose)] == ["holds", "fails", "fails", "holds"]
    assert [round(one.confidence, 1) for one in (apart, alike, wide, loose)] == [1, 0, 0, 1]


def test_equal_gains_do_not_differ_with_confidence():
    """The joint test of gains that are alike, and the share of resamples in which some two are a margin apart."""
    (same,) = judged({"kind": "interaction", "recipe": "[qa]", "is": "differs", "margin": 8}, of=THREE).verdicts
    assert same.confidence is not None
    assert same.confidence < 0.5


def test_an_effect_that_is_shown_to_be_less_than_matters_is_refuted():
    (small,) = judged({"recipe": "[nli]", "backbones": "small", "margin": 30}).verdicts
    assert small.parts[0][1].low > 0
    assert small.word == "fails"


def test_a_contrast_may_name_a_group_of_targets():
    test = {"recipe": "[nli]", "backbones": "small"}
    named = spec({"test": {**test, "targets": "words"}}).model_copy(update={"groups": {"words": ("topics",)}})
    (group,), (target,) = study_of(named, TWO).verdicts, judged({**test, "targets": "topics"}).verdicts
    assert group.parts == target.parts


def test_targets_that_rise_and_fall_together_are_correlated():
    (found,) = judged({"kind": "correlation", "targets": "topics", "versus": "pairs", "than": 0.5}).verdicts
    assert found.word == "holds"
    assert 0.9 < found.parts[0][1].value <= 1.0


def test_p_values_are_corrected_over_the_tested_claims_alone():
    tests = [{"recipe": "[nli]", "than": than} for than in (4.0, 5.0, 5.5)]
    study = study_of(spec(*({"test": test} for test in tests), {"untested": "no scores"}), TWO)
    *tested, untested = study.verdicts
    assert [one.p_adjusted for one in tested] == holm([one.p for one in tested])
    assert (untested.word, untested.p, untested.reason) == ("not tested", None, "no scores")


def test_a_claim_says_what_could_have_been_shown():
    one, two, _ = judged(
        {"recipe": "[nli]", "backbones": "small"}, {"recipe": "[nli]", "each": "backbone"}, {"recipe": "[qa]"}
    ).verdicts
    estimates = [found for _, found in (*one.parts, *two.parts)]
    halves = [(found.high - found.low) / 2 / stats.t.ppf(0.975, 2) for found in estimates]
    first = stats.t.ppf(1 - 0.05 / 4, 2)  # the smaller of two p; the claim about what was not learned is no test
    assert one.resolved == pytest.approx(first * halves[0])
    assert two.resolved == pytest.approx(first * max(halves[1:]))


def test_what_was_not_learned_or_measured_or_has_one_seed_stays_undecided():
    (poor,) = judged({"recipe": "[qa]", "is": "below"}).verdicts
    assert (poor.word, poor.reason) == ("undecided", "an intermediate task that was not learned explains nothing: qa")
    assert poor.notes[0] == "[qa] with small: qa not learned"
    (absent,) = judged({"recipe": "[nli]", "targets": "absent"}).verdicts
    assert absent.word == "not tested"
    assert "absent: no scores of recipe" in absent.reason
    (single,) = judged({"recipe": "[nli]"}, of=analysis(seeds=(1,))).verdicts
    assert (single.word, single.reason) == ("undecided", "too few seeds to say (1, of 3 needed)")


def test_the_page_answers_in_words_and_numbers_and_is_the_same_each_time():
    effects = (
        {"label": "Gain of [nli]", "contrast": {"recipe": "[nli]", "backbones": "small"}},
        {"label": "Gain on large", "contrast": {"recipe": "[nli]", "backbones": "large", "against": "[nli]"}},
        {"label": "Interaction", "contrast": {"kind": "interaction", "recipe": "[nli]"}},
        {"label": "Nothing", "contrast": {"recipe": "[nli]", "targets": "absent"}},
    )
    claims = [{"test": {"recipe": "[nli]"}}, {"test": {"recipe": "[nli]", "is": "below"}}]
    page, again = (report(contents(THREE, study_of(spec(*claims, effects=effects), THREE))) for _ in range(2))
    assert page == again
    assert page.startswith("# Two sizes\n\nDoes it help?\n\n**Of 2 claims, ")
    heads = [line[3:] for line in page.splitlines() if line.startswith("## ")]
    assert heads == [
        "Results by target", "Claims", "Language by language", "Transfer gap", "Largest losses",
        "Do gains differ between backbones?",
        "Was the intermediate task learned?", "Method", "Limitations", "How to reproduce", "Background and references",
    ]  # fmt: skip
    answer = page[: page.index("## Results")]
    assert "Gain of \\[nli]: +1" in answer
    assert "In brackets: 95% intervals over worlds. p is for the hypothesis of no effect, corrected for" in answer
    assert "Gain on large: 0.0 points \\[0.0, 0.0], p 1.000." in answer
    assert "Interaction: they differ clearly (F(2, 4) =" in answer
    assert "Nothing: not measured (absent: no scores" in answer
    assert "- small: Yes: of 2 recipes, 1 gain clearly," in page
    assert "| small - huge |" in page
    assert f"The {len(SEEDS)} seeds share 3 constructed worlds" in page
    assert "- someone: Someone 2020." in page


def test_effects_in_points_are_drawn_with_both_intervals(tmp_path):
    effects = (
        {"label": "Gain & more", "contrast": {"recipe": "[nli]", "backbones": "small"}},
        {"label": "Each", "contrast": {"recipe": "[nli]", "each": "backbone"}},
        {"label": "Nothing", "contrast": {"recipe": "[nli]", "backbones": "large", "against": "[nli]"}},
        {"label": "Which differ", "contrast": {"kind": "interaction", "recipe": "[nli]"}},
        {"label": "Absent", "contrast": {"recipe": "[nli]", "targets": "absent"}},
    )
    write_study(THREE, study_of(spec(effects=effects), THREE), tmp_path / "page.md")
    assert "Two sizes: effects](page.svg)" in (tmp_path / "page.md").read_text()
    drawn = ElementTree.parse(tmp_path / "page.svg").getroot()
    words = [one.text for one in drawn.findall(".//{*}text")]
    labels = ["Gain & more", "Each, small", "Each, large", "Each, huge", "Nothing"]
    assert [word for word in words if word in labels] == labels
    dots = dict(zip(labels, drawn.findall(".//{*}circle"), strict=True))
    at = {label: float(dot.get("cx")) for label, dot in dots.items()}
    assert at["Each, huge"] < at["Nothing"] < at["Each, large"] < at["Each, small"] == at["Gain & more"]
    assert dots["Gain & more"].get("fill") != dots["Nothing"].get("fill")
    lines = [one for one in drawn.findall(".//{*}line") if one.get("stroke-width") == "3"]
    assert float(lines[0].get("x1")) <= at["Gain & more"] <= float(lines[0].get("x2"))


def test_languages_of_one_protocol_share_a_line_and_backbones_are_named_where_they_differ():
    def row(language, n, metric="accuracy", backbone="small"):
        said = f"topics | {language} | test | n={n} | metric={metric} | xstilts=0"
        return score("topics", language, 1, (backbone, "[]"), 50.0, n=n, signature=said, main=True), None

    rows = [row("en", 200), row("aa", 180), row("bb", 200), row("cc", 200, "f1")]
    assert list(protocols(SimpleNamespace(table=ScoreTable.of(rows)))) == [
        "topics: topics | en, aa, bb | test | n=180 to 200 | metric=accuracy | xstilts=0",
        "topics: topics | cc | test | n=200 | metric=f1 | xstilts=0",
    ]
    rows = [row("en", 200), row("en", 200, backbone="large"), row("en", 200, "f1", "huge")]
    assert list(protocols(SimpleNamespace(table=ScoreTable.of(rows)))) == [
        "topics: topics | en | test | n=200 | metric=accuracy | xstilts=0 (of small, large)",
        "topics: topics | en | test | n=200 | metric=f1 | xstilts=0 (of huge)",
    ]
