"""From a finished graph to a table of scores and the words of its report: here the two wings meet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from xstilts import __version__
from xstilts.cli.benchmarks import nearest_benchmark
from xstilts.cli.leaks import leaks_found
from xstilts.core.errors import UnknownName, XstiltsError
from xstilts.core.files import read_json
from xstilts.core.languages import language
from xstilts.expand import CONTROL_NAMES, Cell, Expansion
from xstilts.experiment import BackboneSpec, Experiment
from xstilts.graph.stage import graph
from xstilts.graph.store import Store
from xstilts.report import About, Named
from xstilts.stages.selection import in_words
from xstilts.stages.translations import words_for
from xstilts.stats.reading import read_folder
from xstilts.stats.table import Measured, ScoreTable
from xstilts.translation.spec import SOURCE


def collect(cells: Sequence[Cell], store: Store) -> ScoreTable:
    """The scores of all finished cells under the cells' names."""
    rows: list[Measured] = []
    for cell in cells:
        if (folder := store.finished(cell.stage)) is not None:
            found = read_folder(folder, lambda score: score.main)
            rows += [Measured(cell.name(row.score), row.examples) for row in found]
    if not rows:
        raise XstiltsError(f"nothing of this experiment is finished in {store.root}: `xstilts run` computes it")
    return ScoreTable(tuple(rows))


def describe(expansion: Expansion, table: ScoreTable, command: str, store: Store) -> About:
    """What the report says of the experiment."""
    experiment = expansion.experiment
    micro = bool(experiment.worlds)
    varied = ["the order of examples", "the initial head", "dropout"]
    if micro:
        varied.append("the constructed world with its own encoder")
    return About(
        title=experiment.title or experiment.name,
        question=experiment.question,
        description=experiment.description,
        experiment=experiment.name,
        backbones=tuple(Named(spec.name, note=spec.note or _note(spec)) for spec in experiment.backbones),
        recipes=tuple(recipe.label for recipe in experiment.recipes),
        targets=tuple(target.task for target in experiment.targets),
        languages=_languages(table, micro),
        controls={name: CONTROL_NAMES[kind] for name, kind in expansion.controls.items()},
        seeds=experiment.seeds,
        command=command,
        limitations=(
            *experiment.limitations,
            *coverage(expansion),
            *translated(expansion, store),
            *leaks_found(expansion.checks(), store),
        ),
        source=experiment.source,
        trained_in={target.task: target.train_languages for target in experiment.targets if target.train_languages},
        version=__version__,
        seed_means=", ".join(varied),
        worlds={one.seed: one.world for one in expansion.replicates if one.world is not None},
        averages=nearest_benchmark(experiment, table),
        selection=in_words(graph(expansion.stages())),
    )


def coverage(expansion: Expansion) -> list[str]:
    """Targets that were not measured in all of their official languages: their mean is not the official one."""
    lines = []
    for target in expansion.experiment.targets:
        task = expansion.experiment.task(target.task)
        cells = [cell for cell in expansion.cells if cell.task == task.name and cell.role == "target"]
        measured = cells[0].stage.inputs["data"].config["languages"]
        own = expansion.experiment.tasks.get(target.task)
        if len(measured) < len(task.languages) and not (own and own.type and own.languages is None):
            lines.append(f"{task.name} is measured in {len(measured)} of its {len(task.languages)} languages.")
    return lines


def translated(expansion: Expansion, store: Store) -> list[str]:
    """Languages that a recipe has seen labels in, and what its translations left out."""
    lines = []
    for recipe in expansion.experiment.recipes:
        parts = [part for phase in recipe.phases for part in phase.tasks if part.translated_by]
        codes = dict.fromkeys(code for part in parts for code in part.spoken(SOURCE) if code != SOURCE)
        if codes:
            lines.append(
                f"{recipe.label} is trained on translations: its scores in {', '.join(codes)} are not zero-shot."
            )
    made = [store.finished(stage) for stage in graph(expansion.stages()) if stage.kind == "translate"]
    counts = [words_for(read_json(folder / "counts.json")) for folder in made if folder is not None]
    return [*lines, *(f"Translation of {words}." for words in dict.fromkeys(counts))]


def _note(spec: BackboneSpec) -> str:
    if spec.source:
        return spec.source
    return f"{spec.architecture}, random start, {len(spec.pretrain)} pretraining phases"


def _languages(table: ScoreTable, micro: bool) -> tuple[Named, ...]:
    """English first; microworld languages by growing distance, others by family and name."""
    codes = list(table.distinct("language"))
    if micro:
        from xstilts.microworld import LANGUAGES

        known = [code for code in LANGUAGES if code in codes]
        return tuple(Named(code, LANGUAGES[code].name, _kind(code)) for code in known)
    named = []
    for code in codes:
        try:
            found = language(code)
            named.append(Named(code, found.name, found.family))
        except UnknownName:
            named.append(Named(code))
    return tuple(sorted(named, key=lambda one: (one.key != "en", one.note != "Indo-European", one.note, one.name)))


def _kind(code: str) -> str:
    from xstilts.microworld import LANGUAGES

    found = LANGUAGES[code]
    return f"{found.order}, {found.morphology}, lexical distance {found.lexical_distance:g}"


def report_folder(experiment: Experiment, store: Path) -> Path:
    """Where an experiment's report is written."""
    return store / "reports" / experiment.name
