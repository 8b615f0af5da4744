"""What the tables say about a small experiment whose gains are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from report_helpers import ABOUT, DESIGN, JOINT, QUICK, experiment
from synthetic_scores import Design, build, score

from xstilts.core.errors import XstiltsError
from xstilts.reports import About, Named, analyse
from xstilts.reports.analysis import ALL, ZERO_SHOT
from xstilts.reports.cells import describe, interval, points, share, signed
from xstilts.reports.findings import findings
from xstilts.reports.layers import layer_table, panels
from xstilts.reports.markdown import report as markdown
from xstilts.reports.methods import methods
from xstilts.reports.tables import gain_rows, intermediate_table, language_table, main_table
from xstilts.stats.estimates import family
from xstilts.stats.replicates import replicates
from xstilts.stats.series import combine
from xstilts.stats.table import Run, ScoreTable


@pytest.fixture(scope="module")
def analysis():
    return analyse(experiment(), ABOUT, QUICK)


def row(table, label):
    return next(row for row in table.rows if row.label == label)


def test_the_baseline_is_absolute_recipes_are_gains_and_controls_are_both(analysis):
    table = main_table(analysis, analysis.sections[0], ZERO_SHOT)
    assert [r.kind for r in table.rows] == ["baseline", *["recipe"] * 3, *["control"] * 2, "chance"]
    assert [c.label for c in table.head] == ["recipe", "topics", "pairs", "mean"]
    base, gain, control = row(table, "[]").cells[0], row(table, "[nli]").cells[0], row(table, "random encoder").cells[0]
    assert base.value == pytest.approx(60, abs=5)
    assert gain.value == pytest.approx(15, abs=5)
    assert gain.text.startswith("+")
    assert control.value == pytest.approx(35, abs=5)
    assert control.detail.startswith("−2")
    assert row(table, "best constant answer").cells[0].text == "33.3"
    assert "3 seeds" in row(table, "[nli]").detail


def test_the_means_leave_out_the_source_language_or_include_it(analysis):
    assert analysis.languages["topics", ZERO_SHOT] == ("aa", "bb")
    assert analysis.languages["topics", ALL] == ("en", "aa", "bb")
    base = Run("small", "[]")
    found = analysis.finding(base, base, "topics", ZERO_SHOT).absolute
    scores = [s.value for s in analysis.table.where(task="topics", recipe="[]", backbone="small", main=True).scores]
    foreign = analysis.table.where(task="topics", recipe="[]", backbone="small", main=True, language=("aa", "bb"))
    assert found.value == pytest.approx(np.mean([s.value for s in foreign.scores]))
    assert analysis.finding(base, base, "topics", ALL).absolute.value == pytest.approx(np.mean(scores))


def test_the_report_shows_what_the_statistics_say(analysis):
    base, tuned = Run("small", "[]"), Run("small", "[nli]")
    series = []
    for task in ("topics", "pairs"):
        for run in (*analysis.sections[0].runs[1:], *analysis.sections[0].controls):
            ours, theirs = replicates(analysis.table, task).series([run, base], ["aa", "bb"])
            series.append((ours.minus(theirs), task))
    means = [(combine([series[i][0], series[i + 5][0]], QUICK), "") for i in range(5)]
    expected = family([one for one, _ in series + means], [group for _, group in series + means])[0]
    assert analysis.finding(tuned, base, "topics", ZERO_SHOT).gain == expected
    cell = row(main_table(analysis, analysis.sections[0], ZERO_SHOT), "[nli]").cells[0]
    assert cell.text == signed(expected.value)
    assert cell.detail.startswith(interval(expected.low, expected.high, True))
    assert describe(expected, True, 0.95) in cell.note


def test_only_the_best_clear_gain_of_a_column_is_marked(analysis):
    table = main_table(analysis, analysis.sections[0], ZERO_SHOT)
    assert [r.label for r in table.rows if r.cells[0].strong] == ["[nli]"]
    assert row(table, JOINT).cells[0].clear
    assert not row(table, JOINT).cells[0].strong


def test_without_a_clear_gain_nothing_is_marked():
    design = Design({"[]": 0.0, "[a]": 0.0, "[b]": 0.3}, n=60)
    found = analyse(build(design, np.random.default_rng(3)), About("t", "q"), QUICK)
    table = main_table(found, found.sections[0], ZERO_SHOT)
    assert not any(cell.strong for r in table.rows for cell in r.cells)


def test_the_mean_over_targets_is_the_mean_of_their_gains(analysis):
    cells = row(main_table(analysis, analysis.sections[0], ZERO_SHOT), "[nli]").cells
    assert cells[2].value == pytest.approx((cells[0].value + cells[1].value) / 2)


def test_flags_stand_beside_their_recipe(analysis):
    table = main_table(analysis, analysis.sections[0], ZERO_SHOT)
    assert row(table, "[qa, nli]").badges == ("qa not learned (2 of 3 seeds)",)
    assert row(table, "[nli]").badges == ()


def test_the_language_table_has_a_column_per_language_in_the_given_order(analysis):
    table = language_table(analysis, analysis.sections[0], "topics")
    assert [c.label for c in table.head] == ["recipe", "English", "Aa-ish", "Bb-ish"]
    assert "corrected for the table" in row(table, "[nli]").cells[1].note


def test_a_gain_is_clear_only_if_the_corrected_p_is_small_and_its_interval_excludes_zero(analysis):
    found = analysis.finding(Run("small", "[nli]"), Run("small", "[]"), "pairs", ZERO_SHOT)
    assert found.clear
    for change in ({"p_table": 0.2}, {"p_table": None}, {"low": -1.0}):
        assert not replace(found, gain=replace(found.gain, **change)).clear


def test_intermediate_scores_stand_against_their_constant_answer(analysis):
    table = intermediate_table(analysis)
    texts = [[cell.text for cell in r.cells] for r in table.rows]
    assert texts[0] == ["nli", "72.0", "33.3", "+38.7", "learned"]
    assert texts[1][0::4] == ["qa", "not learned in 2 of 3"]
    assert intermediate_table(analyse(build(DESIGN, np.random.default_rng(0)), ABOUT, QUICK)) is None


def test_layer_curves_average_languages_and_seeds_and_keep_raw_and_centred_apart(analysis):
    found = panels(analysis)
    assert [(p.target, p.kind, p.layers) for p in found] == [
        ("topics", "raw", [0, 1, 2]),
        ("topics", "centred", [0, 1, 2]),
    ]
    assert found[0].curves[0].values == ((0, 2.0, 1.0, 3.0), (1, 12.0, 11.0, 13.0), (2, 22.0, 21.0, 23.0))
    assert [(c.label, c.is_control) for c in found[0].curves] == [
        ("[]", False),
        ("[nli]", False),
        ("random encoder", True),
    ]
    assert layer_table(found[0]).rows[0].cells[1].text == "12.0"


def test_findings_are_counted_from_the_table(analysis):
    text = "\n".join(findings(analysis))
    assert "above the best constant answer by their intervals on 2 of 2 targets" in text
    assert "Of 6 pairs of recipe and target, 2 show a clear gain over [], 2 a clear loss, and 2 neither." in text
    assert "‘random encoder’ is clearly below the baseline on 2 of 2 targets" in text
    assert "Flagged as not learned: 2 runs" in text


def test_one_seed_is_too_few_to_say():
    rows = tuple(row for row in experiment().rows if row.score.seed == 1)
    found = analyse(ScoreTable(rows), replace(ABOUT, seeds=(1,)), QUICK)
    text = "\n".join(findings(found))
    assert "Too few seeds to say: 6 of 6 pairs of recipe and target." in text
    assert "show a clear gain" not in text
    assert "are above the best constant answer by" not in text
    assert "are above the best constant answer on topics, pairs." in text
    said = "is clearly below the baseline on 0 of 2 targets. Too few seeds or models to say on topics, pairs."
    assert f"‘random encoder’ {said}" in text
    assert not any(cell.clear for row in main_table(found, found.sections[0], ZERO_SHOT).rows for cell in row.cells)


def test_every_estimate_is_listed_for_the_csv(analysis):
    rows = list(gain_rows(analysis))
    assert len({tuple(rows[0])} | {tuple(r) for r in rows}) == 1
    gains = [r for r in rows if r["what"] == "difference" and r["recipe"] == "[nli]" and r["target"] == "topics"]
    assert {r["languages"] or r["language"] for r in gains} == {"zero-shot", "all", "en", "aa", "bb"}


def test_a_missing_baseline_is_named_and_the_values_are_shown_as_they_are():
    table = experiment()
    rest = ScoreTable(tuple(r for r in table.rows if r.run != Run("small", "[]")))
    found = analyse(rest, ABOUT, QUICK)
    main = main_table(found, found.sections[0], ZERO_SHOT)
    assert row(main, "[]").cells[0].kind == "gap"
    cell = row(main, "[nli]").cells[0]
    assert (cell.kind, cell.detail) == ("absolute", "own value en 75.8")
    assert "topics: no scores of recipe [] with small" in main.notes
    assert findings(found)[0].startswith("Flagged")


def test_a_missing_language_or_target_or_recipe_is_a_named_gap():
    table = experiment()
    rest = ScoreTable(tuple(r for r in table.rows if not (r.run.recipe == "[nli]" and r.score.language == "bb")))
    about = replace(ABOUT, targets=(*ABOUT.targets, "later"), recipes=(*ABOUT.recipes, "[never]"))
    found = analyse(rest, about, QUICK)
    main = main_table(found, found.sections[0], ZERO_SHOT)
    assert "without bb, not measured on both sides" in main.notes
    assert "later: not measured" in main.notes
    assert "topics: no scores of recipe [never] with small" in main.notes
    assert "no mean: later not measured" in main.notes
    languages = language_table(found, found.sections[0], "topics")
    assert row(languages, "[nli]").cells[2].kind == "gap"


def test_one_seed_gives_intervals_over_examples_alone():
    found = analyse(experiment().where(seed=1), replace(ABOUT, seeds=(1,)), QUICK)
    main = main_table(found, found.sections[0], ZERO_SHOT)
    cell = row(main, "[nli]").cells[0]
    assert "interval" in cell.note
    assert "over examples" in cell.note
    assert "t interval" not in cell.note
    assert row(main, "[nli]").detail == "1 seed"


def test_a_single_score_makes_a_table_without_intervals():
    found = analyse(ScoreTable.of([score("t", "de", 1, ("m", "[]"), 50.0)]), About("t", "q"), QUICK)
    main = main_table(found, found.sections[0], ZERO_SHOT)
    assert (main.rows[0].cells[0].text, main.rows[0].cells[0].detail) == ("50.0", "")


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


def test_two_backbones_have_a_section_each_and_share_the_controls():
    other = build(replace(DESIGN, backbone="big", extra={}), np.random.default_rng(9))
    found = analyse(ScoreTable((*experiment().rows, *other.rows)), ABOUT, QUICK)
    assert [(s.backbone, len(s.controls)) for s in found.sections] == [("small", 2), ("big", 2)]
    assert any(sentence.startswith("big: Of 6 pairs") for sentence in findings(found))


def test_nothing_to_report_is_said_clearly():
    with pytest.raises(XstiltsError, match="no scores of target tasks to report"):
        analyse(ScoreTable.of([]), ABOUT, QUICK)
    control = ScoreTable.of([score("t", "de", 1, ("random", "[]"), 50.0)])
    with pytest.raises(XstiltsError, match="only controls have scores"):
        analyse(control, About("t", "q", controls={"random": "random encoder"}), QUICK)


def test_numbers_are_written_one_way():
    assert [points(v) for v in (63.25, -0.04, -2.06, 0.0)] == ["63.2", "0.0", "−2.1", "0.0"]
    assert [signed(v) for v in (5.12, -0.04, 0.04, -2.06)] == ["+5.1", "0.0", "0.0", "−2.1"]
    assert interval(-1.0, 2.0, True) == "[−1.0, +2.0]"
    assert interval(None, None, True) == ""
    assert [share(p) for p in (0.0001, 0.0412, 1.0)] == ["< .001", "= .041", "= 1.000"]


def choosing() -> ScoreTable:
    """Retrieval at layers 0 to 2, whose main layer `bb` chose: 1 for the baseline, 2 or 1 for `[nli]`."""
    rows = []
    for recipe, layers in (("[]", (1, 1)), ("[nli]", (2, 1))):
        for seed, main in enumerate(layers, start=1):
            for language, value in (("aa", 40.0), ("bb", 80.0), ("cc", 60.0)):
                for layer in range(3):
                    variant = f"layer={layer} raw"
                    more = {"variant": variant, "main": layer == main, "chosen_on": language == "bb"}
                    rows.append(score("search", language, seed, ("small", recipe), value + layer, **more))
    return ScoreTable.of(rows)


def test_languages_that_chose_the_layer_are_marked_and_in_no_zero_shot_mean():
    found = analyse(choosing(), About("t", "q"), QUICK)
    assert found.languages["search", ZERO_SHOT] == ("aa", "cc")
    assert found.languages["search", ALL] == ("aa", "bb", "cc")
    base = Run("small", "[]")
    assert found.finding(base, base, "search", ZERO_SHOT).absolute.value == pytest.approx(51)
    assert found.finding(base, base, "search", ALL).absolute.value == pytest.approx(61)
    shown, whole = (main_table(found, found.sections[0], scope) for scope in (ZERO_SHOT, ALL))
    assert "search: without bb, on which its layer was chosen" in shown.notes
    assert "search: with bb, on which its layer was chosen" in whole.notes
    assert shown.head[1].detail.endswith("2 languages")
    details = [column.detail for column in language_table(found, found.sections[0], "search").head]
    assert details == ["", "", "chose the layer", ""]
    assert "leaves out languages whose scores chose a target's layer" in methods(found)[0]


def test_languages_that_a_target_was_trained_in_are_no_zero_shot_ones():
    found = analyse(choosing(), About("t", "q", source="aa", trained_in={"search": ("cc",)}), QUICK)
    assert found.languages["search", ZERO_SHOT] == ()
    elsewhere = analyse(choosing(), About("t", "q", source="aa", trained_in={"other": ("cc",)}), QUICK)
    assert elsewhere.languages["search", ZERO_SHOT] == ("cc",)


def test_the_layers_that_were_chosen_stand_below_their_curves():
    found = analyse(choosing(), About("t", "q"), QUICK)
    (panel,) = panels(found)
    assert panel.languages == ("aa", "cc")
    note = "layer chosen on bb, by each model for itself: [] 1; [nli] 2, 1 by seed"
    assert layer_table(panel).notes == (note,)
    assert note.replace("[", "\\[") in markdown(found)


def test_where_no_layer_was_chosen_nothing_is_said(analysis):
    assert "chosen" not in markdown(analysis).replace("chosen and", "")
    assert all(layer_table(panel).notes == () for panel in panels(analysis))


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
