"""What the tables say about a small experiment whose gains are known."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from report_helpers import ABOUT, DESIGN, JOINT, QUICK, experiment
from synthetic_scores import Design, build, score

from xstilts.core.errors import XstiltsError
from xstilts.reports import About, Named, analyse
from xstilts.reports.analysis import ALL, MEAN, ZERO_SHOT
from xstilts.reports.cells import interval, points, share, signed
from xstilts.reports.contents import contents
from xstilts.reports.findings import findings, methods, verdict
from xstilts.reports.tables import gain_rows, intermediate_table, language_table, layer_tables, main_table
from xstilts.stats.estimates import family
from xstilts.stats.replicates import replicates
from xstilts.stats.series import combine
from xstilts.stats.table import Run, ScoreTable


@pytest.fixture(scope="module")
def analysis():
    return analyse(experiment(), ABOUT, QUICK)


def main(found, scope=ZERO_SHOT):
    return main_table(found, found.sections[0], scope)


def row(table, label):
    return next(row for row in table.rows if row.label == label)


def said(found):
    return [verdict(found, section) for section in found.sections]


def test_the_baseline_is_absolute_and_all_others_are_differences(analysis):
    table = main(analysis)
    assert [r.kind for r in table.rows] == ["baseline", "source", *["recipe"] * 3, *["control"] * 2, "chance"]
    assert [c.label for c in table.head] == ["recipe", "mean", "topics", "pairs"]
    base, gain, control = (row(table, label).cells[1] for label in ("[]", "[nli]", "random encoder"))
    assert base.value == pytest.approx(60, abs=5)
    assert (gain.value, gain.text[0]) == (pytest.approx(15, abs=5), "+")
    assert (control.value, control.text[0]) == (pytest.approx(-25, abs=5), "\u2212")
    assert row(table, "majority baseline").cells[1].text == "33.3"
    assert "3 seeds" in row(table, "[nli]").detail


def test_the_means_leave_out_the_source_language_or_include_it(analysis):
    assert analysis.languages["topics", ZERO_SHOT] == ("aa", "bb")
    assert analysis.languages["topics", ALL] == ("en", "aa", "bb")
    base, section = Run("small", "[]"), analysis.sections[0]
    scores = analysis.table.where(task="topics", recipe="[]", backbone="small", main=True)
    foreign = scores.where(language=("aa", "bb"))
    for scope, part in ((ZERO_SHOT, foreign), (ALL, scores)):
        found = analysis.finding(base, section, "topics", scope).absolute
        assert found.value == pytest.approx(np.mean([s.value for s in part.scores]))


def test_the_report_shows_what_the_statistics_say(analysis):
    section, base, tuned = analysis.sections[0], Run("small", "[]"), Run("small", "[nli]")
    series = []
    for task in ("topics", "pairs"):
        for run in section.every[1:]:
            ours, theirs = replicates(analysis.table, task).series([run, base], ["aa", "bb"])
            series.append((ours.minus(theirs), task))
    means = [(combine([series[i][0], series[i + 5][0]], QUICK), "") for i in range(5)]
    expected = family([one for one, _ in series + means], [group for _, group in series + means])[0]
    assert analysis.finding(tuned, section, "topics", ZERO_SHOT).gain == expected
    cell = row(main(analysis), "[nli]").cells[1]
    assert (cell.text, cell.detail) == (signed(expected.value), interval(expected))


def test_the_mean_over_targets_is_the_mean_of_their_gains(analysis):
    cells = row(main(analysis), "[nli]").cells
    assert cells[0].value == pytest.approx((cells[1].value + cells[2].value) / 2)


def test_flags_stand_beside_their_recipe(analysis):
    assert row(main(analysis), "[qa, nli]").badges == ("qa not learned (2 of 3 seeds)",)
    assert row(main(analysis), "[nli]").badges == ()


def test_languages_are_rows_in_the_given_order(analysis):
    table = language_table(analysis, analysis.sections[0], "topics")
    assert [r.label for r in table.rows] == ["English (en)", "Aa-ish (aa)", "Bb-ish (bb)"]
    labels = ["language", "[]", "[nli]", JOINT, "[qa, nli]", "random encoder", "English-only pretraining"]
    assert [c.label for c in table.head] == [*labels, "majority baseline"]
    gain = analysis.finding(Run("small", "[nli]"), analysis.sections[0], "topics", "aa").gain
    assert row(table, "Aa-ish (aa)").cells[1].text == signed(gain.value)


def test_a_gain_is_clear_only_if_the_corrected_p_is_small_and_its_interval_excludes_zero(analysis):
    found = analysis.finding(Run("small", "[nli]"), analysis.sections[0], "pairs", ZERO_SHOT)
    assert found.gain.clear
    for change in ({"p_table": 0.2}, {"p_table": None}, {"low": -1.0}):
        assert not replace(found.gain, **change).clear


def test_intermediate_scores_stand_against_the_majority_baseline(analysis):
    texts = [[cell.text for cell in r.cells] for r in intermediate_table(analysis).rows]
    assert texts[0] == ["nli", "72.0", "33.3", "+38.7", "learned"]
    assert texts[1][0::4] == ["qa", "not learned in 2 of 3"]
    assert intermediate_table(analyse(build(DESIGN, np.random.default_rng(0)), ABOUT, QUICK)) is None


def test_layer_sweeps_average_languages_and_seeds_and_keep_raw_and_centred_apart(analysis):
    raw, centred = layer_tables(analysis)
    assert [one.name for one in (raw, centred)] == [f"topics: accuracy by layer, {kind}" for kind in ("raw", "centred")]
    assert [(c.label, c.detail) for c in raw.head[1:]] == [("[]", ""), ("[nli]", ""), ("random encoder", "control")]
    cells = [(r.label, r.cells[0].text, r.cells[0].detail) for r in raw.rows]
    assert cells == [("0", "2.0", "1.0 to 3.0"), ("1", "12.0", "11.0 to 13.0"), ("2", "22.0", "21.0 to 23.0")]
    assert not any(layer.notes for layer in (raw, centred))


def test_the_verdict_counts_what_is_clear_and_names_the_best_with_its_interval(analysis):
    (sentence,) = said(analysis)
    best = analysis.finding(Run("small", "[nli]"), analysis.sections[0], "", ZERO_SHOT).gain
    assert sentence == (
        "Yes: of 3 recipes, 1 gain clearly, 1 lose clearly, 1 undecided; the best clear one, [nli], is at "
        f"{signed(best.value)} points {interval(best)} on the mean of 2 targets."
    )


def test_a_recipe_marked_as_control_stands_among_the_controls_and_is_counted_as_none():
    found = analyse(experiment(), replace(ABOUT, control_recipes=("[nli]",)), QUICK)
    (section,) = found.sections
    assert [run.recipe for run in section.runs] == ["[]", JOINT, "[qa, nli]"]
    assert (section.controls[0].recipe, section.controls[0].backbone) == ("[nli]", "small")
    assert said(found)[0].startswith(
        "Undecided: of 2 recipes, 0 gain clearly, 1 lose clearly, 1 undecided; the best, [qa, nli],"
    )
    gain = analyse(experiment(), ABOUT, QUICK).finding(section.controls[0], section, MEAN, ZERO_SHOT).gain
    text = "\n".join(findings(found))
    clear = "The control ‘[nli]’ is clearly above the baseline on 2 of 2 targets, clearly below on 0"
    assert f"{clear}: {signed(gain.value)} points {interval(gain)} on the mean." in text


def test_findings_are_counted_from_the_table(analysis):
    text = "\n".join(findings(analysis))
    assert "The interval of the baseline's zero-shot score is above the majority baseline on 2 of 2 targets;" in text
    assert (
        "Of 6 pairs of recipe and target, 2 gain clearly, 2 lose clearly, 2 undecided; largest gain: [nli] on" in text
    )
    assert "‘random encoder’ is clearly below the baseline on 2 of 2 targets" in text
    assert "Flagged as not learned: 2 runs" in text


@pytest.mark.parametrize(
    "gains, word",
    [
        ({"[]": 0.0, "[a]": 0.0, "[b]": 0.3}, "Undecided: of 2 recipes, 0 gain clearly, 0 lose clearly, 2 undecided"),
        ({"[]": 0.0, "[a]": -20.0}, "No: of 1 recipe, 0 gain clearly, 1 lose clearly, 0 undecided; [a] is at"),
        ({"[]": 0.0}, "Nothing to compare: no recipe other than [] is measured on topics; the baseline scores"),
    ],
)
def test_a_verdict_of_each_kind(gains, word):
    found = analyse(build(Design(gains, n=200), np.random.default_rng(3)), About("t", "q"), QUICK)
    assert said(found)[0].startswith(word)


@pytest.mark.parametrize("seeds", [(1,), (1, 2)])
def test_one_or_two_seeds_are_too_few_to_say(seeds):
    rows = tuple(row for row in experiment().rows if row.score.seed in seeds)
    found = analyse(ScoreTable(rows), replace(ABOUT, seeds=seeds), QUICK)
    assert said(found)[0].startswith(
        f"Too few seeds to say ({len(seeds)} of at least 3): of 3 recipes, the best, [nli]"
    )
    text = "\n".join(findings(found))
    assert "Too few seeds to say whether the baseline is above the majority baseline on topics, pairs." in text
    assert "gain clearly" not in text
    control = "is clearly below the baseline on 0 of 2 targets. Too few seeds to say on topics, pairs."
    assert f"‘random encoder’ {control}" in text
    assert not any(cell.clear for row in main(found).rows for cell in row.cells)


def test_a_target_without_training_is_judged_over_test_examples():
    rows = [
        row._replace(score=replace(row.score, stage=f"{row.score.backbone} {row.score.recipe}"))
        if row.score.task == "pairs"
        else row
        for row in experiment().rows
    ]
    text = "\n".join(findings(analyse(ScoreTable(tuple(rows)), ABOUT, QUICK)))
    assert re.search(
        r"On pairs the baseline is not trained and the same at every seed: [\d.]+ \[[\d.]+, [\d.]+\] over test "
        r"examples, an interval that is above the majority baseline of [\d.]+\.",
        text,
    )
    assert "is above the majority baseline on 1 of 1 target; each interval is 95%, not corrected" in text
    assert re.search(r"Without training the interval is over test examples: pairs −[\d.]+ \[.*\] points\.", text)
    assert "Too few seeds to say whether" not in text


def test_a_random_start_that_does_better_is_pointed_out():
    table = build(replace(DESIGN, extra={"random": 25.0, "english": 25.0}), np.random.default_rng(7))
    text = "\n".join(findings(analyse(table, ABOUT, QUICK)))
    assert (
        text.count("A random start does better than the pretrained one on topics, pairs: gains there say little") == 1
    )


def test_every_estimate_is_listed_for_the_csv(analysis):
    rows = list(gain_rows(analysis))
    assert len({tuple(r) for r in rows}) == 1
    gains = [r for r in rows if r["what"] == "difference" and r["recipe"] == "[nli]" and r["target"] == "topics"]
    assert {r["languages"] or r["language"] for r in gains} == {"zero-shot", "all", "transfer gap", "en", "aa", "bb"}


def test_a_missing_baseline_is_named_and_the_values_are_shown_as_they_are():
    table = experiment()
    found = analyse(ScoreTable(tuple(r for r in table.rows if r.run != Run("small", "[]"))), ABOUT, QUICK)
    cell = row(main(found), "[nli]").cells[1]
    assert (row(main(found), "[]").cells[1].value, cell.gain, cell.detail) == (None, False, "own value")
    assert "topics: no scores of recipe [] with small" in main(found).notes
    assert said(found) == ["Nothing to compare: no recipe other than [] is measured on the mean of 2 targets."]


def test_a_missing_language_or_target_or_recipe_is_a_named_gap():
    table = experiment()
    rest = ScoreTable(tuple(r for r in table.rows if not (r.run.recipe == "[nli]" and r.score.language == "bb")))
    about = replace(ABOUT, targets=(*ABOUT.targets, "later"), recipes=(*ABOUT.recipes, "[never]"))
    found = analyse(rest, about, QUICK)
    notes = main(found).notes
    assert "topics, pairs: without bb, not measured on both sides" in notes
    assert "later: not measured" in notes
    assert "topics: no scores of recipe [never] with small" in notes
    assert "no mean: later not measured" in notes
    assert row(language_table(found, found.sections[0], "topics"), "Bb-ish (bb)").cells[1].value is None


def test_a_single_score_makes_a_table_without_intervals():
    found = analyse(ScoreTable.of([score("t", "de", 1, ("m", "[]"), 50.0)]), About("t", "q"), QUICK)
    assert (main(found).rows[0].cells[0].text, main(found).rows[0].cells[0].detail) == ("50.0", "")


def test_what_was_measured_but_not_mentioned_is_shown_too():
    found = analyse(experiment(), About("t", "q", controls=ABOUT.controls), QUICK)
    assert found.about.targets == ("topics", "pairs")
    assert found.about.recipes == ABOUT.recipes
    assert [one.key for one in found.about.languages] == ["aa", "bb", "en"]
    assert [section.backbone for section in found.sections] == ["small"]


def test_a_control_stands_beside_its_own_backbone_or_says_whose_it_is():
    names = {
        "one (random encoder)": "random encoder",
        "one (English-only pretraining)": "English-only pretraining",
        "two (English-only pretraining)": "English-only pretraining",
    }
    about = About("t", "q", backbones=(Named("one"), Named("two"), Named("three")), controls=names)
    beside = {name: [about.control_label(c, name) for c in about.controls_beside(name)] for name in ("one", "two")}
    assert beside == {
        "one": ["random encoder", "English-only pretraining"],
        "two": ["random encoder of one", "English-only pretraining"],
    }
    assert [about.control_label(one, "three") for one in about.controls_beside("three")] == [
        "random encoder of one",
        "English-only pretraining of one",
        "English-only pretraining of two",
    ]
    assert [about.control_label(one) for one in names][:2] == ["random encoder", "English-only pretraining of one"]


def test_two_backbones_have_a_section_and_a_verdict_each_and_share_the_controls():
    other = build(replace(DESIGN, backbone="big", extra={}), np.random.default_rng(9))
    found = analyse(ScoreTable((*experiment().rows, *other.rows)), ABOUT, QUICK)
    assert [(s.backbone, len(s.controls)) for s in found.sections] == [("small", 2), ("big", 2)]
    assert [sentence.split(" of ")[0] for sentence in said(found)] == ["Small encoder: Yes:", "big: Yes:"]
    assert any(sentence.startswith("big: Of 6 pairs") for sentence in findings(found))


def test_nothing_to_report_is_said_clearly():
    with pytest.raises(XstiltsError, match="no scores of target tasks to report"):
        analyse(ScoreTable.of([]), ABOUT, QUICK)
    control = ScoreTable.of([score("t", "de", 1, ("random", "[]"), 50.0)])
    with pytest.raises(XstiltsError, match="only controls have scores"):
        analyse(control, About("t", "q", controls={"random": "random encoder"}), QUICK)


def test_numbers_are_written_one_way(analysis):
    assert [points(v) for v in (63.25, -0.04, -2.06, 0.0)] == ["63.2", "0.0", "−2.1", "0.0"]
    assert [signed(v) for v in (5.12, -0.04, 0.04, -2.06)] == ["+5.1", "0.0", "0.0", "−2.1"]
    one = analysis.finding(Run("small", "[nli]"), analysis.sections[0], "topics", ZERO_SHOT).absolute
    assert interval(replace(one, low=-1.0, high=2.0)) == "[−1.0, +2.0]"
    assert interval(replace(one, low=-1.0, high=120.0), sign=False) == "[0.0, 100.0]"
    assert interval(replace(one, low=None, high=None)) == ""
    assert [share(p) for p in (0.0001, 0.0412, 0.9999, 1.0, None)] == ["< .001", ".041", "> .999", "1.000", "–"]


def choosing() -> ScoreTable:
    """Retrieval at layers 0 to 2, whose main layer `bb` chose: 1 for the baseline, 2 or 1 for `[nli]`."""
    rows = []
    for recipe, layers in (("[]", (1, 1)), ("[nli]", (2, 1))):
        for seed, chosen in enumerate(layers, start=1):
            for language, value in (("aa", 40.0), ("bb", 80.0), ("cc", 60.0)):
                for layer in range(3):
                    variant = f"layer={layer} raw"
                    more = {"variant": variant, "main": layer == chosen, "chosen_on": language == "bb"}
                    rows.append(score("search", language, seed, ("small", recipe), value + layer, **more))
    return ScoreTable.of(rows)


def test_languages_that_chose_the_layer_are_marked_and_in_no_zero_shot_mean():
    found = analyse(choosing(), About("t", "q"), QUICK)
    assert found.languages["search", ZERO_SHOT] == ("aa", "cc")
    base = Run("small", "[]")
    for scope, value, note in ((ZERO_SHOT, 51, "without bb"), (ALL, 61, "with bb")):
        assert found.finding(base, found.sections[0], "search", scope).absolute.value == pytest.approx(value)
        assert f"search: {note}, on which its layer was chosen" in main(found, scope).notes
    assert main(found).head[1].detail.endswith("2 languages")
    badges = [r.badges for r in language_table(found, found.sections[0], "search").rows]
    assert badges == [(), ("chose the layer",), ()]
    assert "leaves out languages whose scores chose a target's layer" in methods(found)[1]
    (sweep,) = layer_tables(found)
    assert sweep.notes == ("the layer that enters means was chosen on bb, by each model for itself",)


def test_languages_that_a_target_was_trained_in_are_no_zero_shot_ones():
    found = analyse(choosing(), About("t", "q", source="aa", trained_in={"search": ("cc",)}), QUICK)
    assert found.languages["search", ZERO_SHOT] == ()
    elsewhere = analyse(choosing(), About("t", "q", source="aa", trained_in={"other": ("cc",)}), QUICK)
    assert elsewhere.languages["search", ZERO_SHOT] == ("cc",)


def test_an_intermediate_task_without_the_source_language_is_judged_on_the_mean_over_its_own():
    rows = [
        score("ner", language, seed, ("small", "[nli]"), value + seed, role="intermediate")
        for seed in (1, 2, 3)
        for language, value in (("ha", 70.0), ("sw", 40.0))
    ]
    found = analyse(ScoreTable((*experiment().rows, *ScoreTable.of(rows).rows)), ABOUT, QUICK)
    table = intermediate_table(found)
    (line,) = (r for r in table.rows if r.cells[0].text == "ner")
    assert (line.cells[0].detail, line.cells[1].text, line.cells[-1].text) == ("in ha, sw", "57.0", "learned")
    assert "measured in those it was trained in" in table.caption
    assert not any(flag.task == "ner" for flag in found.flags)


def test_a_report_of_an_unfinished_run_has_all_chapters_that_can_be_written():
    found = analyse(experiment(), replace(ABOUT, targets=("topics", "pairs", "not run yet")), QUICK)
    page = contents(found)
    assert "results" in [chapter.name for chapter in page.chapters]
    assert "choice" not in [chapter.name for chapter in page.chapters]
