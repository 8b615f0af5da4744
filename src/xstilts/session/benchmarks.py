"""Official benchmark means of an experiment, and what may not be counted in them."""

from __future__ import annotations

from xstilts.core.scores import Benchmark
from xstilts.experiment import Experiment
from xstilts.stats.benchmarks import Averages, averages
from xstilts.stats.table import ScoreTable
from xstilts.tasks.benchmarks import BENCHMARKS


def unofficial(experiment: Experiment, benchmark: Benchmark) -> dict[str, str]:
    """Targets that look like the benchmark's tasks and are not: own files, the first examples, a layer chosen on it."""
    found = {}
    layers = [backbone.retrieval.layer for backbone in experiment.backbones]
    chosen_on = {code for layer in layers if layer for code in layer.validate_on or ()}
    for target in experiment.targets:
        own = experiment.tasks.get(target.task)
        if own and benchmark.languages.keys() & {target.task, own.like}:
            found[target.task] = f"the experiment's own task (like {own.like}), not the official data"
        elif target.limit and target.task in benchmark.languages:
            found[target.task] = f"measured on a sample of {target.limit} examples of each language"
        elif chosen_on and experiment.task(target.task).type == "retrieval":
            found[target.task] = f"its layer was chosen on test scores, of {', '.join(sorted(chosen_on))}"
    return found


def official_means(experiment: Experiment, table: ScoreTable, benchmark: Benchmark) -> Averages:
    """The means of what may be counted."""
    return averages(table, benchmark, unofficial(experiment, benchmark))


def nearest_benchmark(experiment: Experiment, table: ScoreTable) -> Averages | None:
    """The means of the benchmark to which most of the targets belong (XTREME among equals); None without any."""
    names = {target.task for target in experiment.targets}
    best = max(BENCHMARKS.values(), key=lambda benchmark: len(names & benchmark.languages.keys()))
    return official_means(experiment, table, best) if names & best.languages.keys() else None
