"""The official means of a benchmark as a table: each cell with its coverage, a partial mean never by the full name."""

from __future__ import annotations

from xstilts.reports.analysis import Analysis
from xstilts.reports.cells import Cell, Column, Row, Table, gap, points
from xstilts.stats.benchmarks import Mean, TaskMean


def official_table(analysis: Analysis) -> Table | None:
    """Runs x tasks of the benchmark that were measured, with the mean over them; None where no score counts."""
    found = analysis.about.averages
    if found is None or not found.standings:
        return None
    names = [
        task
        for task in found.benchmark.languages
        if any(t.task == task and t.values for s in found.standings for t in s.tasks)
    ]
    rows = []
    for standing in found.standings:
        means: list[TaskMean | Mean] = [*(task for task in standing.tasks if task.task in names), standing.overall]
        label = f"{standing.run.recipe} ({analysis.about.backbone(standing.run.backbone).label})"
        rows.append(Row(label, tuple(_cell(one) for one in means)))
    complete = all(standing.overall.complete for standing in found.standings)
    title = found.benchmark.title
    last = Column(title) if complete else Column("mean of these", f"part of {title}")
    caption = (
        f"Means as {title} takes them: its languages with equal weight, English included; question answering counts "
        "with the mean of exact match and F1. Means over seeds; below each, how many of its languages or tasks are "
        f"in it. Only a mean over all languages of all tasks is {title}'s."
    )
    missing = [
        f"{task.task}: {task.coverage}" for s in found.standings for task in s.tasks if task.missing and task.values
    ]
    missing += [f"mean: {standing.overall.coverage}" for standing in found.standings if not standing.overall.complete]
    notes = (*dict.fromkeys(missing), *(f"not counted: {reason}" for reason in found.aside))
    head = (Column("recipe"), *(Column(name) for name in names), last)
    return Table("official", caption, head, tuple(rows), notes)


def _cell(one: TaskMean | Mean) -> Cell:
    if one.value is None:
        return gap("not measured")
    count = one.count if isinstance(one, TaskMean) else f"{len(one.measured)}/{len(one.tasks)}"
    return Cell(points(one.value), count, one.coverage, value=one.value)
