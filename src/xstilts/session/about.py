"""The texts of a report besides its scores: names, notes and limitations."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from functools import cache

import yaml

from xstilts import __version__
from xstilts.core.errors import ConfigError, count
from xstilts.core.files import read_json, read_object
from xstilts.core.languages import LANGUAGES
from xstilts.core.scores import Benchmark
from xstilts.expand import CONTROL_NAMES
from xstilts.experiment import BackboneSpec, Experiment
from xstilts.experiment.oddities import labelled, with_labels
from xstilts.graph.environment import remarks
from xstilts.graph.record import Record
from xstilts.graph.stage import Stage, graph
from xstilts.graph.store import Store
from xstilts.reports import About, Named
from xstilts.reports.curves import KindCost
from xstilts.session.grid import Grid
from xstilts.session.reads import changed_files, may_be_sample, odd_counts
from xstilts.session.training import costs, inputs, logged
from xstilts.stages.run import PACKAGES
from xstilts.stages.selection import in_words, in_words_by_default
from xstilts.stages.translations import words_for
from xstilts.stats.benchmarks import Averages, averages
from xstilts.stats.flags import Flag
from xstilts.stats.table import Run, ScoreTable
from xstilts.tasks import TASKS
from xstilts.tasks.base import Split
from xstilts.tasks.benchmarks import BENCHMARKS
from xstilts.translation.spec import SOURCE

DISTANCES = "share of 103 syntactic features that differ, predicted where not recorded (URIEL: Littell et al. 2017)"
MADE_DISTANCES = "lexical distance plus 0.1 for each structural feature that differs, as the languages were made"


def describe(grid: Grid, table: ScoreTable, command: str, store: Store) -> About:
    """The texts of a report about the experiment."""
    experiment = grid.experiment
    micro = bool(experiment.worlds)
    records = store.records(grid.stages)
    spent = costs(records)
    names = {target.task for target in experiment.targets}
    nearest = max(BENCHMARKS.values(), key=lambda one: len(names & one.languages.keys()))  # XTREME if equal
    varied = "the order of examples, the initial head, dropout" + ", the constructed world with its own encoder" * micro
    return About(
        title=experiment.title or experiment.name,
        question=experiment.question,
        description=experiment.description,
        experiment=experiment.name,
        backbones=tuple(Named(one.name, note=_note(one)) for one in experiment.backbones),
        recipes=tuple(recipe.label for recipe in experiment.recipes),
        targets=tuple(target.task for target in experiment.targets),
        languages=_languages(table, micro),
        controls={name: CONTROL_NAMES[kind] for name, kind in grid.controls.items()},
        control_recipes=tuple(recipe.label for recipe in experiment.recipes if recipe.control),
        seeds=experiment.seeds,
        command=command,
        limitations=(
            *(experiment.sampled if may_be_sample(grid.stages, store) else ()),
            *experiment.limitations,
            *_coverage(grid),
            *translated(grid, store),
            *(f"{line}." for line in odd_counts(_prepared(grid, store))),
            *leaks_found(grid.checks, store),
            *remarks(records),
            *changed_files(grid.stages, store),
        ),
        source=experiment.source,
        trained_in={target.task: target.train_languages for target in experiment.targets if target.train_languages},
        labelled=_labelled(experiment),
        version=__version__,
        seed_means=varied,
        worlds=grid.worlds,
        averages=official_means(experiment, table, nearest) if names & nearest.languages.keys() else None,
        selection=(*in_words_by_default(grid.stages), *in_words(grid.stages)),
        failed=failed_runs(grid, store),
        facts=_facts(records, spent),
        distances=("" if experiment.source != "en" else MADE_DISTANCES if micro else DISTANCES),
        validation=judged(grid, store),
        logged=logged(grid, store),
        costs=spent,
        inputs=inputs(grid.stages),
        config=yaml.safe_dump(experiment.model_dump(mode="json", exclude_defaults=True), sort_keys=False, width=100),
    )


def _labelled(experiment: Experiment) -> dict[str, tuple[str, ...]]:
    """Recipe -> languages other than the source in which it has seen labels, translated ones too."""
    found: dict[str, dict[str, None]] = {}
    for label, _, codes in labelled(experiment):
        found.setdefault(label, {}).update(dict.fromkeys(codes))
    for recipe in experiment.recipes:
        parts = [part for phase in recipe.phases for part in phase.tasks if part.translated_by]
        if codes := [code for part in parts for code in part.spoken(SOURCE) if code != SOURCE]:
            found.setdefault(recipe.label, {}).update(dict.fromkeys(codes))
    return {recipe: tuple(codes) for recipe, codes in found.items()}


def _note(spec: BackboneSpec) -> str:
    return spec.note or spec.source or f"{spec.architecture}, random start, {len(spec.pretrain)} pretraining phases"


def _facts(records: Sequence[Record], spent: Sequence[KindCost]) -> tuple[str, ...]:
    """The environment of finished stages, and the time that computing them took."""
    facts = []
    for name in ("xstilts_commit", "processor", "machine", "device", "python", *PACKAGES):
        values = dict.fromkeys(str(one.environment[name]) for one in records if name in one.environment)
        facts += [f"{name.replace('_', ' ')}: {', '.join(values)}"] if values else []
    if spent:
        minutes, kinds = sum(one.minutes for one in spent), ", ".join(f"{one.kind} {one.minutes:.1f}" for one in spent)
        facts.append(f"Minutes of computing, summed over workers: {minutes:.0f} ({kinds}).")
    return tuple(facts)


def judged(grid: Grid, store: Store) -> Mapping[tuple[str, str, str, int], float]:
    """Validation scores of targets in the source language, where weights were chosen by them."""
    found = {}
    for cell in grid.cells:
        if cell.role != "target":
            continue
        file = store.directory(cell.stage.inputs["predictions"].inputs["model"]) / "summary.json"
        summary = read_json(file) if file.is_file() else {}
        chosen = summary.get("selection", {})
        if cell.task in summary.get("tasks", {}) and chosen.get("by") != "oracle" and "value" in chosen:
            found[cell.backbone, cell.recipe, cell.task, cell.seed] = chosen["value"]
    return found


def texts_of(grid: Grid) -> Callable[[str, str], Mapping[str, str]]:
    """The texts of a target's test examples in a language, by id, read from the data folders.

    Raises:
        ConfigError: constructed examples, or no data folder. `DataError` when read: a missing or malformed file.
    """
    if grid.worlds or not grid.data:
        found = "they are constructed: omit it" if grid.worlds else "no folder is known: name it with --data"
        raise ConfigError(f"--texts shows examples of the data files, but {found}")
    not_texts = {"id", "label", "answers", "tags", "gold", "query", "sample"}
    splits = {c.task: c.stage.inputs["data"].config["split"] for c in grid.cells if c.role == "target"}

    @cache
    def read(target: str, language: str) -> Mapping[str, str]:
        found = {}
        for one in grid.experiment.task(target).stream(grid.data, splits[target], language):
            values = [getattr(one, entry.name) for entry in fields(one) if entry.name not in not_texts]
            parts = [" ".join(value) if isinstance(value, tuple) else value for value in values if value]
            found[one.id] = " | ".join(parts)
        return found

    return read


def _coverage(grid: Grid) -> Iterator[str]:
    """Targets that were not measured in all their official languages, so that their mean is not the official one."""
    for target in grid.experiment.targets:
        task, own = grid.experiment.task(target.task), grid.experiment.tasks.get(target.task)
        cell = next(cell for cell in grid.cells if cell.task == task.name and cell.role == "target")
        measured = cell.stage.inputs["data"].config["languages"]
        if len(measured) < len(task.languages) and not (own and own.type and own.languages is None):
            yield f"{task.name} is measured in {len(measured)} of its {len(task.languages)} languages."


def _prepared(grid: Grid, store: Store) -> Iterator[tuple[str, Split, str, int]]:
    """Task, split, language and number of examples of the whole official test sets that targets are measured on."""
    for stage in dict.fromkeys(cell.stage.inputs["data"] for cell in grid.cells if cell.role == "target"):
        config = stage.config
        if config["task"] in TASKS and not (
            config["limit"] or "world" in stage.inputs or {"read", "like"} & config.keys()
        ):
            for code in config["languages"]:
                found = read_object(store.directory(stage) / code / "features.json").get("examples")
                if found is not None:
                    yield config["task"], config["split"], code, found


def translated(grid: Grid, store: Store) -> list[str]:
    """Languages in which a recipe has seen labels, and what its translations left out."""
    lines = [f"{line}." for line in with_labels(grid.experiment)]
    for recipe in grid.experiment.recipes:
        parts = [part for phase in recipe.phases for part in phase.tasks if part.translated_by]
        if codes := dict.fromkeys(code for part in parts for code in part.spoken(SOURCE) if code != SOURCE):
            zero = f"its scores in {', '.join(codes)} are not zero-shot."
            lines.append(f"{recipe.label} is trained on translations: {zero}")
    made = [store.directory(stage) / "counts.json" for stage in grid.stages if stage.kind == "translate"]
    counts = [words_for(read_json(file)) for file in made if file.is_file()]
    return [*lines, *(f"Translation of {words}." for words in dict.fromkeys(counts))]


def leaks_found(checks: Sequence[Stage], store: Store) -> list[str]:
    """A sentence for each leaky pair of training and test data over all replicates; last, the number of clean pairs.

    Results of earlier versions do not say whether examples of few words are `repeated`.
    """
    pairs: dict[tuple[str, str], Counter[str]] = {}
    for folder in filter(None, map(store.finished, checks)):
        found = read_json(folder / "leaks.json")
        counts = {name: found.get(name, 0) for name in ("leaked", "compared", "examples", "repeated")}
        pairs.setdefault((found["train"], found["test"]), Counter()).update(counts)
    leaky = {pair: total for pair, total in pairs.items() if total["leaked"]}
    lines = [
        f"Leak: {total['leaked']} of the {total['compared']} test examples of {test} with a long enough text "
        f"({total['leaked'] / total['compared']:.1%}) share thirteen words in a row, or the whole of a shorter text, "
        f"with the training data of {train}."
        for (train, test), total in sorted(leaky.items(), key=lambda item: -item[1]["leaked"] / item[1]["compared"])
    ]
    for (train, test), total in pairs.items():
        if total["examples"] and not total["compared"]:
            lines.append(
                f"Not compared: 0 of {total['examples']} test examples of {test} are long enough to compare with the "
                f"training data of {train} (five words, or twelve characters where words are not separated)."
            )
        if total["repeated"]:
            lines.append(
                f"Leak: {total['repeated']} of the {total['examples'] - total['compared']} test examples of {test} "
                f"that have only very short texts are also training examples of {train}; some may be by chance."
            )
    compared = [total for total in pairs.values() if total["compared"]]
    if clean := sum(not (total["leaked"] or total["repeated"]) for total in compared):
        lines.append(
            f"No leak was found in {clean} of {len(pairs)} pairs of training and test data. Raw text and the text "
            "on which models were pretrained elsewhere are not compared."
        )
    return lines


def failed_runs(grid: Grid, store: Store) -> tuple[Flag, ...]:
    """A flag for each recipe and target, with the seeds that have no scores because a stage failed."""
    failures = {path.stem for path in (store.root / "failures").glob("*.txt")}

    def failed(scored: Stage) -> bool:
        return not store.has(scored) and any(one.key in failures and not store.has(one) for one in graph([scored]))

    seeds: dict[tuple[Run, str], dict[int, bool]] = {}
    for cell in grid.cells if failures else ():
        if cell.role == "target":
            seeds.setdefault((Run(cell.backbone, cell.recipe), cell.task), {})[cell.seed] = failed(cell.stage)
    return tuple(
        Flag("failed", run, task, tuple(seed for seed, has in found.items() if has), len(found))
        for (run, task), found in seeds.items()
        if any(found.values())
    )


def unofficial(experiment: Experiment, benchmark: Benchmark) -> dict[str, str]:
    """Target -> why it does not count as a task of the benchmark: own data, a sample, a layer chosen on test scores."""
    found = {}
    layers = [backbone.retrieval.layer for backbone in experiment.backbones]
    chosen_on = {code for layer in layers if layer for code in layer.validate_on or ()}
    for target in experiment.targets:
        own = experiment.tasks.get(target.task)
        if own and benchmark.languages.keys() & {target.task, own.like}:
            found[target.task] = f"the experiment's own task (like {own.like}), not the official data"
        elif target.limit and target.task in benchmark.languages:
            found[target.task] = f"measured on a sample of {count(target.limit, 'example')} of each language"
        elif chosen_on and experiment.task(target.task).type == "retrieval":
            found[target.task] = f"its layer was chosen on test scores, of {', '.join(sorted(chosen_on))}"
    return found


def official_means(experiment: Experiment, table: ScoreTable, benchmark: Benchmark) -> Averages:
    """The benchmark's means over the targets that count."""
    return averages(table, benchmark, unofficial(experiment, benchmark))


def _languages(table: ScoreTable, micro: bool) -> tuple[Named, ...]:
    """Microworld languages by distance from English; other languages English first, then by family and name."""
    codes = table.distinct("language")
    if micro:
        from xstilts.microworld.grammar import LANGUAGES as MADE

        made = {code: one for code, one in MADE.items() if code in codes}
        notes = {
            code: f"{one.order}, {one.morphology}, lexical distance {one.lexical_distance:g}"
            for code, one in made.items()
        }
        return tuple(Named(code, one.name, notes[code], "", None, one.distance) for code, one in made.items())
    known = {code: LANGUAGES[code] for code in codes if code in LANGUAGES}
    named = [Named(c, one.name, one.family, one.script, one.resources, one.distance) for c, one in known.items()]
    named += [Named(code) for code in codes if code not in known]
    return tuple(sorted(named, key=lambda one: (one.key != "en", one.note != "Indo-European", one.note, one.name)))
