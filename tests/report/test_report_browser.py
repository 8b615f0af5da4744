"""The page in a real browser: from disk, offline, on a desk and a phone, by pointer and keyboard, dark and in print."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from browser import CHROMIUM, Tab, browser
from report_helpers import ABOUT, DESIGN, write_report
from synthetic_scores import build

from xstilts.reports import Named
from xstilts.reports.curves import KindCost, Logged

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no chromium here: apt install chromium")
CODES = ("en", *(f"l{number}" for number in range(40)))
FAMILIES = ("Indo-European", "Turkic", "Uralic")
CELLS = "[...document.querySelectorAll('#explorer tbody tr')].slice(1)"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    design = replace(DESIGN, languages=CODES, n=50, tasks=("topics", "pairs", "tags", "spans"))
    named = tuple(Named(c, f"Language {c}", FAMILIES[n % 3], ("Latn", "Cyrl")[n % 2]) for n, c in enumerate(CODES))
    losses = [(50 * n, 3 / n) for n in range(1, 41)]
    logs = [
        Logged(view, title, seed, losses, [(2000 * n, 40.0 * n + seed) for n in (1, 2)], 33.3)
        for view, title in (("before the target", "nli"), ("topics", "[]"), ("topics", "[nli]"))
        for seed in design.seeds
    ]
    costs = (KindCost("train", 12, 81.5, 1_234_567, 89_000_000),)
    about = replace(ABOUT, languages=named, targets=design.tasks, config="name: big\n", logged=tuple(logs), costs=costs)
    return write_report(build(design, np.random.default_rng(1)), about, tmp_path_factory.mktemp("page"))


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    with browser(tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.mark.parametrize(("width", "zoom"), [(390, 1), (640, 1), (640, 2), (1280, 1), (1280, 2)])
def test_the_page_opens_offline_without_complaint_and_fits_its_window(
    tab: Tab, page: Path, width: int, zoom: int
) -> None:
    tab.open(page, width, zoom=zoom)
    assert tab.complaints == []
    assert tab.run("document.documentElement.scrollWidth") <= width // zoom
    assert tab.run(f"{CELLS}.length") == len(CODES)
    assert tab.run("document.querySelectorAll('*').length") < 5_000


def test_the_verdict_and_the_plot_are_seen_first(tab: Tab, page: Path) -> None:
    tab.open(page)
    for seen in (".verdict", ".lead svg"):
        assert tab.run(f"document.querySelector({seen!r}).getBoundingClientRect().bottom") < 800


def test_languages_sort_by_any_column_and_filter_by_family_script_and_task(tab: Tab, page: Path) -> None:
    tab.open(page)
    numbers = f"{CELLS}.map((row) => parseFloat(row.cells[2].firstChild.data.replace('−', '-')))"
    press = "document.querySelectorAll('#explorer thead button')[2].click()"
    tab.run(press)
    down = tab.run(numbers)
    assert down == sorted(down, reverse=True)
    assert tab.run("document.querySelectorAll('#explorer th')[2].ariaSort") == "descending"
    tab.run(press)
    assert tab.run(numbers) == sorted(down)

    def choose(number: int, value: str) -> None:
        select = f"document.querySelectorAll('#tools select')[{number}]"
        tab.run(f"{select}.value = {value!r}; {select}.dispatchEvent(new Event('change'))")

    choose(1, "Turkic")
    assert tab.run(f"{CELLS}.length") == 14
    choose(2, "Latn")
    assert tab.run(f"{CELLS}.length") == 7
    assert tab.run("document.querySelector('#explorer tbody th').textContent") == "mean of 7"
    choose(0, "run:1")
    heads = "[...document.querySelectorAll('#explorer thead button')].map((one) => one.textContent)"
    assert tab.run(heads) == ["language", "topics", "pairs", "tags", "spans"]
    assert tab.complaints == []


COVERED = """
(() => {
  const box = document.getElementById("explorer"), inside = box.getBoundingClientRect(), found = [];
  const corner = box.querySelector("thead th").getBoundingClientRect();
  for (const cell of box.querySelectorAll("th")) {
    const { left, top, width, height } = cell.getBoundingClientRect(), [x, y] = [left + width / 2, top + height / 2];
    const head = cell.closest("thead"), first = cell.cellIndex === 0;
    if (x > inside.right || y > Math.min(inside.bottom, innerHeight) || (!head && y < corner.bottom) ||
        (!first && x < corner.right)) continue;
    const seen = document.elementFromPoint(x, y)?.closest("th, td");
    const solid = getComputedStyle(cell).backgroundColor.startsWith("rgb(");
    found.push([cell.textContent, seen === cell && solid, first ? left - inside.left : 1, head ? top - inside.top : 1]);
  }
  return found;
})()"""


@pytest.mark.parametrize(("width", "height"), [(390, 844), (1280, 800)])
def test_headings_and_first_column_stay_and_nothing_shows_through(
    tab: Tab, page: Path, width: int, height: int
) -> None:
    tab.open(page, width, height)
    tab.run("document.getElementById('explorer').scrollIntoView()")
    for across, down in ((0, 0), (0, 37), (90, 0), (90, 400), (200, 613), (9999, 9999)):
        tab.run(f"document.getElementById('explorer').scrollTo({across}, {down})")
        found = tab.run(COVERED)
        assert len(found) > 8, (across, down)
        assert [cell for cell in found if not cell[1] or max(cell[2:]) > 1.5] == [], (across, down)


def test_tooltips_come_by_pointer_touch_and_keyboard(tab: Tab, page: Path) -> None:
    tab.open(page)
    tip = "document.getElementById('tip')"
    assert tab.run(f"{tip}.hidden")
    tab.run("document.querySelector('#explorer td[tabindex=\"0\"]').focus()")
    first = tab.run(f"{tip}.textContent")
    assert first.startswith("[], Language en, topics: ")
    tab.key("ArrowRight")
    told = tab.run(f"{tip}.textContent")
    assert told.startswith("[nli], Language en, topics: +")
    assert all(part in told for part in ("points [", "own score", "by seed"))
    assert tab.run("document.activeElement.getAttribute('aria-describedby')") == "tip"
    tab.key("ArrowDown")
    assert tab.run(f"{tip}.textContent").startswith("[nli], Language l0, topics: ")
    tab.key("Escape")
    assert tab.run(f"{tip}.hidden")
    tab.run("document.querySelector('table.heat tr.recipe td').click()")
    assert tab.run(f"{tip}.textContent").startswith("[nli], mean: +")


@pytest.mark.parametrize("width", [390, 1280])
def test_training_curves_are_drawn_for_the_chosen_target_and_told_in_words(tab: Tab, page: Path, width: int) -> None:
    tab.open(page, width)
    titles = "[...document.querySelectorAll('#curves figcaption')].map((one) => one.textContent)"
    assert tab.run(titles) == ["nli"]
    select = "document.querySelector('#views select')"
    assert tab.run(f"[...{select}.options].map((one) => one.value)") == ["before the target", "topics"]
    tab.run(f"{select}.value = 'topics'; {select}.dispatchEvent(new Event('change'))")
    assert tab.run(titles) == ["[]", "[nli]"]
    assert tab.run("[...document.querySelectorAll('.legend span')].map((one) => one.textContent)") == [
        "seed 1", "seed 2", "seed 3"
    ]  # fmt: skip
    lines = (
        "[...document.querySelectorAll('#curves figure')[1].querySelectorAll('path[stroke^=\"var(--c\"]:not(.dots)')]"
    )
    assert tab.run(f"{lines}.length") == 6, "a loss and a score for each seed"
    assert tab.run(f"{lines}.every((one) => one.getTotalLength() > 50)")
    assert tab.run("document.querySelectorAll('#curves [stroke-dasharray]').length") == 2
    box = "document.querySelectorAll('#curves svg')[1].getBoundingClientRect()"
    inside = "a.left >= b.left && a.right <= b.right && a.top >= b.top && a.bottom <= b.bottom"
    boxes = f"const [a, b] = [one.getBoundingClientRect(), {box}]; return {inside}"
    assert tab.run(f"{lines}.every((one) => {{ {boxes} }})")
    tab.run("document.querySelectorAll('#curves figure')[1].focus()")
    told = tab.run("document.getElementById('tip').textContent")
    assert told == tab.run("document.querySelectorAll('#curves svg')[1].getAttribute('aria-label')")
    assert told.startswith("[nli]: seed 1: loss 3 to 0.075, validation 81.0 at step 4000; seed 2: ")
    assert told.endswith("majority baseline 33.3")
    assert tab.run("document.documentElement.scrollWidth") <= width
    assert tab.complaints == []


def test_dark_and_light_differ_by_preference_and_by_the_switch_and_can_be_read(tab: Tab, page: Path) -> None:
    def light() -> list[float]:
        """Luminance of background and text."""
        script = "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
        return [float(np.mean([int(n) for n in one[4:-1].split(",")])) for one in tab.run(script)]

    tab.open(page)
    assert light()[0] > 200 > light()[1]
    tab.open(page, dark=True)
    assert light()[0] < 60 < light()[1]
    tab.run("document.getElementById('theme').click()")
    assert light()[0] > 200 > light()[1]


def test_every_text_has_contrast(tab: Tab, page: Path) -> None:
    """WCAG AA, 4.5 to 1, of words against the nearest background, in both themes."""
    script = """
