"""One small experiment with everything a report shows: gains, controls, flags, layers, intermediate scores."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import numpy as np
from synthetic_scores import Design, build, score

from xstilts.reports import About, Named, analyse, write_contents
from xstilts.reports.contents import contents
from xstilts.stats.series import Replication
from xstilts.stats.table import ScoreTable

QUICK = Replication()
JOINT = "[{nli, mlm}]"
DESIGN = Design(
    {"[]": 0.0, "[nli]": 15.0, JOINT: -12.0, "[qa, nli]": 0.0},
    tasks=("topics", "pairs"),
    languages=("en", "aa", "bb"),
    n=300,
    extra={"random": -25.0, "english": -18.0},
)
ABOUT = About(
    title="Does it help?",
    question="Is a second task of use in other languages?",
    description="First paragraph.\n\nSecond <paragraph> & more.",
    experiment="small-test",
    backbones=(Named("small", "Small encoder", "tiny"),),
    recipes=("[]", "[nli]", JOINT, "[qa, nli]"),
    targets=("topics", "pairs"),
    languages=(Named("en", "English"), Named("aa", "Aa-ish", "near"), Named("bb", "Bb-ish", "far")),
    controls={"random": "random encoder", "english": "English-only pretraining"},
    seeds=(1, 2, 3),
    command="xstilts demo",
    limitations=("Small models only.",),
    version="0.0.test",
)


def own(recipe: str, task: str, value: float, seed: int) -> tuple:
    return score(task, "en", seed, ("small", recipe), value, role="intermediate"), None


def sweep(recipe: str, backbone: str = "small") -> list[tuple]:
    return [
        (
            score(
                "topics", language, seed, (backbone, recipe), 10.0 * layer + seed,
                main=False, variant=f"layer={layer} {kind}",
            ),
            None,
        )
        for kind in ("raw", "centred")
        for layer in (0, 1, 2)
        for seed in (1, 2, 3)
        for language in ("aa", "bb")
    ]  # fmt: skip


def experiment() -> ScoreTable:
    rows = list(build(DESIGN, np.random.default_rng(7)).rows)
    rows += [own("[nli]", "nli", 70.0 + seed, seed) for seed in (1, 2, 3)]
    rows += [own("[qa, nli]", "qa", 36.0 + 10 * (seed == 3) + 5 * (seed == 3), seed) for seed in (1, 2, 3)]
    for recipe in ("[]", "[nli]"):
        rows += sweep(recipe)
    rows += sweep("[]", "random")
    return ScoreTable.of(rows)


def write_report(table: ScoreTable, about: About, folder: Path) -> Path:
    return write_contents(contents(analyse(table, about, QUICK)), folder)


class Balanced(HTMLParser):
    """Collects text, and fails on tags that do not close in order."""

    VOID = {"meta", "link", "br", "hr", "img", "input", "rect", "circle", "path", "line", "polygon"}

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []
        self.counts: dict[str, int] = {}
        self.attributes: list[tuple[str, str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.counts[tag] = self.counts.get(tag, 0) + 1
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.counts[tag] = self.counts.get(tag, 0) + 1
        self.attributes += [(tag, name, value) for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> without an opening tag"
        assert self.open.pop() == tag, f"</{tag}> closes another tag"

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return "".join(self.words).replace("\u00a0", " ")


def parsed(html: str) -> Balanced:
    parser = Balanced()
    parser.feed(html)
    parser.close()
    assert parser.open == []
    return parser
