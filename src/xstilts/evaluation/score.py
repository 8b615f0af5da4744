"""Scores of anyone's prediction files, without a model.

Gold is a file that the task's own reader reads, or a label file of XTREME, which has the form of a submission.
Predictions are JSON lines `{"id": ..., "prediction": ...}`, or in the form of an XTREME submission. Files that do not
belong together (gold taken away, cut sentences, shifted lines) are refused with file and line, where the official
scripts give a number. `types.toml` names the function that compares the files of a type of task.
"""

import re
from itertools import chain
from pathlib import Path

from xstilts import __version__
from xstilts.core.decoding import unpacked_name
from xstilts.core.errors import ConfigError, DataError, UnknownName
from xstilts.core.files import held, kind_of, read_json
from xstilts.core.languages import LANGUAGES, meant
from xstilts.core.scores import Score
from xstilts.data.examples import ChoiceExample, Example, ParallelExample, PoolExample, TaggedExample, asked, gold_of
from xstilts.data.readers.common import records, shown
from xstilts.data.readers.pairs import nli
from xstilts.data.readers.tagging import panx, treebank, udpos
from xstilts.data.readers.text import tatoeba
from xstilts.data.readers.types import TYPES
from xstilts.evaluation import prediction_files as forms
from xstilts.evaluation import score_checks as checks
from xstilts.evaluation.prediction_files import Entry, values_of
from xstilts.evaluation.score_checks import Matched, ScoredFiles, by_id, in_order
from xstilts.metrics import METRICS
from xstilts.metrics.retrieval import group_pairs
from xstilts.tasks import TASKS, Task

_TATOEBA_ROWS = 1000
"""The most candidates of a language in XTREME."""
ALSO = {"udpos": ("span_f1_seqeval_1",)}
"""Task -> further metrics: XTREME's F1 of tags without prefixes depends on seqeval's version."""


def score_files(task: Task | str, language: str, gold: Path, predictions: Path) -> list[Score]:
    """Every value of the task's metric, the main one first.

    `majority` is 0 for values without a majority baseline (precision, recall). Questions without a
    prediction count 0, as in the official scripts; the signature says how many there are. It also has a note if a
    file's name or ids name another language of the task. The language of a tagging task, whose data sets grow, may be
    any known one.

    Raises:
        UnknownName: a task or language that cannot be scored.
        ConfigError: prediction files of this type of task cannot be scored.
        DataError: files are malformed, have no gold, or do not belong together.
    """
    found = task if isinstance(task, Task) else registered(task)
    if not (match := TYPES.get(found.type).score):
        problem = f"prediction files of {found.type} tasks ('{found.name}') cannot be scored"
        raise ConfigError(f"{problem}; those of {', '.join(one.name for one in TYPES if one.score)} can")
    code = language if language in found.languages else meant(language)
    real = code in LANGUAGES and not code.startswith("qa")  # and not constructed
    if code not in found.languages and not (found.type == "tagging" and real):
        raise UnknownName(f"language of {found.name}", language, found.languages)
    with held():
        checks.check_files(files := ScoredFiles(found, code, gold, predictions))
        matched: Matched = globals()[match](files)
        variant = forms.variant_of(predictions)
    # The first of several words in a name is not a language (`my-test.tsv`; but `de.json`).
    split = ((path.name, re.split(r"[._-]", unpacked_name(path))) for path in (gold, predictions))
    named = (checks.language_note(files, name, words[len(words) > 2 :]) for name, words in split)
    note = (f" | {variant}" if variant else "") + matched.note + "".join(dict.fromkeys(named))
    scores: list[Score] = []
    for name, metric in ((name, METRICS.get(name)) for name in (found.metric, *ALSO.get(found.name, ()))):
        ratios = metric.function(matched.golds, matched.predictions, code)
        signature = f"{metric.script} | {gold.name} | n={matched.n}{note} | xstilts {__version__}"
        for value in metric.values if name == found.metric else (metric.main,):
            judge = metric.baselines.get(value) or (METRICS.get(value).majority if value in METRICS else None)
            majority = judge(matched.golds) if judge else 0.0
            row = Score(
                task=found.name, language=code, split="gold", metric=value if name == found.metric else name,
                value=ratios[value].value, n=matched.n, majority=majority, seed=0, recipe="", backbone="",
                main=not scores, signature=signature,
            )  # fmt: skip
            scores.append(row)
    return scores


