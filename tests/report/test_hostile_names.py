"""Names that a browser, a Markdown reader, a spreadsheet or a terminal would take for something else."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from report_helpers import ABOUT, parsed, write_report
from synthetic_scores import Design, build

from xstilts.cli.output import show
from xstilts.core.errors import DataError, shown
from xstilts.reports import Named
from xstilts.reports.markdown import coded, plain, without_tags
from xstilts.stats.table import csv_text

EVIL = "</script></title><img src=x onerror=alert(1)>\"'`|\\|&amp;[a](javascript:alert(1))"
RECIPES = {"[]": 0.0, f"=1+1 {EVIL}": 5.0, f"@SUM(A1) ``` {EVIL}": -5.0, "[plain]": 2.0}
DESIGN = Design(RECIPES, tasks=("topics", "pairs"), languages=("en", "aa", "bb"), n=100, extra={EVIL: -25.0})
LANGUAGES = (Named("en", f"English {EVIL}"), Named("aa", f"=cmd {EVIL}", EVIL), Named("bb", EVIL))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory):
    about = replace(
        ABOUT,
        title=EVIL,
        question=EVIL,
        description=f"{EVIL}\n\n{EVIL}",
        backbones=(Named("small", EVIL, EVIL),),
        recipes=tuple(RECIPES),
        languages=LANGUAGES,
        controls={EVIL: f"random {EVIL}"},
        command=f"xstilts {EVIL}",
        limitations=(EVIL,),
    )
    folder = tmp_path_factory.mktemp("report")
    write_report(build(DESIGN, np.random.default_rng(7)), about, folder)
    return folder


def test_the_page_has_no_element_of_a_name(folder):
    html = (folder / "index.html").read_text()
    page = parsed(html)
    assert "img" not in page.counts
    assert page.counts["script"] == html.count("</script>") == 2
    assert page.text.count("<img src=x onerror=alert(1)>") > 10
    handlers = [name for _, name, _ in page.attributes if name.startswith("on")]
    links = [value for _, name, value in page.attributes if name == "href" and "javascript" in str(value)]
    assert (handlers, links) == ([], [])


def test_plots_are_well_formed_whatever_the_names(folder):
    plots = list(folder.glob("*.svg"))
    assert plots
    for path in plots:
        names = {element.tag.rpartition("}")[2] for element in ElementTree.fromstring(path.read_text()).iter()}
        assert not names & {"img", "script", "a", "foreignObject"}


def test_markdown_has_no_html_and_whole_tables(folder):
    text = (folder / "report.md").read_text()
    outside = re.sub(r"^```.*?^```$|(?<![`\\])(`+)(?!`)[^\n]*?(?<!`)\1(?!`)", "", text, flags=re.MULTILINE | re.DOTALL)
    assert not re.search(r"<[A-Za-z/!?]", outside)
    assert "&lt;img src=x" in text
    tables = re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
    assert tables
    for lines in tables:
        cells = {len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) for line in lines.splitlines()}
        assert len(cells) == 1, lines


def test_no_cell_of_a_csv_file_is_a_formula(folder):
    for name in ("scores.csv", "estimates.csv"):
        with (folder / name).open(newline="", encoding="utf-8") as stream:
            rows = list(csv.reader(stream))
        cells = [cell for row in rows for cell in row]
        assert any(cell.startswith("'=1+1") for cell in cells)
        assert [cell for cell in cells if cell[:1] in "=+@\t\r" and cell] == []
        assert all(float(cell) < 0 for cell in cells if cell.startswith("-"))


def test_csv_text_keeps_numbers_and_marks_formulas():
    text = csv_text(["a", "b"], [{"a": -0.5, "b": "-0.5"}, {"a": None, "b": "\t=1"}, {"a": "plain", "b": "+x\n=y"}])
    assert list(csv.reader(io.StringIO(text))) == [
        ["a", "b"], ["-0.5", "'-0.5"], ["", "'\t=1"], ["plain", "'+x\n=y"]
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("p < .05 and <b>", "p < .05 and &lt;b>"),
        ("`<b>` and <b>", "`<b>` and &lt;b>"),
        ("``<b>`<b>", "``&lt;b>`&lt;b>"),
        ("\\`<b>`", "\\`&lt;b>`"),
        ("```\n<b>\n```\n<!-- x", "```\n<b>\n```\n&lt;!-- x"),
    ],
)
def test_tags_outside_code_are_text(text: str, made: str):
    assert without_tags(text) == made


def test_code_and_pipes():
    assert (coded("[nli]"), coded("a`b``c")) == ("`[nli]`", "``` a`b``c ```")
    assert plain("a|b\\|c") == "a\\|b\\\\\\|c"


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("\x1b[2J\x1b]0;title\x07", "\\x1b[2J\\x1b]0;title\\x07"),
        ("two\nlines\r\n\u2028", "two lines \\u2028"),
        ("a\x9b31mb\u202ec\ud800", "a\\x9b31mb\\u202ec\\ud800"),
        ("naïve\tक्‍ष 👩‍💻 \u00a0", "naïve\tक्‍ष 👩‍💻 \u00a0"),
        ("https://ann:p@ss@host/x@1 hf_abcdefghijklmnopqrstuvwx", "https://***@host/x@1 ***"),
    ],
)
def test_what_is_shown_cannot_steer_a_terminal_or_give_a_password_away(text: str, made: str, capsys):
    assert shown(text) == made
    assert str(DataError(text, "x")) == f"x: {made}"
    show([{"name": text}])
    assert capsys.readouterr().out.splitlines()[1:] == [made.rstrip()]
