"""`xstilts scores --benchmark`: the official means of an experiment, with what is missing from them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from xstilts.cli.output import emit
from xstilts.cli.output import table as print_table
from xstilts.stats.benchmarks import Averages, Mean, Standing, TaskMean


def show_averages(found: Averages, as_json: bool) -> None:
    """One row per mean of each run, then what was not counted."""
    if as_json:
        rows = [_standing(standing) for standing in found.standings]
        emit({"benchmark": found.benchmark.title, "runs": rows, "not_counted": list(found.aside)})
        return
    print_table([row for standing in found.standings for row in _rows(standing)])
    if not found.standings:
        sys.stdout.write(f"no score counts for {found.benchmark.title}\n")
    for reason in found.aside:
        sys.stdout.write(f"not counted: {reason}\n")


def _rows(standing: Standing) -> Iterator[dict[str, Any]]:
    groups = [group for group in standing.groups if group.measured]
    means: list[TaskMean | Mean] = [*standing.overall.measured, *groups, standing.overall]
    for one in means:
        name = one.task if isinstance(one, TaskMean) else one.label
        values = one.values if isinstance(one, TaskMean) and len(one.values) > 1 else {}
        yield {
            "backbone": standing.run.backbone,
            "recipe": standing.run.recipe,
            "mean": name,
            "value": f"{one.value:.2f}",
            "of": ", ".join(f"{metric} {value:.2f}" for metric, value in values.items()) or "-",
            "seeds": len(one.seeds),
            "coverage": one.coverage,
        }


def _standing(standing: Standing) -> dict[str, Any]:
    return {
        "backbone": standing.run.backbone,
        "recipe": standing.run.recipe,
        "overall": _mean(standing.overall),
        "groups": [_mean(group) for group in standing.groups],
        "tasks": [
            {
                "task": task.task,
                "value": task.value,
                "values": dict(task.values),
                "complete": task.complete,
                "languages": list(task.languages),
                "missing": list(task.missing),
                "seeds": list(task.seeds),
            }
            for task in standing.tasks
        ],
    }


def _mean(mean: Mean) -> dict[str, Any]:
    return {
        "name": mean.label,
        "value": mean.value,
        "complete": mean.complete,
        "coverage": mean.coverage,
        "seeds": list(mean.seeds),
    }