def registered(name: str) -> Task:
    """A registered task whose files can be scored. Raises `UnknownName`."""
    scorable = {task.name: task for task in TASKS if TYPES.get(task.type).score and task.metric}
    if name not in scorable:
        own = " (a task of your own needs --experiment FILE)"
        raise UnknownName("task with scorable files", name, scorable, more=own)
    return scorable[name]


def match_labels(files: ScoredFiles) -> Matched:
    """One label each, in the order of gold or by id."""
    golds, predictions = _gold_labels(files), forms.labels(files.predictions)
    named = any(one.id and not one.id.isdecimal() for one in predictions)
    if files.task.read is nli and (named or len(predictions) != len(golds)):
        # The reader leaves out SNLI's and MultiNLI's pairs on which annotators did not agree (`-`), and counts lines.
        whole = []
        for row in records(files.gold):
            name = row.record.get("uid", row.record.get("pairID", row.line)) if named else row.line
            whole.append(Entry(row.line, row.record.get("gold_label", row.record.get("label")), str(name)))
        kept = [one for one in whole if one.value != "-"]
        asked_for = next((some for some in (kept, whole) if len(some) == len(predictions)), [])
        if asked_for and len(kept) == len(golds):
            said = zip(asked_for, in_order(files, asked_for, predictions))
            agreed = (one for gold, one in said if gold.value != "-")
            predictions = [one._replace(id=gold.id) for gold, one in zip(golds, agreed)]
    return _matched(files, golds, predictions, "label")


def match_choices(files: ScoredFiles) -> Matched:
    """Numbers of choices, counted from 0, in `.lst` files from 1; letters are read as numbers."""
    if _is_own(files):
        return checks.own_choices(files, [one for one in _examples(files) if isinstance(one, ChoiceExample)])
    golds, predictions = _gold_labels(files), _numbered(files.predictions)
    matched = _matched(files, golds, predictions, "label")
    most = max((int(item.value) for item in golds if item.value.isdecimal()), default=0)
    beyond = [item for item in predictions if item.value.isdecimal() and int(item.value) > most]
    if len(golds) > checks.ENOUGH_ROWS and beyond and "0" not in values_of(predictions):
        problem = f"choice {beyond[0].value} is not in gold, which counts from 0; only a .lst file may count from 1"
        raise DataError(problem, files.predictions, beyond[0].line)
    return matched


def _matched(files: ScoredFiles, golds: list[Entry], predictions: list[Entry], what: str) -> Matched:
    checks.check_gold(files, golds)
    note = checks.check_labels(files, golds, predictions) if what == "label" else ""
    checks.check_count(files, golds, predictions, what)
    return Matched(values_of(golds), values_of(in_order(files, golds, predictions)), len(golds), note)


def _gold_labels(files: ScoredFiles) -> list[Entry]:
    choices = files.task.type == "multiple_choice"
    first = "" if _is_own(files) else forms.lines_of(files.gold)[0].value.strip()
    if first in files.task.labels or re.fullmatch("[0-9A-E]", first):  # a file of labels alone
        found = _numbered(files.gold) if choices else forms.labels(files.gold)
        if choices and len(found) > checks.ENOUGH_ROWS and all(re.fullmatch("[1-9]", one.value) for one in found):
            raise DataError("no choice is 0: choices are counted from 0, except in .lst files", files.gold)
        return found
    items = _read(files)
    return [item._replace(value=str(item.value)) if choices and item.value is not None else item for item in items]


def _numbered(path: Path) -> list[Entry]:
    """Choices counted from 0, as text. Raises `DataError` for a number in a `.lst` file that does not count from 1."""
    found = []
    for item in forms.labels(path):
        number = str(ord(item.value.upper()) - ord("A")) if re.fullmatch("[A-Ea-e]", item.value) else item.value
        if kind_of(path) == "lst":
            if not re.fullmatch("[1-9]", number):
                raise DataError(f"a .lst file counts choices from 1, found {shown(number)}", path, item.line)
            number = str(int(number) - 1)
        found.append(item._replace(value=number))
    return found


