"""The written report: complete, self-contained, the same every time, and safe with any label."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from report_helpers import ABOUT, DESIGN, JOINT, QUICK, experiment, parsed, write_report
from synthetic_scores import build

from xstilts.core.errors import ConfigError
from xstilts.core.scores import Score
from xstilts.reports import analyse, plain_report
from xstilts.reports.contents import contents
from xstilts.reports.figures import shade, ticks
from xstilts.reports.latex import text
from xstilts.reports.terminal import table as terminal_table
from xstilts.reports.write import converter, write_pdfs
from xstilts.stats.table import COLUMNS, ScoreTable

FILES = [
    "estimates.csv", "forest.svg", "heatmap.svg", "index.html", "report.md", "scores.csv", "scores.parquet",
    "tables.tex", "topics-accuracy-by-layer-centred.svg", "topics-accuracy-by-layer-raw.svg",
]  # fmt: skip


@pytest.fixture(scope="module")
def analysis():
    return analyse(experiment(), ABOUT, QUICK)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    directory = tmp_path_factory.mktemp("report")
    assert write_report(experiment(), ABOUT, directory) == directory / "index.html"
    return directory


def tables(analysis, kinds):
    return [
        t for chapter in contents(analysis).chapters for b in chapter.blocks for t in b.tables if b.kind in kinds
    ]  # fmt: skip


def test_the_page_holds_the_answer_every_chapter_and_every_table(folder, analysis):
    page = parsed((folder / "index.html").read_text())
    found = contents(analysis)
    shown = tables(analysis, ("table", "gains"))
    assert page.counts["table"] == len(shown) == 7
    for table in shown:
        assert table.caption in page.text
        for row in table.rows:
            assert all(part in page.text for cell in row.cells for part in (cell.marked, cell.detail))
            assert all(badge in page.text for badge in row.badges)
    assert found.answer[0] in page.text
    assert all(chapter.title in page.text for chapter in found.chapters)
    for said in ("72.0", "qa not learned (2 of 3 seeds)", "Second <paragraph> & more.", "Small models only."):
        assert said in page.text


def test_the_page_carries_what_is_known_by_language_as_data(folder, analysis):
    data = json.loads(re.search(r'id="data">(.*?)</script>', (folder / "index.html").read_text())[1])
    (model,), section = data["models"], analysis.sections[0]
    assert [run for run, _ in model["runs"]] == [analysis.label(run, "small") for run in section.every]
    assert [one[:2] for one in data["languages"]] == [["en", "English"], ["aa", "Aa-ish"], ["bb", "Bb-ish"]]
    found = analysis.finding(section.runs[1], section, "pairs", "bb")
    cell = model["cells"][data["tasks"].index("pairs")][2][1]
    ends = [found.absolute.value, found.absolute.low, found.absolute.high]
    assert cell[:6] == pytest.approx([*ends, found.gain.value, found.gain.low, found.gain.high], abs=0.051)
    assert (cell[6], cell[7]) == (2 if found.gain.clear else 1, pytest.approx(found.gain.per_seed, abs=0.051))


def test_the_page_needs_nothing_from_outside(folder):
    html = (folder / "index.html").read_text()
    assert not re.findall(r"(?:https?:)?//[a-z0-9.-]+\.[a-z]+", html)
    links = [value for _, name, value in parsed(html).attributes if name in ("href", "src")]
    assert links
    assert all(link.startswith("#") or (folder / link).exists() for link in links)
    targets = {value for _, name, value in parsed(html).attributes if name == "id"}
    assert all(link[1:] in targets for link in links if link.startswith("#"))


def test_markdown_and_latex_hold_the_same_numbers_in_tables_that_are_whole(folder, analysis):
    markdown, tex = ((folder / name).read_text() for name in ("report.md", "tables.tex"))
    plain = markdown.replace("\\[", "[").replace("**", "")
    for table in tables(analysis, ("table", "gains", "languages")):
        assert table.caption in plain
        in_words = any(column.words for column in table.head)
        for row in table.rows:
            assert all(cell.marked in plain for cell in row.cells)
            assert all(cell.detail in plain for cell in row.cells)
            said = [row.label, *row.badges, *(word for cell in row.cells for word in (cell.text, cell.detail))]
            assert in_words or all(text(one).removeprefix("{}") in tex for one in (*said, *table.notes))
    for lines in re.findall(r"(?:^\|.*\n)+", markdown, re.MULTILINE):
        assert len({line.count("|") for line in lines.splitlines()}) == 1
    assert max(line.count("|") for line in markdown.splitlines()) <= 14
    assert tex.count("\\toprule") == tex.count("\\bottomrule") == tex.count("\\begin{tabular}") > 5


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="pdflatex is not installed")
def test_latex_compiles(folder, tmp_path):
    source = (folder / "tables.tex").read_text()
    (packages,) = re.findall("^% (.*)$", source, re.MULTILINE)
    (tmp_path / "all.tex").write_text(
        f"\\documentclass{{article}}{packages}\\begin{{document}}{source}\\end{{document}}"
    )
    command = ["pdflatex", "-interaction=batchmode", "-halt-on-error", "all.tex"]
    assert subprocess.run(command, cwd=tmp_path, stdout=subprocess.DEVNULL).returncode == 0, (
        tmp_path / "all.log"
    ).read_text()


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


def test_the_parquet_file_has_the_columns_and_rows_of_the_csv_file(folder, analysis):
    table = pq.read_table(folder / "scores.parquet")
    assert table.column_names == list(COLUMNS)
    assert ScoreTable.of(Score(**row) for row in table.to_pylist()).scores == analysis.table.scores
    ScoreTable(()).to_parquet(folder / "none")
    empty = pq.read_table(folder / "none")
    (folder / "none").unlink()
    assert (empty.num_rows, empty.schema) == (0, table.schema)


def test_figures_as_pdf_have_the_colours_and_words_of_the_svg_files(folder, tmp_path):
    pytest.importorskip("cairosvg", reason="CairoSVG is not installed: pip install 'xstilts[pdf]'")
    shutil.copytree(folder, tmp_path / "report")
    made = write_pdfs(tmp_path / "report", converter())
    assert [one.name for one in made] == [Path(name).stem + ".pdf" for name in FILES if name.endswith(".svg")]
    assert all(one.read_bytes().startswith(b"%PDF-") for one in made)
    if not (shutil.which("pdftotext") and shutil.which("pdftoppm") and shutil.which("rsvg-convert")):
        pytest.skip("poppler and rsvg-convert compare PDF and SVG")
    heatmap = tmp_path / "report/heatmap.pdf"
    words = subprocess.run(["pdftotext", heatmap, "-"], check=True, capture_output=True, text=True).stdout
    assert all(part in words for part in ("[nli]", "topics", "majority baseline", "\u2013"))
    subprocess.run(["pdftoppm", "-png", "-r", "96", "-singlefile", heatmap, tmp_path / "pdf"], check=True)
    subprocess.run(["rsvg-convert", folder / "heatmap.svg", "-o", tmp_path / "svg.png"], check=True)
    image = pytest.importorskip("PIL.Image", reason="Pillow reads the pictures")
    pdf, svg = (np.asarray(image.open(tmp_path / name).convert("RGB"), dtype=float) for name in ("pdf.png", "svg.png"))
    assert np.abs(np.subtract(pdf.shape, svg.shape)).max() <= 1
    tall, wide = np.minimum(pdf.shape, svg.shape)[:2]
    pdf, svg = pdf[:tall, :wide], svg[:tall, :wide]
    assert np.abs(pdf - svg).mean() < np.abs(255 - svg).mean() / 2, "another picture"


def test_pdf_without_its_library_is_refused_in_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "cairosvg", None)
    with pytest.raises(ConfigError, match=r"^--pdf needs CairoSVG and cairo \(.*\): pip install 'xstilts\[pdf\]'$"):
        converter()


def test_figures_are_well_formed_files_in_colours_of_their_own(folder):
    assert sorted(path.name for path in folder.iterdir()) == FILES
    for path in folder.glob("*.svg"):
        root = ET.fromstring(path.read_text())
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert (root.get("role"), bool(root.get("aria-label"))) == ("img", True)
        assert "var(" not in path.read_text()
        drawn = [e for e in root.iter() if e.tag.rpartition("}")[2] in ("rect", "text", "circle", "line", "path")]
        assert all(one.get("fill") or one.get("stroke") for one in drawn), "black outside of browsers"


@pytest.mark.skipif(not shutil.which("rsvg-convert"), reason="rsvg-convert is not installed")
def test_figures_have_their_colours_in_a_viewer_that_is_no_browser(folder, tmp_path):
    """Style sheets with variables drew cells, lines and words in black."""
    subprocess.run(["rsvg-convert", folder / "heatmap.svg", "-o", tmp_path / "plot.png"], check=True)
    image = pytest.importorskip("PIL.Image", reason="Pillow reads the picture")
    pixels = image.open(tmp_path / "plot.png").convert("RGB").getcolors(100_000)
    colours = {colour for count, colour in pixels if count > 500}
    assert (29, 90, 148) in colours
    assert (0, 0, 0) not in colours


def test_the_same_scores_give_the_same_bytes_in_another_process_and_without_torch(folder, tmp_path):
    program = (
        "import sys; from pathlib import Path; from report_helpers import *\n"
        "write_report(experiment(), ABOUT, Path(sys.argv[1])); assert 'torch' not in sys.modules"
    )
    here = Path(__file__).parent
    paths = os.pathsep.join([str(here), str(here.parent / "stats"), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": paths}
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True, env=environment)
    assert sorted(path.name for path in tmp_path.iterdir()) == FILES
    for name in FILES:
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes(), name


def test_no_task_language_or_recipe_is_known_to_the_report(tmp_path):
    design = replace(DESIGN, gains={"nothing": 0.0, "x": 3.0}, tasks=("t1",), languages=("q1", "q2"), extra={})
    about = replace(ABOUT, recipes=(), targets=(), languages=(), controls={}, baseline="nothing", source="q1")
    write_report(build(design, np.random.default_rng(0)), about, tmp_path)
    text = parsed((tmp_path / "index.html").read_text()).text
    assert "no control with a weaker start" in text
    assert "zero-shot mean leaves out q1" in text


def test_two_backbones_have_figures_of_their_own(tmp_path):
    other = build(replace(DESIGN, backbone="big/er", extra={}), np.random.default_rng(9))
    write_report(ScoreTable((*experiment().rows, *other.rows)), ABOUT, tmp_path)
    names = {path.name for path in tmp_path.glob("*.svg")}
    assert {"forest-small.svg", "forest-big-er.svg", "heatmap-small.svg", "heatmap-big-er.svg"} <= names
    parsed((tmp_path / "index.html").read_text())


def test_colours_are_centred_at_zero_and_ticks_are_round():
    assert shade(0.0, 10) == shade(0.9, 10) == shade(-0.9, 10) == "z"
    assert [shade(v, 10) for v in (2, 10, 40, -2, -10)] == ["p1", "p5", "p5", "n1", "n5"]
    assert ticks(-26.3, -10.1) == [-30, -20, -10, 0]
    assert ticks(0.3, 4.1) == [0, 1, 2, 3, 4, 5]
    assert ticks(0, 0) == [0, 0.1]


@pytest.mark.parametrize("width", [80, 100])
def test_the_plain_report_fits_and_says_the_answer_first(analysis, width):
    lines = plain_report(analysis, width).splitlines()
    assert max(map(len, lines)) <= width
    assert lines[0] == ABOUT.question
    assert lines[1].startswith("Yes: of 3 recipes, ")
    assert "! [qa, nli]: qa not learned (2 of 3 seeds)" in lines
    assert any(line.startswith("* Of 6 pairs") for line in lines)
    assert [line.split()[0] for line in lines if line.startswith("[nli]")] == ["[nli]"]


@pytest.mark.parametrize("targets, blocks", [(2, 1), (10, 2), (40, 6)])
def test_targets_that_do_not_fit_beside_each_other_stand_in_blocks(analysis, targets, blocks):
    design = replace(DESIGN, tasks=tuple(f"target{n}" for n in range(targets)), n=20)
    about = replace(ABOUT, targets=design.tasks)
    found = analyse(build(design, np.random.default_rng(0)), about, QUICK)
    lines = terminal_table(contents(found).chapters[0].blocks[0].tables[0], 100)
    assert max(map(len, lines)) <= 100
    assert len([line for line in lines if line.startswith(JOINT)]) == blocks
    heads = [word for line in lines if line[:1] == " " for word in line.split() if word.startswith("target")]
    assert heads == list(design.tasks)
