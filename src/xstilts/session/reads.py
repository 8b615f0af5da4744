"""The data files of an experiment: which are read twice, which changed since a run, and which are not read."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from xstilts.core.errors import DataError, XstiltsError, count
from xstilts.core.files import read_object
from xstilts.core.languages import LANGUAGES, instead
from xstilts.data.examples import Example, asked, texts_of
from xstilts.data.locate import folders_of, listed_once, passed_over, second_choices, strangers
from xstilts.data.readers.columns import ColumnReader
from xstilts.expand.data import in_codes
from xstilts.experiment import Experiment, TargetSpec
from xstilts.graph.stage import Stage
from xstilts.graph.store import Store
from xstilts.session.grid import Grid
from xstilts.sources.manifest import official_rows
from xstilts.stages.checksums import DIGESTS, DataSource, digest, kept_digest, remembered
from xstilts.stages.reading import root_of, rows_before_limit, split_of, task_of
from xstilts.tasks import TASKS, Task
from xstilts.tasks.base import Split, task_from_json


class Read(NamedTuple):
    """A split of a task in one language that is read from some data folders."""

    task: Task
    roots: tuple[Path, ...]
    split: Split
    language: str

    @property
    def place(self) -> str:
        return f"{self.task.name}, {self.split}, {self.language}"

    @property
    def paths(self) -> list[Path]:
        """The files that are read. Raises `DataError` where they are missing."""
        return self.task.paths(self.roots, self.split, self.language)


def reads(stages: Iterable[Stage]) -> Iterator[Read]:
    """The splits that prepare stages and trained tokenizers read, each once, without microworlds."""
    seen = set()
    for stage in stages:
        if stage.kind == "tokenizer" and "trained" in stage.config and "world" not in stage.inputs:
            for asked_of, files in zip(stage.settings["tasks"], stage.config["data"], strict=True):
                task = task_from_json(asked_of)
                for code in files:
                    if (task.name, "train", code) not in seen:
                        seen.add((task.name, "train", code))
                        yield Read(task, folders_of(root_of(stage.settings)), "train", code)
        if stage.kind == "prepare" and "world" not in stage.inputs:
            for code in stage.config["languages"]:
                about = (stage.config["task"], split_of(stage.config), code)
                if f"translation_{code}" not in stage.inputs and about not in seen:
                    seen.add(about)
                    roots = folders_of(root_of(stage.settings))
                    yield Read(task_of(stage), roots, about[1], code)


def odd_counts(counts: Iterable[tuple[str, Split, str, int]]) -> Iterator[str]:
    """A note for each split of a registered task whose files have another number of examples than the release.

    Args:
        counts: task, split, language, examples.
    """
    odd: dict[tuple[str, Split], list[str]] = defaultdict(list)
    for task, split, code, number in counts:
        official = official_rows(task, split).get(code, number)
        parts = any("*" in pattern for pattern in TASKS.get(task).files[split])  # then fewer are a part of the release
        if number > official or (number < official and not parts):
            odd[task, split].append(f"{code} {number:,} of {official:,}")
    for (task, split), found in odd.items():
        shown = ", ".join(found[:6]) + (f" and {len(found) - 6} more" if len(found) > 6 else "")
        yield f"{task} ({split}): not the official number of examples ({shown}): `xstilts data check {task}` says more"


def uneven(stages: Iterable[Stage]) -> DataError | None:
    """The error for the first file of an own task that lacks a text that another file of the task has."""
    first: dict[str, tuple[Path, frozenset[str]]] = {}
    for task, roots, split, language in reads(stages):
        if isinstance(task.read, ColumnReader):
            for path in task.paths(roots, split, language):
                parts = task.read.parts(path, language)
                other, theirs = first.setdefault(task.name, (path, parts))
                for field in sorted(parts ^ theirs):
                    names = " or ".join(map(repr, task.read.columns[field]))
                    lacks, has = (path, other) if field in theirs else (other, path)
                    problem = f"no column {names} for `{field}`, which {has} has: models would read other inputs here"
                    return DataError(f"{problem}; add it, or name its column under `columns`", lacks)
    return None


def same_files(stages: Iterable[Stage]) -> Iterator[str]:
    """A note for each content that several files, several splits, or one split twice have."""
    groups: dict[str, dict[tuple[Path, Split], Read]] = defaultdict(dict)
    for read in reads(stages):
        paths = read.paths
        for path in dict.fromkeys(paths):
            if paths.count(path) > 1:
                yield f"{path.name} ({read.place}) is named {paths.count(path)} times: its rows are read that often"
            groups[digest(path)].setdefault((path, read.split), read)
    for group in groups.values():
        if len(group) > 1:
            named = [
                f"{short_name(path, [path for path, _ in group])} ({read.place})" for (path, _), read in group.items()
            ]
            shown = ", ".join(named[:4]) + (f" and {len(named) - 4} more" if len(named) > 4 else "")
            yield f"the same content: {shown}: {_why([*group.values()])}"


def short_name(path: Path, paths: Iterable[Path]) -> str:
    """The name of one of some files, after its folder's if another file has the same."""
    same = any(other.name == path.name for other in paths if other != path)
    return "/".join(path.parts[-2:]) if same else path.name