def _is_own(files: ScoredFiles) -> bool:
    return files.task.name not in TASKS


def _examples(files: ScoredFiles) -> list[Example]:
    return list(files.task.read(files.gold, files.language))


def _read(files: ScoredFiles) -> list[Entry]:
    """Gold and ids by the task's reader."""
    return [Entry(None, gold_of(one), one.id) for one in _examples(files) if asked(one)]


def match_tags(files: ScoredFiles) -> Matched:
    """One tag per word, sentence by sentence."""
    checks.check_columns(files)
    golds = _tags(files, files.gold, plain=not _is_own(files))
    predictions = _tags(files, files.predictions, plain=True)
    if len(golds) == len(predictions):
        predictions = in_order(files, golds, predictions)
    flat, tags = ([tag for sentence in side for tag in sentence.value] for side in (golds, predictions))
    checks.check_gold(files, flat)
    note = checks.check_labels(files, flat, tags)
    checks.check_sentences(files, golds, predictions)
    right, said = ([values_of(one.value) for one in side] for side in (golds, predictions))
    return Matched(right, said, len(golds), note)


def _tags(files: ScoredFiles, path: Path, plain: bool) -> list[Entry]:
    """Sentences in the forms of predictions if they are `plain` and the file begins so, else by the task's reader."""
    if plain and forms.is_json_lines(path):
        return forms.sentences(path)
    if plain:
        line, first, _ = next(one for one in forms.plain_lines(path) if one.value.strip())
        cells = first.split("\t")
        if len(cells) <= 2 and " " not in cells[-1].strip() and not first.startswith("# "):
            return forms.sentences(path)
        if len(cells) == 1 and files.task.read in (panx, udpos) and first.split()[-1] in files.task.labels:
            raise DataError(f"a blank between word and tag in {shown(first)}: put a tab there", path, line)
    read = treebank if files.task.read is udpos else files.task.read
    found = []
    for one in read(path, files.language):
        tags = zip(one.tags, one.words) if isinstance(one, TaggedExample) and one.tags else [(None, None)]
        found.append(Entry(None, [Entry(None, tag, word) for tag, word in tags], one.id))
    return found


def match_answers(files: ScoredFiles) -> Matched:
    """Answers by the question's id."""
    said, golds = forms.answers(files.predictions), {str(one.id): one.value for one in _read(files)}
    if files.task.name == "tydiqa":  # predictions for the official file answer questions of nine languages
        others = LANGUAGES.keys() - {files.language}
        said = {name: text for name, text in said.items() if meant(name.partition("-")[0]) not in others}
    for name, answers in golds.items():
        if answers is None:
            raise DataError("gold is withheld in this file: take the official file", files.gold)
        if not answers and files.task.metric != "squad_v2":
            raise DataError(f"question {shown(name)} has no answer; that is for squad_v2 only", files.gold)
        if name.endswith("#2") and name not in said:
            twice = shown(name.removesuffix("#2"))
            raise DataError(f"question id {twice} occurs twice: predictions could not be told apart", files.gold)
    return by_id(files, {name: [answer.text for answer in answers] for name, answers in golds.items()}, said, None)


