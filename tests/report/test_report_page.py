"""The written report: complete, self-contained, the same every time, and safe with any label."""

from __future__ import annotations

import csv
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from report_helpers import ABOUT, DESIGN, JOINT, QUICK, experiment, parsed
from synthetic_scores import build

from xstilts.reports import Named, analyse, main_tables, plain, plain_report, rich_table, write_report
from xstilts.reports.analysis import ALL, ZERO_SHOT
from xstilts.reports.layers import layer_table, panels
from xstilts.reports.svg import heat_map, limit, shade
from xstilts.reports.tables import intermediate_table, language_table, main_table
from xstilts.stats.table import ScoreTable


@pytest.fixture(scope="module")
def analysis():
    return analyse(experiment(), ABOUT, QUICK)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    directory = tmp_path_factory.mktemp("report")
    assert write_report(experiment(), ABOUT, directory, QUICK) == directory / "index.html"
    return directory


def tables(analysis):
    section = analysis.sections[0]
    yield from (main_table(analysis, section, scope) for scope in (ZERO_SHOT, ALL))
    yield from (language_table(analysis, section, target) for target in analysis.about.targets)
    yield from map(layer_table, panels(analysis))
    yield intermediate_table(analysis)


def test_the_page_parses_and_holds_every_number_of_every_table(folder, analysis):
    page = parsed((folder / "index.html").read_text())
    assert page.counts["caption"] == page.counts["table"] == len(list(tables(analysis)))
    for table in tables(analysis):
        assert table.caption in page.text
        for row in table.rows:
            assert all(badge in page.text for badge in row.badges)
            for cell in row.cells:
                assert cell.text in page.text
                assert cell.detail in page.text
    for number in ("72.0", "qa not learned (2 of 3 seeds)", "Second <paragraph> & more.", "Small models only."):
        assert number in page.text


def test_the_page_needs_nothing_from_outside(folder):
    html = (folder / "index.html").read_text()
    assert not re.findall(r"(?:https?:)?//[a-z0-9.-]+\.[a-z]+", html)
    links = [value for _, name, value in parsed(html).attributes if name in ("href", "src")]
    assert links
    assert all(link.startswith("#") or (folder / link).exists() for link in links)
    targets = {value for _, name, value in parsed(html).attributes if name == "id"}
    assert all(link[1:] in targets for link in links if link.startswith("#"))


def test_markdown_holds_every_number_too(folder, analysis):
    text = (folder / "report.md").read_text().replace("\\[", "[").replace("**", "")
    for table in tables(analysis):
        for row in table.rows:
            assert all(cell.text in text and cell.detail in text for cell in row.cells)
    widths = [line.replace("\\|", "").count("|") for line in text.split("\n") if line.startswith("|")]
    assert set(widths) == {5, 7}  # four columns everywhere but in the intermediate tasks' table


def test_the_csv_files_hold_the_scores_and_the_estimates(folder, analysis):
    with (folder / "scores.csv").open(newline="", encoding="utf-8") as stream:
        assert len(list(csv.DictReader(stream))) == len(analysis.table)
    with (folder / "estimates.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    (gain,) = [
        r for r in rows
        if (r["recipe"], r["target"], r["languages"], r["what"]) == ("[nli]", "topics", "zero-shot", "difference")
    ]  # fmt: skip
    assert float(gain["low"]) < float(gain["value"]) < float(gain["high"])
    assert gain["seeds"] == "1 2 3"


def test_plots_are_well_formed_files_of_their_own(folder):
    names = sorted(path.name for path in folder.glob("*.svg"))
    assert names == ["heatmap-pairs.svg", "heatmap-topics.svg", "layers-topics-centred.svg", "layers-topics-raw.svg"]
    for name in names:
        root = ET.fromstring((folder / name).read_text())
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert root[0].tag.endswith("style")


