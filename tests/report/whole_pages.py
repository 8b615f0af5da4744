"""Pages that together have every chapter: an experiment with all its details, a study, and a comparison."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from report_helpers import own
from report_samples import FAR, FIRST, KNOWN, made, side
from study_samples import analysis as study_analysis
from study_samples import spec
from synthetic_scores import score

from xstilts.core.scores import Benchmark
from xstilts.reports import analyse, write_contents
from xstilts.reports.comparison import compare, comparison_contents
from xstilts.reports.contents import contents
from xstilts.reports.curves import KindCost, Logged
from xstilts.reports.diagnostics import BucketScores, diagnose
from xstilts.reports.study import study_of
from xstilts.stats.benchmarks import averages
from xstilts.stats.table import ScoreTable

PARAMETERS = {"small": 1e6, "large": 1e7, "huge": 1e9}
INPUT = {"read_by": "t1 test", "language": "l1", "file": "t1/l1.tsv", "sha256_20": "0123456789abcdef0123"}


def experiment_page(folder: Path) -> Path:
    """Every chapter that needs no study."""
    rows = [*made(n=300).table.rows, *(own("[a]", "nli", 70.0 + seed, seed) for seed in (1, 2, 3))]
    for layer, code, seed, recipe in (
        (a, b, c, d) for a in (0, 1, 2) for b in FAR for c in (1, 2, 3) for d in ("[]", "[a]")
    ):
        value = 20.0 * layer + seed
        rows.append((score("t1", code, seed, ("small", recipe), value, main=False, variant=f"layer={layer} raw"), None))
    table = ScoreTable.of(rows)
    benchmark = Benchmark("small", "SMALL", {"t1": ("en", "l1"), "t2": ("en",)}, {"all": ("t1", "t2")})
    about = replace(
        KNOWN,
        averages=averages(table, benchmark, {}),
        config="name: whole\n",
        validation={("small", r, t, s): 70.0 for r in KNOWN.recipes for t in KNOWN.targets for s in (1, 2, 3)},
        logged=(Logged("t1", "[a]", 1, [(50, 1.0), (100, 0.5)], [(100, 60.0)], 33.3),),
        costs=(KindCost("train", 12, 81.5, 1_234_567, 89_000_000),),
        inputs=(INPUT,),
        texts=lambda *at: {f"x{n}": f"text {n}" for n in range(300)},
        licences={"t1": "CC BY 4.0"},
    )
    found = diagnose(
        analyse(table, about), lambda task, runs: [BucketScores("length", "1–9", "en", table.where(task=task))]
    )
    return write_contents(contents(found), folder)


def studied(folder: Path) -> Path:
    """Claims, effects, a trend and an interaction of three backbones."""
    trend = {"kind": "trend", "recipe": "[nli]", "parameters": PARAMETERS}
    long = "Gain of [nli] on all targets that are trained, counted in each of the three backbones for itself"
    effects = (
        {"label": long, "contrast": {"recipe": "[nli]", "each": "backbone"}},
        {"label": "Slope", "contrast": {**trend, "each": "target"}},
        {"label": "Interaction", "contrast": {"kind": "interaction", "recipe": "[nli]"}},
    )
    asked = spec({"test": {"recipe": "[nli]", "is": "above"}}, {"untested": "no data"}, effects=effects)
    found = study_analysis(tuple(PARAMETERS))
    return write_contents(contents(found, study_of(asked, found)), folder)


def compared(folder: Path) -> Path:
    better = replace(FIRST, gains={"[]": 0.0, "[nli]": 20.0})
    return write_contents(comparison_contents(compare([side("one"), side("two", better, 2)])), folder)