def match_numbers(files: ScoredFiles) -> Matched:
    """Numbers of candidates; or ids of translations, where gold is the official text.

    Our rows say which line translates an id, XTREME's numbers which one translates the sorted English sentences.
    """
    numbers = [bool(re.fullmatch(r"\W*[0-9]+\W*", text)) for _, text, _ in forms.lines_of(files.gold)]
    if not _is_own(files) and 10 * sum(numbers) >= len(numbers):
        return _indices(files, forms.indices(files.gold))
    examples = [one for one in _examples(files) if isinstance(one, ParallelExample)]
    if forms.is_json_lines(files.predictions):
        rows = forms.json_rows(files.predictions)
        answers = {str(row.id): forms.scalar(row.value, "an id", files.predictions, row.line) for row in rows}
        ids = {one.id: one.id for one in examples}
        if odd := next((row for row in rows if answers[str(row.id)] not in ids), None):
            raise DataError(f"{shown(odd.value)} is not an id in {files.gold}", files.predictions, odd.line)
        return by_id(files, ids, answers, None)
    if files.task.read is not tatoeba:
        raise DataError(f"numbers have no fixed order in {files.task.name}: give JSON lines", files.predictions)
    order = sorted(range(len(examples)), key=lambda number: examples[number].target.strip())
    return _indices(files, [Entry(None, number) for number in order])._replace(note=" | English sorted, as XTREME")


def _indices(files: ScoredFiles, entries: list[Entry]) -> Matched:
    """Refuses numbers beyond the last candidate, and those that fit gold better if they are read otherwise."""
    matched = _matched(files, entries, predictions := forms.indices(files.predictions), "index")
    golds, said, size = matched.golds, values_of(predictions), len(entries)
    most = size if set(golds) == set(range(size)) else max(_TATOEBA_ROWS, max(golds) + 1)
    if beyond := next((item for item in predictions if item.value >= most), None):
        problem = f"candidate {beyond.value} is beyond the last, {most - 1}: XTREME counts candidates from 0"
        raise DataError(problem, files.predictions, beyond.line)
    checks.check_numbers(files, golds, said)
    return matched


def match_rankings(files: ScoredFiles) -> Matched:
    """Candidates, best first, by the query's id."""
    known, document = set[str](), None if forms.is_json_lines(files.gold) else read_json(files.gold)
    if isinstance(document, dict) and "data" not in document:
        golds = forms.rankings(files.gold)
    else:
        called = files.gold.name.partition(".")[0]
        if files.task.name == "lareqa" and called != files.language:
            raise DataError(f"expected the name {files.language}.json, as in the release", files.gold)
        examples = [one for one in _examples(files) if isinstance(one, PoolExample)]
        golds = {one.id: list(one.gold or ()) for one in examples if one.query}
        known = {one.id for one in examples if not one.query}
    if (query := next((name for name, relevant in golds.items() if not relevant), None)) is not None:
        raise DataError(f"query {shown(query)} has no relevant candidate", files.gold)
    if not golds:
        raise DataError("holds no queries", files.gold)
    said = forms.rankings(files.predictions)
    right, ranked = set(chain(*golds.values())), [*chain(*said.values())]
    if len(said) > checks.ENOUGH_ROWS and ranked and not right.intersection(ranked):
        problem = f"not one candidate is relevant for any query: {shown(ranked[0])} here"
        raise DataError(f"{problem}, {shown(min(right))} in {files.gold}", files.predictions)
    pool = {name.partition("_")[0] for name in known}
    note = f" | candidates of {len(pool)} languages" if files.task.name == "lareqa" else ""
    if odd := next((name for name in ranked if name.partition("_")[0] in pool and name not in known), None):
        raise DataError(f"candidate {shown(odd)} is not in the pool, {shown(min(known))} is", files.predictions)
    return (matched := by_id(files, golds, said, []))._replace(note=note + matched.note)


def match_pairs(files: ScoredFiles) -> Matched:
    """Mined pairs, which are a set."""
    if not (golds := forms.pairs(files.gold)):
        raise DataError("holds no pairs", files.gold)
    said = forms.pairs(files.predictions)
    for column, there, here in zip(("first", "second"), zip(*golds), zip(*said)):
        known = {re.sub("[0-9]+", "", name) for name in there}  # few sentences have gold: the ids may be others
        if odd := next((name for name in here if re.sub("[0-9]+", "", name) not in known), None):
            problem = f"ids of the {column} column look different from those in {files.gold}"
            raise DataError(f"{problem}: {shown(odd)} here, {shown(there[0])} there", files.predictions)
    name = golds[0][0]
    note = checks.language_note(files, name, [name.partition("-")[0]])
    return Matched(*group_pairs(golds, said), len(set(golds)), note)
