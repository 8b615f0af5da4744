"""Transfer gap, groups of languages, distance, choice of a recipe, losses: what is known, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest
from report_samples import KNOWN, made

from xstilts.reports import analyse
from xstilts.reports.analysis import TRANSFER, Analysis
from xstilts.reports.contents import contents
from xstilts.reports.picks import choice, losses
from xstilts.reports.questions import distance, groups, transfer
from xstilts.stats.table import ScoreTable


@pytest.fixture(scope="module")
def analysis() -> Analysis:
    return made()


def cells(answer, table, label):
    return next(row for row in answer.tables[table].rows if row.label == label).cells


def test_the_transfer_gap_is_english_minus_the_others_and_recipes_change_it(analysis):
    found = transfer(analysis, analysis.sections[0])
    assert found.sentence.startswith("The baseline is 20.")
    assert "better in English than in other languages (mean of 2 targets)" in found.sentence
    assert (
        "of 2 recipes, 2 narrow it clearly, 0 widen it clearly, 0 undecided; the largest change: [a] −4.5 points"
        in found.sentence
    )
    mean_of_a, *_ = cells(found, 0, "[a]")
    assert mean_of_a.value == pytest.approx(-4.5, abs=0.1)
    assert {at.where for at in analysis.findings} >= {TRANSFER}


def test_groups_gain_against_all_languages_of_their_targets(analysis):
    found = groups(analysis, analysis.sections[0])
    by_family, by_resources = found.tables
    assert [row.label for row in by_family.rows] == ["Turkic", "Uralic"]
    assert [row.detail for row in by_resources.rows] == ["3 languages", "3 languages"]
    more, _ = cells(found, 0, "Uralic")
    assert more.detail.endswith("] 6/0/0")
    assert (more.clear, more.value) == (True, pytest.approx(1.5, abs=0.1))
    assert found.sentence.startswith(
        "Of 8 combinations, 2 gain clearly less than all languages of their targets, 2 gain"
    )
    assert "the largest difference: [a] in " in found.sentence


def test_the_slope_against_distance_is_told_by_recipe_and_target_with_a_figure(analysis):
    found = distance(analysis, analysis.sections[0])
    assert [one.value for one in cells(found, 0, "[a]")] == pytest.approx([-2.0, -2.0], abs=0.2)
    assert found.sentence.startswith("Of 4 combinations, 2 fall clearly with the distance from English, 0 rise clearly")
    assert found.svg.count("<path") == 4
    assert [f">{name}<" in found.svg for name in ("t1", "t2", "[a]")] == [True] * 3


def test_a_recipe_chosen_on_validation_data_is_judged_on_test_data_beside_the_best_there():
    told = {"[]": 70.0, "[a]": 71.0, "[b]": 72.0}
    validation = {
        ("small", r, t, s): v + (r == "[a]") * 3 * (t == "t2")
        for r, v in told.items()
        for t in ("t1", "t2")
        for s in (1, 2, 3)
    }
    analysis = made(replace(KNOWN, validation=validation))
    found = choice(analysis, analysis.sections[0])
    one, two = found.tables[0].rows
    assert [one.cells[0].text, one.cells[3].text] == ["[b]", "[a]"]
    assert [two.cells[0].text, two.cells[3].text] == ["[a]", "[a]"]
    assert "Recipes chosen on validation data in en gain +2." in found.sentence
    assert "on the mean of 2 targets" in found.sentence
    assert "they would seem to gain +4.5: 2.2 points more" in found.sentence
    even = {place: 72.0 if place[1] == "[a]" else value for place, value in validation.items()}
    tied = made(replace(KNOWN, validation=even))
    assert choice(tied, tied.sections[0]).tables[0].rows[0].cells[0].detail == "tied with [b]"
    del validation["small", "[a]", "t1", 1], validation["small", "[b]", "t1", 1], validation["small", "[]", "t1", 1]
    analysis = made(replace(KNOWN, validation=validation))
    assert [row.label for row in choice(analysis, analysis.sections[0]).tables[0].rows] == ["t2"]


def test_losses_name_languages_and_the_examples_that_went_wrong():
    about = replace(KNOWN, baseline="[a]")
    analysis = made(about, n=1000)
    found = losses(analysis, analysis.sections[0])
    first = found.tables[0].rows[0]
    assert (
        "counting each recipe, target and language; the largest loss: [] in Language l1 on t2 −7.0 points ["
        in found.sentence
    )
    assert [cell.text for cell in first.cells[:2]] == ["t2", "Language l1"]
    assert first.cells[3].text == "71 of 1000"
    names = first.cells[4].text.split(", ")
    assert set(names) <= {f"x{number}" for number in range(590, 680)}
    shown = replace(analysis, about=replace(about, texts=lambda *at: {names[0]: f"text in {' '.join(at)}"}))
    cell = losses(shown, shown.sections[0]).tables[0].rows[0].cells[4]
    assert cell.text == f"{names[0]}: text in t2 l1; {names[1]}: ; {names[2]}: "
    notes = [losses(one, one.sections[0]).tables[0].notes for one in (analysis, shown)]
    assert notes == [(), ("texts of t2: licence not known",)]
    licensed = replace(shown, about=replace(shown.about, licences={"t2": "CC BY 4.0"}))
    notes = losses(licensed, shown.sections[0]).tables[0].notes
    assert notes == ("texts of t2: licence CC BY 4.0",)


def test_what_is_not_known_is_left_out_and_two_seeds_are_too_few(analysis):
    bare = made(replace(KNOWN, distances="", languages=()))
    section = bare.sections[0]
    assert [question(bare, section) for question in (groups, distance, choice)] == [None] * 3
    names = {chapter.name for chapter in contents(bare).chapters}
    assert not names & {"groups", "distance", "choice"}
    assert {"transfer", "losses"} <= names
    two = made(seeds=2)
    told = [question(two, two.sections[0]).sentence for question in (transfer, groups, distance)]
    assert ["too few seeds to say" in one.lower() for one in told] == [True] * 3
    alone = analyse(ScoreTable(tuple(row for row in analysis.table.rows if row.score.language != "en")), KNOWN)
    assert transfer(alone, alone.sections[0]) is None