(() => {
  const numbers = (text) => text.match(/[\\d.]+/g).map(Number);
  const lum = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (one) => { for (let at = one; at; at = at.parentElement) {
    const found = numbers(getComputedStyle(at).backgroundColor); if (found.length < 4 || found[3] > 0) return found; }
    return [255, 255, 255]; };
  const poor = [];
  for (const one of document.querySelectorAll("body *")) {
    const words = [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!words || one.closest("svg, script, style, [hidden]")) continue;
    const [a, b] = [lum(numbers(getComputedStyle(one).color)), lum(ground(one))];
    if ((Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) < 4.5) poor.push(one.outerHTML.slice(0, 120));
  }
  return poor.slice(0, 5);
})()"""
    for dark in (False, True):
        tab.open(page, dark=dark)
        assert tab.run(script) == []


def test_what_has_a_label_has_a_role_and_ids_are_single(tab: Tab, page: Path) -> None:
    tab.open(page)
    unnamed = (
        "[...document.querySelectorAll('div[aria-label], span[aria-label], svg[aria-label]')].filter((e) => !e.role)"
    )
    assert tab.run(f"{unnamed}.length") == 0
    assert tab.run("document.querySelectorAll('svg:not([aria-label])').length") == 0
    assert tab.run("(() => { const ids = [...document.querySelectorAll('[id]')].map((e) => e.id); "
                   "return ids.length - new Set(ids).size })()") == 0  # fmt: skip
    assert tab.run("[...document.querySelectorAll('select, button')].every((e) => e.closest('label') || e.textContent)")
    assert tab.run("document.querySelectorAll('h1').length") == 1


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_no_violation_with_every_section_open(tab: Tab, page: Path, width: int, dark: bool) -> None:
    """Deque's rules for accessibility, which come with the package `axe-core-python`."""
    axe = files("axe_core_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    tab.open(page, width, dark=dark)
    tab.run("for (const one of document.querySelectorAll('details')) one.open = true")
    tab.run(f"{axe}; 0")
    found = tab.run(
        "axe.run().then((all) => all.violations.map((one) => [one.id, one.nodes.length, one.nodes[0].html]))"
    )
    assert found == []


def test_print_shows_every_column(tab: Tab, page: Path) -> None:
    tab.open(page, 1000)
    tab.send("Emulation.setEmulatedMedia", media="print")
    tab.run("dispatchEvent(new Event('beforeprint'))")
    hidden = "[...document.querySelectorAll('.box')].filter((e) => getComputedStyle(e).overflow !== 'visible').length"
    assert tab.run(hidden) == 0
    assert tab.run("document.querySelectorAll('details:not([open])').length") == 0
    assert tab.run("getComputedStyle(document.getElementById('tools')).display") == "none"
    tab.send("Emulation.setEmulatedMedia", media="")
