"""A task of the user's own in an experiment file: what it becomes, what is refused and where, what is in its keys."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from stages.tiny_experiment import BACKBONE, tiny_experiment
from xstilts.core.errors import ConfigError, DataError
from xstilts.core.languages import LANGUAGES
from xstilts.data.readers.columns import ColumnReader
from xstilts.data.readers.types import TYPES
from xstilts.expand import Expansion
from xstilts.graph.stage import Stage, graph
from xstilts.session.loading import load
from xstilts.stages.reading import task_of
from xstilts.tasks import TASKS, Task
from xstilts.tasks.base import form_of, task_from_json, task_to_json

DOCS = Path(__file__).parents[2] / "docs" / "own-task.md"
START = """\
name: own
backbones: [{name: x, source: somewhere}]
recipes: [[]]
targets: [mine]
tasks:
  mine:
"""
GOOD = """\
    type: classification
    files: {train: mine/train.csv, test: "mine/{language}.jsonl"}
    columns:
      text: body
    labels: [b, a]
    languages: [en, de]
"""


def load_in(folder: Path, task: str, before: str = START) -> Any:
    (folder / "own.yaml").write_text(before + task)
    return load(folder / "own.yaml")


def mine(folder: Path, task: str) -> Task:
    found: Task = load_in(folder, task).task("mine")
    return found


def test_the_experiment_in_the_docs_loads(tmp_path: Path) -> None:
    text = DOCS.read_text(encoding="utf-8").split("```yaml\n")[1].split("```")[0]
    experiment = load_in(tmp_path, text, before="")
    support, places = experiment.task("support"), experiment.task("places")
    assert (support.type, support.metric, support.labels) == (
        "classification",
        "accuracy",
        ("billing", "other", "technical"),
    )
    assert (places.type, places.metric, places.main, places.languages) == ("tagging", "entity_f1", "f1", ("en", "yo"))
    assert experiment.tasks["places"].finds_labels


def test_the_table_in_the_docs_names_every_type_and_field() -> None:
    text = DOCS.read_text(encoding="utf-8")
    for kind in (kind for kind in TYPES if kind.make):
        row = next(line for line in text.splitlines() if line.startswith(f"| {kind.name} |"))
        assert all(f"`{name}`" in row for names in kind.fields.values() for name in names if isinstance(name, str))


def test_what_an_own_task_becomes(tmp_path: Path) -> None:
    task = mine(tmp_path, GOOD)
    assert (task.name, task.type, task.labels, task.languages) == ("mine", "classification", ("b", "a"), ("en", "de"))
    assert (task.metric, task.main, task.train_on, task.evaluate_on) == ("accuracy", "accuracy", "mine", "test")
    assert isinstance(task.read, ColumnReader)
    assert (task.read.columns["text"], task.read.labels) == (("body",), ("b", "a"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{type: span_qa, files: {validation: a.jsonl}}", ("squad_v1", "f1", 384, "validation", False)),
        ("{type: span_qa, files: {test: a.jsonl}, metric: squad_v2}", ("squad_v2", "f1", 384, "test", True)),
        (
            "{type: retrieval, files: {test: a.tsv}, languages: [de]}",
            ("bitext_accuracy", "accuracy", 512, "test", False),
        ),
        (
            "{type: tagging, files: {test: a.tsv}, metric: token_accuracy, labels: [A, B], max_length: 64}",
            ("token_accuracy", "token_accuracy", 64, "test", False),
        ),
        ("{type: masked_lm, files: {train: a.txt}}", ("", "", 128, "test", False)),
        ("{like: squad_v1, files: {test: a.json}}", ("squad_v1", "f1", 384, "test", False)),
    ],
)
def test_defaults_by_type(tmp_path: Path, text: str, expected: tuple[Any, ...]) -> None:
    before = START.replace("targets: [mine]", "targets: [tatoeba]").replace("  mine:\n", "  mine: ")
    task = load_in(tmp_path, text + "\n", before).task("mine")
    found = (task.metric, task.main, task.encoding.max_length, task.evaluate_on, task.encoding.no_answer)
    assert found == expected


TAGGED = "    type: tagging\n    files: {train: mine/train.tsv, test: mine/train.tsv}\n"


def test_tags_are_scored_as_entities(tmp_path: Path) -> None:
    for metric in ("", "    metric: entity_f1\n"):
        task = mine(tmp_path, TAGGED + metric + "    labels: [O, B-person-other, B-location-other]\n")
        assert (task.metric, task.main) == ("entity_f1", "f1")
    assert mine(tmp_path, "    like: udpos\n    files: {train: a.tsv, test: a.tsv}\n").metric == "span_f1"


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        (
            GOOD.replace("text: body", "text: body\n      pair: body"),
            11,
            "column 'body' is used for `text` and `pair`",
        ),
        (GOOD.replace("body", "label"), 9, "column 'label' is used for `text` and `label`: give each field its own"),
        (TAGGED + "    columns: {words: 2}\n", 9, "column '2' is used for `words` and `tags`"),
        (
            "    type: multiple_choice\n    files: {test: a.csv}\n    columns: {choices: [a, a]}\n",
            9,
            "column 'a' is used for two of `choices`",
        ),
        (
            TAGGED + "    labels: [NOUN, VERB]\n",
            9,
            "found 'NOUN', 'VERB': set `metric: token_accuracy` .parts of speech",
        ),
        (TAGGED + "    labels: [O, LOC-B]\n", 9, "put the prefix before the type"),
        (TAGGED + '    labels: ["a ", "\\u00a0a"]\n', 9, "label 'a' occurs twice"),
        (TAGGED + '    labels: ["a", "\\u200b "]\n', 9, "a label is empty"),
        (TAGGED + "    count_from: 1\n", 9, "tagging has no numbered choices"),
        (
            "    like: copa\n    files: {test: a.jsonl}\n    count_from: 1\n",
            9,
            "`count_from` goes with `type: multiple",
        ),
        (
            "    type: multiple_choice\n    files: {test: a.csv}\n    labels: [A, B]\n    count_from: 1\n",
            10,
            "give it or `labels`, not both",
        ),
        ("    type: multiple_choice\n    files: {test: a.csv}\n    count_from: 2\n", 9, "count_from: .* 0 or 1"),
    ],
)
def test_tags_labels_and_counting_that_do_not_fit_are_named_by_line(
    tmp_path: Path, text: str, line: int, message: str
) -> None:
    with pytest.raises(ConfigError, match=rf"own\.yaml:{line}: .*{message}"):
        load_in(tmp_path, text)


def test_choices_that_count_from_1(tmp_path: Path) -> None:
    text = "    type: multiple_choice\n    files: {train: a.csv, test: a.csv}\n"
    silent, told = mine(tmp_path, text).read, mine(tmp_path, text + "    count_from: 1\n").read
    assert isinstance(silent, ColumnReader)
    assert isinstance(told, ColumnReader)
    assert "count_from" not in silent.to_json()
    assert told.to_json()["count_from"] == 1
    assert ColumnReader.from_json(json.loads(json.dumps(told.to_json()))) == told


def test_given_labels_lose_the_blanks_around_them(tmp_path: Path) -> None:
    assert mine(tmp_path, GOOD.replace("[b, a]", '["b ", "\\u00a0a"]')).labels == ("b", "a")


def test_languages_are_those_named_or_those_that_files_can_tell_apart(tmp_path: Path) -> None:
    silent = GOOD.replace("    languages: [en, de]\n", "")
    assert mine(tmp_path, silent).languages == tuple(LANGUAGES)
    assert mine(tmp_path, silent.replace('"mine/{language}.jsonl"', "mine/test.jsonl")).languages == ("en",)
    one = GOOD.replace('"mine/{language}.jsonl"', "mine/test.jsonl")
    assert mine(tmp_path, one.replace("text: body", "language: lang")).languages == ("en", "de")


def test_choices_have_names_and_no_labels_of_a_head(tmp_path: Path) -> None:
    text = "    type: multiple_choice\n    files: {train: a.csv, test: a.csv}\n    labels: [1, 2]\n"
    task = mine(tmp_path, text)
    assert task.labels == ()
    assert isinstance(task.read, ColumnReader)
    assert task.read.labels == ("1", "2")


MISTAKES = [
    ("    type: classification\n", "", 6, "give either `like`.*or `type`"),
    ("type: classification", "type: clasification", 7, "'classification'.*found: 'clasification'"),
    ("    type: class", "    like: snli\n    type: class", 6, "give either `like`.*or `type`"),
    ("type: classification", "like: snli", 9, "`columns` goes with `type`; 'snli' has its own"),
    ("text: body", "txt: body", 10, "classification has no field 'txt': did you mean 'text'"),
    ("text: body", "zzz: body", 10, "no field 'zzz': known: text, pair, label, id, language"),
    ("text: body", "text: 1", 10, "a column of classification has a name"),
    ("text: body", "text: [a, b]", 10, "one column for 'text'; only choices"),
    ("text: body", "text: yes", 10, r"give a column's name.*\(found: True\)"),
    ("labels: [b, a]", "labels: [yes, no]", 11, "YAML reads this word as true or false"),
    ("labels: [b, a]", "labels: [b, b]", 11, "label 'b' occurs twice"),
    ("labels: [b, a]", "labels: [b]", 11, "at least 2"),
    ("[en, de]", "[en, germn]", 12, "unknown language 'germn': did you mean de"),
    ("[en, de]", "[en, sh]", 12, "unknown language 'sh': it stands for Serbo-Croatian; give bs, hr, sr or sr-Latn"),
    ("[en, de]", "[en, no]", 12, "YAML reads this word as true or false: put it in quotes"),
    ("{language}", "{lang}", 8, r"unknown field \{lang\}; known: \{language\}"),
    ("{language}", "{language}-{iso3}", 8, "names the language in more than one way"),
    ("{language}", "test", 8, r"one test file for 2 languages: put \{language\} into its name, or name the column"),
    ("{train:", "{trian:", 8, "found: 'trian'"),
    ("    labels: [b, a]\n", "    metric: f1\n", 11, "unknown metric of classification 'f1': known: accuracy"),
    (
        "    labels: [b, a]\n    languages: [en, de]\n",
        "    languages: [de]\n",
        11,
        "tasks.mine: add en, the language of the training file, or give `labels`",
    ),
]


@pytest.mark.parametrize(("old", "new", "line", "message"), MISTAKES)
def test_mistakes_are_named_by_line(tmp_path: Path, old: str, new: str, line: int, message: str) -> None:
    assert old in GOOD
    with pytest.raises(ConfigError) as raised:
        load_in(tmp_path, GOOD.replace(old, new, 1))
    assert re.search(message, str(raised.value)), str(raised.value)
    assert str(raised.value).startswith(f"{tmp_path / 'own.yaml'}:{line}: ")
    assert "\n" not in str(raised.value)


def test_labels_need_a_place_to_be_found(tmp_path: Path) -> None:
    silent = GOOD.replace("    labels: [b, a]\n", "")
    assert load_in(tmp_path, silent).tasks["mine"].finds_labels
    with pytest.raises(ConfigError, match=r"own\.yaml:6: tasks\.mine: give `labels`"):
        load_in(tmp_path, silent.replace("train: mine/train.csv, ", ""))
    other = START.replace("[mine]", "[{task: mine, train_on: mnli}]")
    with pytest.raises(ConfigError, match="'mine' is trained on 'mnli': give `labels` of 'mine'"):
        load_in(tmp_path, silent, other)


def test_labels_of_types_without_and_of_formats_that_fix_them(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r":9: .*span_qa has no labels"):
        load_in(tmp_path, "    type: span_qa\n    files: {test: a.jsonl}\n    labels: [a, b]\n")
    with pytest.raises(ConfigError, match=r":9: .*span_qa has no labels"):
        load_in(tmp_path, "    like: squad_v1\n    files: {test: a.jsonl}\n    labels: [a, b]\n")
    with pytest.raises(ConfigError, match=r":9: .*files like udpos's have the labels ADJ, .*; give `type` instead"):
        load_in(tmp_path, "    like: udpos\n    files: {test: a.tsv}\n    labels: [a, b]\n")


@pytest.mark.parametrize("languages", ["[de]", "[all]", "[en, de]"])
def test_one_training_file_is_no_training_data_of_other_languages(tmp_path: Path, languages: str) -> None:
    before = START.replace("recipes: [[]]", f"recipes: [[{{tasks: [{{task: mine, languages: {languages}}}]}}]]")
    with pytest.raises(ConfigError, match=r"own\.yaml:8: .mine. is trained on .*put \{language\} into the file's name"):
        load_in(tmp_path, GOOD, before)
    load_in(tmp_path, GOOD.replace("mine/train.csv", '"mine/{language}.csv"'), before)


def test_an_intermediate_task_is_measured_too(tmp_path: Path) -> None:
    before = START.replace("recipes: [[]]", "recipes: [[mine]]").replace("targets: [mine]", "targets: [xnli]")
    silent = GOOD.replace(', test: "mine/{language}.jsonl"', "")
    with pytest.raises(
        ConfigError, match=r"own\.yaml:8: 'mine' has no data to measure .*: hold out about a fifth of the examples"
    ):
        load_in(tmp_path, silent, before)
    load_in(tmp_path, silent + "    holdout: 9\n", before)
    load_in(tmp_path, silent, "holdout: 9\n" + before)


def test_like_a_known_task_with_some_of_its_labels(tmp_path: Path) -> None:
    text = "    like: xnli\n    files: {train: a.jsonl, test: a.jsonl}\n    labels: [neutral, entailment]\n"
    task = mine(tmp_path, text)
    assert (task.like, task.labels, task.metric) == ("xnli", ("neutral", "entailment"), "accuracy")
    assert task.read is TASKS.get("xnli").read
    with pytest.raises(ConfigError, match="files like xnli's have the labels entailment, neutral, contradiction; give"):
        mine(tmp_path, text.replace("neutral", "yes_"))


OWN = {
    "type": "classification",
    "files": {"train": ["own/train.csv"], "test": ["own/{language}.csv"]},
    "columns": {"text": "body"},
    "languages": ["en", "de"],
}
MODEL = {**BACKBONE, "tokenizer": {**BACKBONE["tokenizer"], "tasks": ["raw"], "languages": ["en"]}}  # type: ignore[dict-item]
RAW = {"type": "masked_lm", "files": {"train": ["raw/{language}.csv"]}, "columns": {"text": "words"}}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("own/train.csv", "own/en.csv", "own/de.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("body,label,other\na,x,p\nb,y,q\nc,x,q\n")
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw/en.csv").write_text("words,more\none two,three\n")
    return tmp_path


def expand(root: Path | None, raw: dict[str, Any] = RAW, worlds: Any = (), **own: Any) -> Expansion:
    tasks = {"mine": {**OWN, **own}, "raw": raw}
    experiment = tiny_experiment(backbones=[MODEL], recipes=[[]], targets=["mine"], tasks=tasks, worlds=worlds)
    return Expansion(experiment, root)


def stages(expansion: Expansion, kind: str) -> list[Stage]:
    return [stage for stage in graph(expansion.stages()) if stage.kind == kind]


def keys(expansion: Expansion, kind: str = "prepare") -> list[str]:
    return [stage.key for stage in stages(expansion, kind)]


def test_found_labels_are_those_written_out(root: Path) -> None:
    found, given = expand(root), expand(root, labels=["x", "y"])
    assert found.experiment.task("mine").labels == ("x", "y")
    for kind in ("prepare", "train", "evaluate"):
        assert keys(found, kind) == keys(given, kind)
    assert not set(keys(found)) & set(keys(expand(root, labels=["y", "x"])))
    with pytest.raises(ConfigError, match="task 'mine' needs `labels`: microworlds have no files to find labels in"):
        expand(None, worlds=[0])
    (root / "own/train.csv").write_text("body,label\na,x\n")
    with pytest.raises(DataError, match=r"train\.csv: only one label, 'x': give `labels:`"):
        expand(root)


def test_found_tags_must_be_spans_unless_words_are_counted(root: Path) -> None:
    (root / "own/train.csv").write_text("runs VERB\nfast ADV\n")
    own = {"type": "tagging", "columns": {}, "languages": ["en"]}
    with pytest.raises(DataError, match=r"train\.csv: task 'mine': entity_f1 needs .* 'ADV', 'VERB': set `metric: tok"):
        expand(root, **own)
    assert expand(root, **own, metric="token_accuracy").experiment.task("mine").labels == ("ADV", "VERB")


def test_found_labels_are_cleaned_and_those_in_doubt_refused(root: Path) -> None:
    (root / "own/train.csv").write_text("body,label\na,x\nb,y \nc,\u00a0y\n")
    assert expand(root).experiment.task("mine").labels == ("x", "y")
    (root / "own/train.csv").write_text("body,label\na,0\nb,1\nc,-1\n")
    with pytest.raises(DataError, match=r"train\.csv:4: label '-1' \(1\) looks like a marker of missing gold"):
        expand(root)
    assert expand(root, labels=["0", "1", "-1"]).experiment.task("mine").labels == ("0", "1", "-1")


def test_what_can_change_a_number_is_in_the_keys(root: Path) -> None:
    base = expand(root)
    assert keys(base) == keys(expand(root))
    for change in (
        {"columns": {"text": "body", "label": "other"}},
        {"columns": {"text": "other"}},
        {"labels": ["x", "y", "z"]},
        {"max_length": 32},
        {"columns": {"text": "body", "pair": "other"}},
    ):
        assert not set(keys(base)) & set(keys(expand(root, **change)))
    other = expand(root, {**RAW, "columns": {"text": "more"}})
    assert keys(base, "tokenizer") != keys(other, "tokenizer")
    plain = expand(root, files={"train": ["own/train.csv + own/en.csv"], "test": ["own/{language}.csv"]})
    assert len(set(keys(plain)) - set(keys(base))) == 1


def test_files_of_one_name_in_two_folders_are_both_in_the_key(root: Path) -> None:
    (root / "more").mkdir()
    files = {"train": ["own/train.csv + more/train.csv"], "test": ["own/{language}.csv"]}
    seen = set()
    for folder, text in (("more", "a,x"), ("more", "b,y"), ("own", "c,x")):
        (root / folder / "train.csv").write_text(f"body,label\n{text}\nd,y\n")
        seen.add(tuple(keys(expand(root, files=files, labels=["x", "y"]))))
    assert len(seen) == 3


def test_a_worker_gets_the_task_that_was_described(root: Path) -> None:
    expansion = expand(root)
    task = expansion.experiment.task("mine")
    for stage in stages(expansion, "prepare"):
        found = task_of(stage)
        assert (found.name, found.type, found.read, found.labels) == (task.name, task.type, task.read, task.labels)
        assert (found.files, found.encoding) == (task.files, task.encoding)
        assert [e.id for e in found.load(root, "train", "en")] == ["2", "3", "4"]
    (row,) = stages(expansion, "tokenizer")[0].settings["tasks"]
    raw = task_from_json(row)
    assert [e.text for e in raw.load(root, "train", "en")] == ["one two"]  # type: ignore[union-attr]


def test_a_worker_knows_languages_that_the_model_task_lacks(root: Path) -> None:
    (root / "de.jsonl").write_text(json.dumps({"premise": "a", "hypothesis": "b", "label": "neutral"}) + "\n")
    own = {"like": "snli", "files": {"test": ["{language}.jsonl"]}, "languages": ["de"]}
    experiment = tiny_experiment(tasks={"mine": own})
    task = experiment.task("mine")
    assert task.languages == ("de",)
    again = task_from_json(json.loads(json.dumps(task_to_json(task, ["de"]))))
    assert again.read == task.read
    assert len(again.load(root, "test", "de")) == 1


def test_a_dialect_reaches_the_reader_and_is_no_part_of_keys_unless_given(tmp_path: Path) -> None:
    plain = form_of(mine(tmp_path, GOOD))["read"]
    assert (plain["quoted"], "separator" in plain) == (False, False)
    for quoted in ("true", "false"):
        task = mine(tmp_path, GOOD + f"    quoted: {quoted}\n    separator: semicolon\n")
        assert isinstance(task.read, ColumnReader)
        assert (task.read.quoted, task.read.separator) == (quoted == "true", ";")
        told = json.loads(json.dumps(task_to_json(task, task.languages)))
        assert told["read"] != plain
        assert task_from_json(told).read == task.read
    with pytest.raises(ConfigError, match=r"own\.yaml:9: .*`quoted` goes with `type`; 'snli' has its own"):
        mine(tmp_path, "    like: snli\n    files: {train: a.tsv}\n    quoted: true\n")