def test_the_same_scores_give_the_same_bytes_in_another_process_and_without_torch(folder, tmp_path):
    program = (
        "import sys; from pathlib import Path; from report_helpers import *; from xstilts.reports import write_report\n"
        "write_report(experiment(), ABOUT, Path(sys.argv[1]), QUICK); assert 'torch' not in sys.modules"
    )
    here = Path(__file__).parent
    paths = os.pathsep.join([str(here), str(here.parent / "stats"), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": paths}
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True, env=environment)
    names = sorted(path.name for path in folder.iterdir())
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    for name in names:
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes(), name


def test_labels_of_any_kind_are_shown_as_they_are(tmp_path):
    design = replace(DESIGN, gains={"[]": 0.0, "[<b>|x|</b>]": 3.0}, tasks=('a "quoted"/task',), extra={})
    about = replace(
        ABOUT, title="<script>alert(1)</script>", recipes=(), targets=(), backbones=(Named("small", "a & b"),)
    )
    write_report(build(design, np.random.default_rng(0)), about, tmp_path, QUICK)
    page = parsed((tmp_path / "index.html").read_text())
    assert page.counts["script"] == 1
    assert page.counts["b"] == len(about.languages)
    assert "[<b>|x|</b>]" in page.text
    assert "<script>alert(1)</script>" in page.text
    assert "\\|x\\|" in (tmp_path / "report.md").read_text()
    assert (tmp_path / "heatmap-a-quoted-task.svg").exists()


def test_no_task_language_or_recipe_is_known_to_the_report(tmp_path):
    design = replace(DESIGN, gains={"nothing": 0.0, "x": 3.0}, tasks=("t1",), languages=("q1", "q2"), extra={})
    about = replace(ABOUT, recipes=(), targets=(), languages=(), controls={}, baseline="nothing", source="q1")
    write_report(build(design, np.random.default_rng(0)), about, tmp_path, QUICK)
    text = parsed((tmp_path / "index.html").read_text()).text
    assert "no controls" in text
    assert "zero-shot mean leaves out q1" in text


def test_two_backbones_have_plots_of_their_own(tmp_path):
    other = build(replace(DESIGN, backbone="big", extra={}), np.random.default_rng(9))
    write_report(ScoreTable((*experiment().rows, *other.rows)), ABOUT, tmp_path, QUICK)
    names = {path.name for path in tmp_path.glob("heatmap-*.svg")}
    assert {"heatmap-topics-small.svg", "heatmap-topics-big.svg"} <= names
    parsed((tmp_path / "index.html").read_text())


def test_colours_are_centred_at_zero_and_symmetric():
    assert shade(0.0, 10) == shade(0.9, 10) == shade(-0.9, 10) == "z"
    assert [shade(v, 10) for v in (2, 10, 40, -2, -10)] == ["p1", "p5", "p5", "n1", "n5"]
    assert [limit(v) for v in ([], [0.2], [-7.2], [101.0])] == [1, 1, 8, 100]


def test_the_heat_map_prints_each_value_in_its_cell(analysis):
    table = language_table(analysis, analysis.sections[0], "topics")
    svg = heat_map(table)
    for row in table.rows:
        for cell in row.cells:
            assert f">{cell.text}" in svg


def test_the_plain_table_has_aligned_columns_and_flags_below(analysis):
    lines = plain(main_tables(analysis)[0]).split("\n")
    assert lines[0].startswith("recipe (before the target)")
    assert len({len(line) for line in lines[:7]}) == 1
    assert "! [qa, nli]: qa not learned (2 of 3 seeds)" in lines
    report = plain_report(analysis)
    assert "\x1b" not in report
    assert "* Of 6 pairs" in report


def test_the_rich_table_never_reads_a_label_as_markup(analysis):
    from rich.console import Console

    console = Console(width=140, record=True, file=open(os.devnull, "w"))  # noqa: PTH123, SIM115
    with console.file:
        console.print(rich_table(main_tables(analysis)[0]))
        text = console.export_text()
    for label in ("[]", "[nli]", JOINT, "random encoder", "! qa not learned"):
        assert label in text
