"""Files, rows and languages that a user may expect to be read and are not."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from xstilts.core.errors import count
from xstilts.core.languages import LANGUAGES, instead
from xstilts.data.locate import folders_of, passed_over, second_choices, strangers
from xstilts.data.readers.columns import ColumnReader
from xstilts.expand.data import in_codes
from xstilts.experiment import Experiment, TargetSpec
from xstilts.session.grid import Grid
from xstilts.stages.reading import root_of


def absent(target: TargetSpec, experiment: Experiment, grid: Grid) -> Iterator[str]:
    """Languages of a target that should be measured and have no file."""
    task, own = grid.experiment.task(target.task), experiment.tasks.get(target.task)
    cell = next((one for one in grid.cells if one.task == task.name and one.role == "target"), None)
    if cell is None or experiment.worlds:
        return
    stage = cell.stage.inputs["data"]
    split, measured = stage.config["split"], stage.config["languages"]
    asked = target.languages or experiment.languages
    named = list(task.languages) if own is None or own.languages is not None else []
    if missing := [code for code in asked or named if code in (named or task.languages) and code not in measured]:
        shown = ", ".join(missing[:12]) + (f" and {len(missing) - 12} more" if len(missing) > 12 else "")
        looked = f" (looked for {' or '.join(task.files[split])})" if own else ""
        yield f"{task.name}: no {split} file for {shown}{looked}; measured in {count(len(measured), 'language')}"
    odd = strangers(folders_of(root_of(stage.settings)), task.files.get(split, ())) if own and own.type else {}
    if own and own.languages is not None:  # then only a second file of a measured language is odd
        odd = {form: code for form, code in odd.items() if code in measured and code in LANGUAGES and form != code}
    for code in measured if own else ():
        if code in LANGUAGES and (other := instead(code)) and other not in measured:
            names = LANGUAGES[code].name, LANGUAGES[other].name
            yield f"{task.name}: '{code}' is read as {names[0]}; the code of {names[1]} is '{other}'"
    if odd:
        yield f"{task.name}: files are not read for {in_codes(odd)}"


def unread(experiment: Experiment, grid: Grid) -> Iterator[str]:
    """Files beside those of own tasks that a user may take for read."""
    if experiment.worlds:
        return
    roots = (experiment.folder, *grid.data)
    for name in experiment.own_names:
        for split, patterns in experiment.task(name).files.items():
            for file, why in passed_over(roots, patterns).items():
                yield f"{name}: {file} is not read ({why})"
            there = experiment.task(name).available(roots, split) if len(patterns) > 1 else []
            seconds = (pair for code in there for pair in second_choices(roots, patterns, code))
            for first, second in dict.fromkeys(seconds):
                yield f"{name}: {second} is not read, since {first} has files; '{first} + {second}' reads both"


def spelled(experiment: Experiment, files: Mapping[Path, str]) -> Iterator[str]:
    """How a column of own files spells languages, and rows whose language is unknown."""
    for path, name in files.items():
        if name not in experiment.tasks:
            continue
        task = experiment.task(name)
        for note in task.read.languages_told(path, task.languages) if isinstance(task.read, ColumnReader) else []:
            yield f"{path.name}: {note}"
