"""Official means on scores whose means are known, and every way in which one can fall short of being official."""

from __future__ import annotations

from dataclasses import replace

import pytest

from xstilts.core.scores import Benchmark, Score
from xstilts.stats.benchmarks import Averages, averages
from xstilts.stats.table import ScoreTable

SMALL = Benchmark(
    "small",
    "SMALL",
    {"pairs": ("en", "de"), "spans": ("en", "th"), "search": ("de",), "tags": ("en",)},
    {"classification": ("pairs",), "qa": ("spans",), "other": ("search", "tags")},
    {"spans": "validation"},
)


def score(task: str, language: str, value: float, **more: object) -> Score:
    fields = {"split": SMALL.split(task), "metric": "accuracy", "n": 10, "majority": 0.0, "seed": 1, **more}
    return Score(task, language, value=value, recipe="[]", backbone="base", **fields)  # type: ignore[arg-type]


FULL = [
    score("pairs", "en", 90.0),
    score("pairs", "de", 70.0),
    score("spans", "en", 80.0, metric="f1"),
    score("spans", "en", 60.0, metric="exact_match"),
    score("spans", "th", 40.0, metric="f1"),
    score("spans", "th", 20.0, metric="exact_match"),
    score("search", "de", 10.0, variant="layer=3 raw"),
    score("tags", "en", 30.0, metric="f1"),
]


def means(scores: list[Score], **aside: str) -> Averages:
    return averages(ScoreTable.of(scores), SMALL, aside)


def only(found: Averages):
    (standing,) = found.standings
    return standing, {task.task: task for task in standing.tasks}


def test_the_overall_mean_is_over_tasks_and_qa_counts_with_both_metrics() -> None:
    standing, tasks = only(means(FULL))
    assert {name: task.value for name, task in tasks.items()} == {"pairs": 80, "spans": 50, "search": 10, "tags": 30}
    assert tasks["spans"].values == {"f1": 60.0, "exact_match": 40.0}
    assert [(group.label, group.value) for group in standing.groups] == [
        ("classification", 80.0),
        ("qa", 50.0),
        ("other", 20.0),
    ]
    assert standing.overall.value == 42.5  # of groups it would be 50
    assert (standing.overall.label, standing.overall.coverage) == ("SMALL", "4/4 tasks")
    assert tasks["pairs"].coverage == "2/2 languages"


def test_a_partial_mean_has_another_name_and_says_what_is_missing() -> None:
    standing, tasks = only(means([s for s in FULL if s.task != "tags" and s.language != "th"]))
    assert tasks["spans"].coverage == "1/2 languages, missing th"
    assert (tasks["tags"].value, tasks["tags"].coverage) == (None, "0/1 languages, missing en")
    assert standing.overall.label == "part of SMALL"
    assert standing.overall.coverage == "3/4 tasks, missing tags; not all languages of spans (1/2)"
    assert standing.overall.value == pytest.approx((80 + 70 + 10) / 3)
    assert [group.label for group in standing.groups] == ["classification", "part of qa", "part of other"]


def test_a_language_without_one_of_the_two_metrics_is_missing() -> None:
    _, tasks = only(means([s for s in FULL if (s.language, s.metric) != ("th", "exact_match")]))
    assert (tasks["spans"].missing, tasks["spans"].value) == (("th",), 70.0)


def test_values_are_means_over_seeds_of_languages_that_every_seed_has() -> None:
    second = [replace(s, seed=2, value=s.value + 4) for s in FULL if (s.task, s.language) != ("pairs", "de")]
    standing, tasks = only(means([*FULL, *second]))
    assert (tasks["pairs"].value, tasks["pairs"].missing, tasks["pairs"].seeds) == (92.0, ("de",), (1, 2))
    assert tasks["tags"].value == 32.0
    assert standing.overall.seeds == (1, 2)
    alone, _ = only(means([*FULL, *(s for s in second if s.task != "tags")]))
    assert alone.overall.seeds == (1,)


def test_other_splits_protocols_and_data_do_not_count_and_are_named() -> None:
    other = [replace(s, split="validation") if s.task == "pairs" else s for s in FULL]
    found = means(other, tags="the first 5 examples only")
    _, tasks = only(found)
    assert [name for name, task in tasks.items() if task.values] == ["spans", "search"]
    assert sorted(found.aside) == [
        "pairs: measured on validation, SMALL counts test",
        "tags: the first 5 examples only",
    ]
    _, tasks = only(means([*FULL, *(replace(s, split="validation", value=0.0) for s in FULL if s.task == "pairs")]))
    assert tasks["pairs"].value == 80.0


def test_intermediate_scores_other_values_and_unofficial_languages_do_not_count() -> None:
    more = [
        replace(FULL[0], role="intermediate", value=1.0),
        replace(FULL[0], metric="other", main=False, value=1.0),
        score("pairs", "fr", 1.0),
        score("mine", "en", 1.0),
    ]
    assert means([*FULL, *more]).standings == means(FULL).standings
    nothing = means(more[:2])
    assert (nothing.standings, nothing.aside) == ((), ())


def test_each_run_has_its_own_means() -> None:
    found = means([*FULL, *(replace(s, recipe="[nli]", value=s.value / 2) for s in FULL)])
    assert [(s.run.recipe, s.overall.value) for s in found.standings] == [("[]", 42.5), ("[nli]", 21.25)]