def _why(group: Sequence[Read]) -> str:
    splits = {read.split for read in group}
    if len(splits) > 1:
        return "test data are training data" if "train" in splits else "weights are selected on test data"
    if len({read.language for read in group}) > 1:
        return "is a file not translated, or in the wrong place?"
    return "are these different data?" if len({read.task.name for read in group}) > 1 else "its rows count twice"


def same_rows(pairs: Iterable[tuple[Stage, Stage]], found: Iterable[Read], own: Collection[str]) -> Iterator[str]:
    """A note for each of the `own` tasks whose test examples are training examples, but for case and punctuation.

    Leak stages compare more, but each language with itself. Files of the same content are left to `same_files`. The
    validation data of a task are compared with its training and its test data.

    Args:
        pairs: prepare stages of training and test data.
        found: the splits that are read.
    """
    splits: dict[tuple[str, Split], dict[str, Read]] = defaultdict(dict)
    for read in found:
        if read.task.name in own:
            splits[read.task.name, read.split][read.language] = read
    sides: dict[tuple[str, str], tuple[dict[str, Read], dict[str, Read]]] = {}
    for name in dict.fromkeys(name for name, split in splits if split == "validation"):
        training, validation, test = (splits.get((name, split), {}) for split in ("train", "validation", "test"))
        sides[f"training examples of {name}", f"{name}: validation examples"] = training, validation
        sides[f"validation examples of {name}", f"{name}: test examples"] = validation, test
    for pair in pairs:
        train, test_name = pair[0].config["task"], pair[1].config["task"]
        if {train, test_name} <= set(own):
            measured = f"{test_name}: {split_of(pair[1].config)} examples"
            both = sides.setdefault((f"training examples of {train}", measured), ({}, {}))
            for side, stage in zip(both, pair, strict=True):
                side.update({read.language: read for read in reads([stage])})
    for (first, second), (trained, tested) in sides.items():
        with suppress(XstiltsError):  # a damaged file, which is reported elsewhere
            known = {digest(path) for read in trained.values() for path in read.paths}
            wanted = [read for read in tested.values() if not {digest(path) for path in read.paths} <= known]
            texts = {_texts(one) for read in trained.values() for one in _rows(read)} if wanted else set()
            counts = {read.language: [_texts(one) in texts for one in _rows(read)] for read in wanted}
            if said := [f"{sum(same)} of {len(same)} in {code}" for code, same in counts.items() if any(same)]:
                yield f"{second} that are {first}, word for word: {', '.join(said)}"


def _rows(read: Read) -> Iterator[Example]:
    return filter(asked, read.task.stream(read.roots, read.split, read.language))


def _texts(example: Example) -> int:
    """A hash of all its texts, without case, punctuation and blanks: it takes less memory than they do."""
    return hash(tuple(" ".join(re.findall(r"\w+", text.casefold())) or text.strip() for text in texts_of(example)))


