"""Pages with every chapter in a real browser, and their figures in three programs."""

from __future__ import annotations

import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from browser import CHROMIUM, Tab, browser
from whole_pages import INPUT, compared, experiment_page, studied

from xstilts.reports.write import converter

MADE = {"experiment": experiment_page, "study": studied, "comparison": compared}
CHAPTERS = {
    "experiment": "results languages transfer groups distance choice losses diagnostics official layers intermediate "
    "training method limitations reproduce files",
    "study": "results claims languages backbones method background files",
    "comparison": "compared languages method files",
}


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {name: make(tmp_path_factory.mktemp(name)) for name, make in MADE.items()}


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    if not CHROMIUM:
        pytest.skip("no chromium here: apt install chromium")
    with browser(tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.mark.parametrize("name", MADE)
def test_the_page_has_its_chapters(pages: dict[str, Path], name: str) -> None:
    found = re.findall('<h2 id="(.*?)"', pages[name].read_text(encoding="utf-8"))
    assert set(CHAPTERS[name].split()) <= set(found)


def test_files_and_checksums_are_listed_in_the_page_and_sizes_only_beside_it(pages: dict[str, Path]) -> None:
    html = pages["experiment"].read_text(encoding="utf-8")
    assert "<summary>Files and checksums (20 digits of SHA-256)</summary>" in html
    assert f"{INPUT['sha256_20']}  {INPUT['file']}" in html
    found = ET.fromstring((pages["study"].parent / "sizes.svg").read_text(encoding="utf-8"))
    texts = [one.text for one in found.iter("{http://www.w3.org/2000/svg}text")]
    assert [text for text in texts if text in ("1 M", "10 M", "1 B", "topics", "pairs")] == [
        "1 M", "10 M", "1 B", "topics", "pairs"
    ]  # fmt: skip
    assert len(list(found.iter("{http://www.w3.org/2000/svg}circle"))) == 2 * 3 + 2


@pytest.mark.parametrize(("width", "dark"), [(390, True), (1280, False)])
@pytest.mark.parametrize("name", MADE)
def test_axe_finds_no_violation_in_any_chapter(
    tab: Tab, pages: dict[str, Path], name: str, width: int, dark: bool
) -> None:
    tab.open(pages[name], width, dark=dark)
    assert tab.complaints == []
    assert tab.run("document.documentElement.scrollWidth") <= width
    tab.run("for (const one of document.querySelectorAll('details')) one.open = true")
    tab.run(f"{files('axe_core_python').joinpath('axe.min.js').read_text(encoding='utf-8')}; 0")
    found = "all.violations.map((one) => [one.id, one.nodes.length, one.nodes[0].html])"
    assert tab.run(f"axe.run().then((all) => {found})") == []


def test_the_console_is_heard(tab: Tab, tmp_path: Path) -> None:
    """Otherwise no page could fail."""
    for number, script in enumerate(("console.error('no')", "console.warn('hm')", "throw Error('out')")):
        page = tmp_path / f"{number}.html"
        page.write_text(f"<!doctype html><script>{script}</script>", encoding="utf-8")
        tab.open(page)
        assert len(tab.complaints) == 1, script
        tab.complaints.clear()


def test_two_plots_stand_beside_each_other_and_the_contents_below_the_answer(tab: Tab, pages: dict[str, Path]) -> None:
    box = "document.querySelectorAll({!r})[{}].getBoundingClientRect()"
    tab.open(pages["study"])
    effects, sizes = (tab.run(f"{box.format('.plots > div', n)}.top") for n in (0, 1))
    assert effects == sizes
    tab.open(pages["experiment"])
    assert tab.run(f"{box.format('nav', 0)}.right") <= tab.run(f"{box.format('.plots', 0)}.left")


def test_every_label_of_a_figure_is_whole_and_inside(tab: Tab, pages: dict[str, Path]) -> None:
    outside = """[...document.querySelectorAll('.plot svg')].flatMap((svg) => [...svg.querySelectorAll('text')]
      .filter((one) => { const a = one.getBoundingClientRect(), b = svg.getBoundingClientRect();
        const out = a.left < b.left - 1 || a.right > b.right + 1 || a.bottom > b.bottom + 1;
        return out || one.textContent.includes('…'); })
      .map((one) => one.textContent))"""
    for page in pages.values():
        tab.open(page)
        assert tab.run("document.querySelectorAll('.plot svg').length")
        assert tab.run(outside) == []


@pytest.mark.skipif(not shutil.which("rsvg-convert"), reason="rsvg-convert is not installed")
@pytest.mark.parametrize(
    ("name", "figure"),
    [
        ("experiment", "forest"), ("experiment", "heatmap"), ("experiment", "t1-accuracy-by-layer-raw"),
        ("experiment", "distance"), ("study", "effects"), ("study", "sizes"),
    ],
)  # fmt: skip
def test_a_figure_is_the_same_picture_in_every_program(
    tab: Tab, pages: dict[str, Path], tmp_path: Path, name: str, figure: str
) -> None:
    image = pytest.importorskip("PIL.Image", reason="Pillow reads the pictures")
    svg = pages[name].parent / f"{figure}.svg"
    wide, tall = map(float, re.findall(r' (?:width|height)="([\d.]+)"', svg.read_text(encoding="utf-8"))[:2])

    def read(path: Path) -> np.ndarray:
        """Ink [height, width, colour] in cells of four pixels, as edges of letters differ."""
        found = image.open(path).convert("RGB").crop((0, 0, int(wide), int(tall)))
        return 255.0 - np.asarray(found.reduce(4), dtype=float)

    tab.open(svg, max(640, int(wide) + 1), int(tall) + 1)  # narrower is a phone, which zooms
    tab.picture(tmp_path / "browser.png")
    subprocess.run(["rsvg-convert", svg, "-o", tmp_path / "rsvg.png"], check=True)
    there = read(tmp_path / "browser.png")
    assert there.mean() > 2
    differences = {"rsvg-convert": np.abs(read(tmp_path / "rsvg.png") - there).mean() / there.mean()}
    if shutil.which("pdftoppm"):
        pytest.importorskip("cairosvg", reason="CairoSVG is not installed: pip install 'xstilts[pdf]'")
        (tmp_path / "one.pdf").write_bytes(converter()(svg.read_text(encoding="utf-8")))
        command = ["pdftoppm", "-png", "-r", "96", "-singlefile", tmp_path / "one.pdf", tmp_path / "pdf"]
        subprocess.run(command, check=True)
        differences["PDF"] = np.abs(read(tmp_path / "pdf.png") - there).mean() / there.mean()
    print(figure, differences)
    assert differences["rsvg-convert"] < 0.1
    assert differences.get("PDF", 0.0) < 0.4, "thin lines and letters half a pixel apart; another picture has 1"
