"""The shell loop of a study: calls of `benchmarks.hf` at their best settings, each made once and counted."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from benchmarks.measure import Spent, answer, cores, folder_bytes, module, spend
from benchmarks.rows import predictions, score, script_of, write_rows
from xstilts.backbones.backbone import bf16_is_slow
from xstilts.experiment import Experiment
from xstilts.session.results import scores as scores_of

GROUPED = ["--train_sampling_strategy", "group_by_length", "--optim", "adamw_torch_fused"]


@dataclass
class Loop:
    """What the loop takes.

    Attributes:
        training: task -> one call that trains it. predicting: target -> the mean call that predicts one language.
        inside: target -> the mean seconds of that call that are not its start.
        models: bytes of one saved model.
        spoken: target -> its languages.
        scores: rows of (target, language, the loop's score, ours) of the same cells.
    """

    experiment: Experiment
    spoken: Mapping[str, Sequence[str]]
    training: dict[str, Spent] = field(default_factory=dict)
    predicting: dict[str, Spent] = field(default_factory=dict)
    inside: dict[str, float] = field(default_factory=dict)
    models: list[int] = field(default_factory=list)
    scores: list[tuple[str, str, float, float]] = field(default_factory=list)
    measured: int = 0

    @property
    def languages(self) -> int:
        return sum(map(len, self.spoken.values()))

    @property
    def _recipes(self) -> list[list[str]]:
        return [[part.task for phase in recipe.phases for part in phase.tasks] for recipe in self.experiment.recipes]

    @property
    def _seeds(self) -> int:
        return len(self.experiment.seeds)

    def _trained(self, share: bool) -> Counter[str]:
        """Task -> how often it is trained; with `share` each beginning of a recipe once a seed."""
        targets = [target.train_on or target.task for target in self.experiment.targets]
        calls: Counter[str] = Counter()
        begun = {tuple(recipe[: end + 1]) for recipe in self._recipes for end in range(len(recipe))}
        for recipe in self._recipes:
            calls.update(targets)
            calls.update({} if share else recipe * len(targets))
        calls.update([names[-1] for names in begun] if share else [])
        return Counter({name: count * self._seeds for name, count in calls.items()})

    @property
    def _cells(self) -> int:
        """Of each target."""
        return len(self._recipes) * self._seeds

    def _training(self, share: bool) -> Spent:
        trained = self._trained(share).items()
        return sum((self.training[name].times(count) for name, count in trained), Spent())

    def _predicting(self, one_start: bool) -> Spent:
        total = Spent()
        for target, spoken in self.spoken.items():
            call, count, start = self.predicting[target], len(spoken) * self._cells, self._start(target)
            total += call.times(count * (1 - start) + self._cells * start if one_start else count)
        return total

    @property
    def separate(self) -> Spent:
        """Every cell trains its whole recipe."""
        return self._training(share=False) + self._predicting(one_start=False)

    @property
    def shared(self) -> Spent:
        """What cells share is trained once, by hand."""
        return self._training(share=True) + self._predicting(one_start=False)

    @property
    def one_start(self) -> Spent:
        """And one process predicts all languages of a cell."""
        return self._training(share=True) + self._predicting(one_start=True)

    @property
    def counted(self) -> int:
        """Calls of the loop that shares."""
        return sum(self._trained(share=True).values()) + self.languages * self._cells

    @property
    def bytes_kept(self) -> int:
        """All models of the loop that shares."""
        return round(mean(self.models) * sum(self._trained(share=True).values()))

    @property
    def parts(self) -> dict[str, tuple[int, float]]:
        """What the loop that shares does: calls and CPU-seconds."""
        trained, predicted = sum(self._trained(share=True).values()), self.languages * self._cells
        every = self._predicting(one_start=False).cpu
        starts = sum(
            self._cells * len(spoken) * self.predicting[target].cpu * self._start(target)
            for target, spoken in self.spoken.items()
        )
        return {
            "training": (trained, self._training(share=True).cpu),
            "prediction": (predicted, every),
            "of which starts": (predicted, starts),
        }

    def _start(self, target: str) -> float:
        """Share of a call that is no prediction: Python, libraries, model, tokenising."""
        return 1 - self.inside[target] / self.predicting[target].wall

    @property
    def agreement(self) -> str:
        """How scores differ over the cells that both have."""
        differences = [ours - theirs for *_, theirs, ours in self.scores]
        error = stdev(differences) / len(differences) ** 0.5 if len(differences) > 1 else float("nan")
        means = mean(row[2] for row in self.scores), mean(row[3] for row in self.scores)
        return (
            f"means {means[0]:.1f} and {means[1]:.1f} over {len(differences)} targets by language, difference "
            f"{mean(differences):+.1f} with a standard error of {error:.1f}."
        )


def training_options(experiment: Experiment, name: str, seed: int) -> list[str]:
    """Options of `TrainingArguments`: the experiment's, and what makes the Trainer fast."""
    options = {**experiment.train, **experiment.tuning.get(name, {})}
    asked = {
        "max_steps": options["steps"],
        "per_device_train_batch_size": options["batch_size"],
        "learning_rate": options["learning_rate"],
        "weight_decay": 0.01,
        "seed": seed,
        "bf16": not bf16_is_slow("cpu"),
        "use_cpu": True,
    }
    return [*(text for key, value in asked.items() for text in (f"--{key}", str(value))), *GROUPED]


def measure_loop(
    given: argparse.Namespace, experiment: Experiment, store: Path, work: Path, say: Callable[[str], None]
) -> Loop:
    """Make each different call once."""
    data, seed = given.data.absolute(), experiment.seeds[0]
    spoken, files, trained_files = {}, {}, {}
    for target in experiment.targets:
        split = target.split or "test"
        files[target.task] = write_rows(
            experiment, data, work, (target.task, split, target.limit), experiment.languages or ()
        )
        spoken[target.task] = list(files[target.task])
    found = Loop(experiment, spoken)
    for name in found._trained(share=True):
        trained_files[name] = write_rows(experiment, data, work, (name, "train", 0), ["en"])["en"]
        script, encoding = script_of(experiment, name)
        options = [*encoding, *training_options(experiment, name, seed)]
        to = work / f"model-{name}"
        base = ["--model", given.model.absolute(), "--train_file", trained_files[name], "--output_dir", to]
        found.training[name] = spend(module(script, *base, *options), cores())
        found.models.append(folder_bytes(to))
        found.measured += 1
        say(f"loop: {name} trained, {found.training[name].row()}")
    ours = our_scores(experiment, store, seed)
    for target in experiment.targets:
        _predict(given, found, (target.task, target.train_on or target.task), files[target.task], work, ours)
        say(f"loop: {target.task} predicted, {found.predicting[target.task].row()} a language")
    return found


def _predict(
    given: argparse.Namespace,
    found: Loop,
    names: tuple[str, str],
    files: Mapping[str, Path],
    work: Path,
    ours: Mapping[tuple[str, str], float],
) -> None:
    """Predict some languages of a target, spread over the list, with the model that was trained on its task."""
    target, trained = names
    chosen = list(files)[:: max(1, -(-len(files) // given.languages))] if given.languages else list(files)
    script, encoding = script_of(found.experiment, target)
    calls, inside = [], []
    for language in chosen:
        to = work / f"{target}-{language}"
        options = [
            "--per_device_eval_batch_size",
            "64",
            "--use_cpu",
            "True",
            "--bf16_full_eval",
            not bf16_is_slow("cpu"),
        ]
        base = ["--model", work / f"model-{trained}", "--test_file", files[language], "--output_dir", to]
        calls.append(spend(module(script, *base, *encoding, *options), cores()))
        inside.append(answer(calls[-1])["seconds"])
        theirs = score(found.experiment, target, language, files[language], predictions(to / "predictions.jsonl"))
        found.scores.append((target, language, theirs, ours[target, language]))
    found.predicting[target] = sum(calls, Spent()).times(1 / len(calls))
    found.inside[target] = mean(inside)
    found.measured += len(calls)


def our_scores(experiment: Experiment, store: Path, seed: int) -> dict[tuple[str, str], float]:
    """(target, language) -> our score of the baseline recipe with one seed."""
    table: Any = scores_of(experiment, store)
    rows = table.to_dict("records") if hasattr(table, "to_dict") else table.to_pylist()
    return {
        (row["task"], row["language"]): row["value"]
        for row in rows
        if row["seed"] == seed and row["recipe"] == "[]" and row["role"] == "target"
    }
