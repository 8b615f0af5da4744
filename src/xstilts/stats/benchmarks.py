"""Official means of a benchmark and their coverage: a partial mean never has the benchmark's name.

A task's value is the mean over its official languages with equal weight, English included; in question answering, of
exact match and F1. The overall value is the mean over tasks. Over seeds, means are of the seeds' means.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean

from xstilts.core.scores import Benchmark, Score
from xstilts.stats.table import Run, ScoreTable


@dataclass(frozen=True)
class TaskMean:
    """One task of a benchmark in one run.

    Attributes:
        values: metric -> mean over languages and seeds, 0-100; empty if nothing was measured.
        languages: official ones that were measured with every seed; missing: the others.
        seeds: those that measured the task.
    """

    task: str
    values: Mapping[str, float]
    languages: tuple[str, ...]
    missing: tuple[str, ...]
    seeds: tuple[int, ...]

    @property
    def value(self) -> float | None:
        """The task's value in the benchmark's mean, 0-100."""
        return mean(self.values.values()) if self.values else None

    @property
    def complete(self) -> bool:
        return not self.missing

    @property
    def count(self) -> str:
        """`10/11`."""
        return f"{len(self.languages)}/{len(self.languages) + len(self.missing)}"

    @property
    def coverage(self) -> str:
        """`10/11 languages, missing th`."""
        return f"{self.count} languages" + _missing(self.missing)


@dataclass(frozen=True)
class Mean:
    """A mean over tasks; `title`: the group of tasks, or the benchmark; `tasks`: all of them, measured or not."""

    title: str
    tasks: tuple[TaskMean, ...]

    @property
    def measured(self) -> tuple[TaskMean, ...]:
        return tuple(task for task in self.tasks if task.values)

    @property
    def value(self) -> float | None:
        """Mean over the measured tasks, 0-100; None without any."""
        return mean(value for task in self.tasks if (value := task.value) is not None) if self.measured else None

    @property
    def complete(self) -> bool:
        """Whether it has every language of every task."""
        return all(task.complete for task in self.tasks)

    @property
    def label(self) -> str:
        """The title, or `part of` it."""
        return self.title if self.complete else f"part of {self.title}"

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds that all measured tasks have."""
        shared = [set(task.seeds) for task in self.measured]
        return tuple(sorted(set.intersection(*shared))) if shared else ()

    @property
    def coverage(self) -> str:
        """`5/9 tasks, missing panx, tatoeba; not all languages of xquad (10/11)`."""
        text = f"{len(self.measured)}/{len(self.tasks)} tasks" + _missing(t.task for t in self.tasks if not t.values)
        partial = ", ".join(f"{task.task} ({task.count})" for task in self.measured if not task.complete)
        return f"{text}; not all languages of {partial}" if partial else text


def _missing(names: Iterable[str]) -> str:
    text = ", ".join(names)
    return f", missing {text}" if text else ""


@dataclass(frozen=True)
class Standing:
    """The official means of one run."""

    run: Run
    tasks: tuple[TaskMean, ...]
    groups: tuple[Mean, ...]
    overall: Mean


@dataclass(frozen=True)
class Averages:
    """The official means of an experiment: of each run that has a counted score.

    `aside` has the tasks that are not counted, each with its reason.
    """

    benchmark: Benchmark
    standings: tuple[Standing, ...]
    aside: tuple[str, ...]


def averages(table: ScoreTable, benchmark: Benchmark, aside: Mapping[str, str] | None = None) -> Averages:
    """Official means of every run.

    Args:
        table: scores; the main ones of targets count, on the benchmark's split and languages.
        aside: tasks whose scores must not count, with the reason: their data or protocol are not the official ones.
    """
    refused = dict(aside or {})
    candidates = [s for s in table.scores if s.role == "target" and s.main and s.task in benchmark.languages]
    counted = [s for s in candidates if s.task not in refused and s.split == benchmark.split(s.task)]
    right = {score.task for score in counted}
    for score in candidates:
        if score.task not in right:
            wrong = f"measured on {score.split}, {benchmark.title} counts {benchmark.split(score.task)}"
            refused.setdefault(score.task, wrong)
    by_run: dict[Run, list[Score]] = {}
    for score in counted:
        by_run.setdefault(Run(score.backbone, score.recipe), []).append(score)
    standings = tuple(_standing(run, scores, benchmark) for run, scores in by_run.items())
    return Averages(benchmark, standings, tuple(f"{task}: {reason}" for task, reason in refused.items()))


def _standing(run: Run, scores: Sequence[Score], benchmark: Benchmark) -> Standing:
    tasks = {task: _task(task, [s for s in scores if s.task == task], benchmark) for task in benchmark.languages}
    groups = tuple(Mean(name, tuple(tasks[task] for task in members)) for name, members in benchmark.groups.items())
    return Standing(run, tuple(tasks.values()), groups, Mean(benchmark.title, tuple(tasks.values())))


def _task(task: str, scores: Sequence[Score], benchmark: Benchmark) -> TaskMean:
    official, asked = benchmark.languages[task], benchmark.values(task)
    cells: dict[int, dict[str, dict[str, float]]] = {}
    for score in scores:
        if not asked or score.metric in asked:
            cells.setdefault(score.seed, {}).setdefault(score.language, {})[score.metric] = score.value
    seeds = tuple(sorted(cells))
    metrics = asked or tuple(dict.fromkeys(score.metric for score in scores))
    there = tuple(c for c in official if seeds and all(cells[s].get(c, {}).keys() >= set(metrics) for s in seeds))
    values = {m: mean(mean(cells[s][c][m] for c in there) for s in seeds) for m in metrics} if there else {}
    return TaskMean(task, values, there, tuple(c for c in official if c not in there), seeds if there else ())