def is_sample(stages: Iterable[Stage]) -> bool:
    """Whether `limit` leaves any rows out, or may do so; raw text is not counted."""
    for stage in stages:
        limit = stage.config.get("limit") if stage.kind == "prepare" else None
        if limit and not any(role.startswith("translation_") for role in stage.inputs):
            try:
                if max(rows_before_limit(stage, stage.config["languages"], limit + 1)[0].values()) > limit:
                    return True
            except XstiltsError:  # reported elsewhere
                return True
    return False


def may_be_sample(stages: Iterable[Stage], store: Store) -> bool:
    """Whether as many rows as `limit` allows were prepared, or an unfinished stage may do so."""
    for stage in stages:
        if stage.kind == "prepare" and (limit := stage.config.get("limit")):
            files = store.directory(stage).glob("*/features.json")
            if max((read_object(file).get("examples", limit) for file in files), default=limit) >= limit:
                return True
    return False


def changed_files(stages: Iterable[Stage], store: Store) -> list[str]:
    """A sentence about files that are not those that stages have read; none if the data are elsewhere.

    A file with the size and time that it had then is not read.
    """
    seen: dict[tuple[Path, ...], list[tuple[str, bool, bool]]] = defaultdict(list)
    with remembered(store.root / DIGESTS), listed_once():
        for stage in stages:
            if stage.kind == "prepare" and "world" not in stage.inputs:
                roots = folders_of(root_of(stage.settings))
                for code, before in stage.config["files"].items():
                    if now := _digests(stage, roots, code):
                        seen[roots] += [
                            (name + " (gone)" * (name not in now), name in now, before.get(name) == now.get(name))
                            for name in sorted(before.keys() | now.keys())
                        ]
                    else:
                        gone = "not all there" if len(before) > 1 else "gone"
                        seen[roots].append((f"{', '.join(sorted(before))} ({gone})", False, False))
    here = [one for found in seen.values() if any(there for _, there, _ in found) for one in found]
    odd = list(dict.fromkeys(name for name, _, same in here if not same))
    if not odd:
        return []
    shown = ", ".join(odd[:4]) + (f" and {len(odd) - 4} more" if len(odd) > 4 else "")
    return [f"files changed since this run: {shown}; `xstilts run` recomputes the results"]


def _digests(stage: Stage, roots: tuple[Path, ...], code: str) -> Mapping[str, str]:
    """Name -> digest of the files that a stage would read now; empty if any is missing."""
    try:
        task = task_from_json(stage.settings["task"])
        found = DataSource(roots).checksums(task, split_of(stage.config), [code], kept_digest)
    except (XstiltsError, OSError):
        return {}
    return dict(found[code])


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
        lacking = "file or rows" if own and "language" in own.columns else "file"
        yield f"{task.name}: no {split} {lacking} for {shown}{looked}; measured in {count(len(measured), 'language')}"
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
    own = (one for one in reads(grid.stages) if one.task.name in experiment.tasks)
    read = {path.name for one in own for path in one.paths}
    for name in experiment.own_names:
        for split, patterns in experiment.task(name).files.items():
            odd = passed_over(roots, patterns).items()
            yield from (f"{name}: {file} is not read ({why})" for file, why in odd if file not in read)
            there = experiment.task(name).available(roots, split) if len(patterns) > 1 else []
            seconds = (pair for code in there for pair in second_choices(roots, patterns, code))
            for first, second in dict.fromkeys(seconds):
                yield f"{name}: {second} is not read, since {first} has files; '{first} + {second}' reads both"


def spelled(experiment: Experiment, files: Iterable[tuple[str, str, Path]]) -> Iterator[str]:
    """Notes on the spelling of languages in a column of own files, and on rows that are left out.

    Args:
        files: task, language in which it is read, file.
    """
    read: dict[tuple[str, Path], list[str]] = defaultdict(list)
    for name, code, path in files:
        read[name, path].append(code)
    for (name, path), codes in read.items():
        if name in experiment.tasks and isinstance(reader := (task := experiment.task(name)).read, ColumnReader):
            shown = short_name(path, (other for _, other in read))
            yield from (f"{shown}: {note}" for note in reader.languages_told(path, task.languages, codes))
