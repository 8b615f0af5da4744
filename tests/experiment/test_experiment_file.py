"""Every mistake in an experiment file is named with its line and what was expected."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from xstilts.core.errors import ConfigError, DataError
from xstilts.experiment import Experiment
from xstilts.session.loading import load

GOOD = """\
name: table1
title: A table
seeds: [1, 2]
train: {learning_rate: 1.0e-3, epochs: 2}
tuning:
  squad_v1:
    learning_rate: 3.0e-5
backbones:
  - name: mine
    architecture: xlm-roberta
    config: {hidden_size: 32}
    tokenizer:
      tasks: [text_ud]
      languages: [en, de]
    controls: {random: auto}
recipes:
  - []
  - [mnli]
  - [[mnli, squad_v1]]
targets:
  - xnli
  - task: xquad
    train: {steps: 10}
tasks:
  reviews:
    like: xnli
    files: {test: ["reviews/{language}.tsv"]}
"""


def write(path: Path, text: str) -> Path:
    file = path / "table1.yaml"
    file.write_text(text)
    return file


def error(path: Path, text: str) -> str:
    """The message, after the file's name; it is one line."""
    file = write(path, text)
    with pytest.raises(ConfigError) as raised:
        load(file)
    message = str(raised.value)
    assert "\n" not in message
    assert message.startswith(f"{file}:")
    return message.removeprefix(f"{file}:")


def test_a_source_alone_is_a_backbone_and_recipes_are_lists(tmp_path: Path) -> None:
    text = "name: a\nbackbones: [xlm-roberta-base, ./models/me5-small]\nrecipes: mnli\ntargets: [xnli]\n"
    with pytest.raises(
        ConfigError, match=r"recipes: give a list of recipes, each of them a list of phases: \[\[mnli\]\]"
    ):
        load(write(tmp_path, text))
    found = load(write(tmp_path, text.replace("recipes: mnli", "recipes: [[mnli]]"))).backbones
    assert [one.name for one in found] == ["xlm-roberta-base", "me5-small"]
    assert found[1].source == "./models/me5-small"


def test_a_good_file_is_read(tmp_path: Path) -> None:
    experiment = load(write(tmp_path, GOOD))
    assert [recipe.label for recipe in experiment.recipes] == ["[]", "[mnli]", "[{mnli, squad_v1}]"]
    assert [target.task for target in experiment.targets] == ["xnli", "xquad"]
    assert experiment.options(experiment.recipes[1].phases[0]).learning_rate == 1e-3


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        # wrong keys
        ("title:", "titel:", 2, "unknown key 'titel': did you mean 'title'?"),
        ("learning_rate: 1.0e-3", "learning_rat: 1.0e-3", 4, "'learning_rat'.*did you mean 'learning_rate'"),
        ("learning_rate: 3.0e-5", "learning_rat: 3.0e-5", 7, "'learning_rat'.*did you mean 'learning_rate'"),
        ("architecture:", "architectur:", 10, "'architectur' in backbones.0: did you mean 'architecture'"),
        ("languages: [en, de]", "langages: [en, de]", 14, "'langages' in .*tokenizer: did you mean 'languages'"),
        ("{steps: 10}", "{stepss: 10}", 23, "'stepss'.*did you mean 'steps'"),
        ("like: xnli", "lik: xnli", 26, "'lik' in tasks.reviews: did you mean 'like'"),
        ("title: A table", "zzz: red", 2, "unknown key 'zzz': known: name"),
        ("learning_rate: 1.0e-3", "lr: 1.0e-3", 4, "'lr'.*did you mean 'learning_rate'"),
        ("epochs: 2", "Batch: 2", 4, "'Batch'.*did you mean 'batch_size'"),
        ("title: A table", "model: x", 2, "unknown key 'model': did you mean 'backbones'"),
        ("title: A table", "dataset: x", 2, "unknown key 'dataset': did you mean 'tasks'"),
        # wrong values
        ("seeds: [1, 2]", "seeds: [1, two]", 3, r"seeds.1: .*integer.*found: 'two'"),
        ("seeds: [1, 2]", "seeds: []", 3, "seeds: .*at least 1"),
        ("epochs: 2", "epochs: -2", 4, "greater than 0"),
        ("epochs: 2", "epochs: many", 4, "epochs.*number.*'many'"),
        ("{random: auto}", "{random: yes please}", 9, "`random` can only be `auto`"),
        ("{random: auto}", "{chance: auto}", 15, "random.*english.*found: 'chance'"),
        ("{random: auto}", "{english: auto}", 9, "`english: auto` needs `pretrain`"),
        ("    architecture: xlm-roberta\n", "", 9, "give either `source`.*or `architecture`"),
        (
            "name: table1",
            "name: a/b",
            1,
            "name: use letters from A to Z, digits and _ [.] -, at most 100.*found: 'a/b'",
        ),
        (
            "  reviews:",
            "  my reviews:",
            25,
            "tasks.my reviews: use letters .* and _ -; the first is a letter or a digit",
        ),
        ("seeds: [1, 2]", "seeds: 3", 3, r"seeds: give a list: \[3\] \(found: 3\)"),
        ("seeds: [1, 2]", "languages: de", 3, r"languages: give a list: \[de\]"),
        ("seeds: [1, 2]", "languages: 'de,sw'", 3, r"languages: give a list: \[de, sw\]"),
        ("seeds: [1, 2]", "languages: all", 3, "languages: name the languages in a list, .* or leave this out"),
        ("seeds: [1, 2]", "languages: []", 3, "languages: give at least one language, or leave this out"),
        ("  - [mnli]", "  - mnli", 18, r"recipes.1: give a list of phases, as in \[mnli\] \(found: 'mnli'\)"),
        ("epochs: 2", "max_len: 64", 4, r"`max_length` is a field of a task, as in tasks: \{short: \{like: xnli"),
        ("  - [mnli]", "  - [[3]]", 18, "phases.0.tasks.0: give a name or keys with values .keys: task, objective"),
        ("{random: auto}", "random", 15, "controls: give keys with values, as in {key: value}"),
        # truth values of YAML
        ("seeds: [1, 2]", "seeds: [true]", 3, "`seeds` is a number, and YAML reads the value as true or false"),
        ("epochs: 2", "steps: yes", 4, "train: `steps` is a number"),
        # names
        ("  - [mnli]", "  - [mnl]", 18, "unknown task 'mnl': did you mean mnli"),
        ("  - xnli", "  - XNLI", 21, "unknown task 'XNLI': did you mean xnli"),
        ("  - xnli", "  - xnly", 21, "unknown task 'xnly': did you mean xnli"),
        ("squad_v1:", "squad_v3:", 6, "unknown task 'squad_v3': did you mean squad_v"),
        ("[text_ud]", "[text_uds]", 13, "unknown task 'text_uds': did you mean text_ud"),
        ("like: xnli", "like: xnly", 26, "unknown task 'xnly': did you mean xnli"),
        ("reviews:", "my.reviews:", None, "my.reviews"),
        # twice
        ("seeds: [1, 2]", "seeds: [1, 1]", None, "seed '1' occurs twice"),
        ("  - [mnli]", "  - [mnli]\n  - [mnli]", None, r"recipe '\[mnli\]' occurs twice: give one of them a `name`"),
        ("  - xnli", "  - xnli\n  - xnli", None, "target 'xnli' occurs twice"),
        ("title: A table", "name: other", 2, "key 'name' occurs twice"),
        ("seeds: [1, 2]", "seeds: &a [*a]", 3, "a value that contains itself"),
        # keys that are no text
        ("title: A table", "2024: x", 2, "key '2024' is not text in YAML: put it in quotes"),
        ("title: A table", "no: x", 2, "key 'no' is not text in YAML: put it in quotes"),
        # no YAML
        ("seeds: [1, 2]", "seeds: [1, 2", None, "not YAML"),
    ],
)
def test_mistakes_are_named_by_line(tmp_path: Path, old: str, new: str, line: int | None, message: str) -> None:
    assert old in GOOD
    found = error(tmp_path, GOOD.replace(old, new, 1))
    assert re.search(message, found), found
    if line is not None:
        assert found.startswith(f"{line}: "), found


@pytest.mark.parametrize("missing", ["name", "backbones", "targets", "recipes"])
def test_what_is_missing_is_named(tmp_path: Path, missing: str) -> None:
    document = re.sub(rf"^{missing}:.*\n(?:[ -].*\n)*", "", GOOD, flags=re.MULTILINE)
    assert re.search(rf"{missing}: Field required", error(tmp_path, document + "description: x\n"))


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "just words\n"])
def test_a_file_that_holds_no_experiment(tmp_path: Path, text: str) -> None:
    assert "an experiment file holds `name:`" in error(tmp_path, text)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        load(tmp_path / "nowhere.yaml")


def test_a_target_is_trained_on_a_task_of_its_own_kind(tmp_path: Path) -> None:
    good = GOOD.replace("  - xnli\n", "  - {task: xnli, train_on: snli}\n")
    assert load(write(tmp_path, good)).targets[0].train_on == "snli"
    for other in ("squad_v1", "pawsx"):
        text = GOOD.replace("  - xnli\n", f"  - {{task: xnli, train_on: {other}}}\n")
        assert re.search(f"'xnli' cannot be trained on '{other}'", error(tmp_path, text))


def test_the_baseline_is_always_first_and_once(tmp_path: Path) -> None:
    for text in (GOOD.replace("  - []\n", ""), GOOD.replace("  - []\n", "  - []\n  - []\n")):
        experiment = load(write(tmp_path, text))
        assert [recipe.label for recipe in experiment.recipes][:2] == ["[]", "[mnli]"]
    behind = GOOD.replace("  - []\n", "").replace("targets:", "  - []\ntargets:")
    assert load(write(tmp_path, behind)).recipes[0].label == "[]"


def test_options_are_layered_from_the_file_to_the_phase(tmp_path: Path) -> None:
    text = GOOD.replace("{steps: 10}", "{steps: 10, learning_rate: 5.0e-5}")
    experiment = load(write(tmp_path, text))
    joint = experiment.recipes[2].phases[0]
    assert experiment.options(joint).learning_rate == 1e-3  # its first task is mnli
    target = joint.model_validate({"tasks": ["squad_v1"]})
    assert experiment.options(target).learning_rate == 3e-5
    own = joint.model_validate({"tasks": ["squad_v1"], "train": experiment.targets[1].train})
    assert (experiment.options(own).learning_rate, experiment.options(own).steps) == (5e-5, 10)


def test_an_own_task_takes_what_it_does_not_say_from_its_model(tmp_path: Path) -> None:
    experiment = load(write(tmp_path, GOOD))
    task, like = experiment.task("reviews"), experiment.task("xnli")
    assert (task.name, task.like, task.type, task.labels, task.metric) == (
        "reviews",
        "xnli",
        like.type,
        like.labels,
        like.metric,
    )
    assert task.train_on == like.train_on
    assert dict(task.files) == {"test": ("reviews/{language}.tsv",)}


def test_the_schema_of_an_experiment_can_be_printed() -> None:
    schema = Experiment.model_json_schema()
    assert {"name", "backbones", "recipes", "targets"} <= set(schema["properties"])


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("targets: [text_ud]", "'text_ud' is for training only"),
        ("targets: [masakhaner]", "'masakhaner' has no English training data: give `train_on`"),
        (
            "recipes: [[masakhaner]]",
            "'masakhaner' has no English data: name the languages it is trained on, as in "
            "{task: masakhaner, languages: [am]}",
        ),
        ("recipes: [[ntrex_parallel]]", "'ntrex_parallel' has no English data: name the languages it is trained on, "),
        (
            "recipes: [[xnli_mt]]",
            "'xnli_mt' has no data to measure whether it was learned: hold out about a fifth of the examples",
        ),
    ],
)
def test_tasks_that_cannot_stand_where_they_are_named(lines: str, message: str, tmp_path: Path) -> None:
    usual = {"recipes": "recipes: [[]]", "targets": "targets: [xnli]"}
    usual[lines.partition(":")[0]] = lines
    path = tmp_path / "e.yaml"
    text = "name: e\nbackbones: [{name: b, source: xlm-r-base}]\n" + "\n".join(usual.values()) + "\n"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(
        ConfigError, match=re.escape(f"e.yaml:{text[: text.index(lines)].count(chr(10)) + 1}: {message}")
    ):
        load(path)


CHOOSING = """\
name: e
backbones:
  - name: b
    source: xlm-r-base
    retrieval:
      similarity: margin
      special_tokens: false
      layer:
        validate_on: [de, fr]
recipes: [[]]
targets: [tatoeba, xnli]
"""


def test_how_retrieval_reads_is_read_from_the_file(tmp_path: Path) -> None:
    found = load(write(tmp_path, CHOOSING)).backbones[0].retrieval
    assert (found.similarity, found.special_tokens, found.pooling) == ("margin", False, None)
    assert found.layer is not None
    assert (found.layer.number, found.layer.validate_on) == (None, ("de", "fr"))
    short = load(write(tmp_path, CHOOSING.replace("\n        validate_on: [de, fr]", " 4"))).backbones[0]
    assert short.retrieval.layer is not None
    assert (short.retrieval.layer.number, short.retrieval.layer.validate_on) == (4, None)


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("[de, fr]", "[de, xx]", 9, "unknown language 'xx': did you mean xh"),
        ("[de, fr]", "[de, av]", 9, "unknown language of tatoeba 'av': "),
        ("[de, fr]", "[de, frr]", 9, "unknown language of tatoeba 'frr': did you mean "),
        (
            "[tatoeba, xnli]",
            "[{task: tatoeba, languages: [de, sw]}]",
            9,
            "'tatoeba' is not measured in 'fr': add it to",
        ),
        ("recipes:", "languages: [fr, sw]\nrecipes:", 9, "'tatoeba' is not measured in 'de': add it to `languages`"),
        ("[tatoeba, xnli]", "[{task: tatoeba, languages: [de, fr]}]", 9, "on all languages of 'tatoeba': none is left"),
        (
            "[tatoeba, xnli]",
            "[bucc2018, xnli]",
            9,
            "no target chooses among layers: retrieval by nearest neighbours does",
        ),
        ("[de, fr]", "[]", 9, "validate_on: .*at least one language"),
        ("validate_on:", "validate_onn:", 9, "'validate_onn' in .*layer: did you mean 'validate_on'"),
        (
            "validate_on:",
            "number: 3\n        validate_on:",
            8,
            "give the layer's number, or `validate_on` and languages",
        ),
        ("\n        validate_on: [de, fr]", " top", 8, "layer.number: .*integer.*'top'"),
        ("\n        validate_on: [de, fr]", " -1", 8, "layer.number: .*greater than or equal to 0"),
        ("similarity: margin", "similarity: dot", 6, "'cosine' or 'margin'.*found: 'dot'"),
        ("special_tokens: false", "special_tokens: some", 7, "special_tokens: .*boolean.*'some'"),
        (
            "similarity:",
            "pooling: first\n      similarity:",
            3,
            "`special_tokens: false` is for a mean, and .*the first tok",
        ),
        (
            "xlm-r-base",
            "labse",
            3,
            "`special_tokens: false` is for a mean, and .*the first token's: give `pooling: mean`",
        ),
    ],
)
def test_mistakes_about_retrieval_are_named_by_line(
    tmp_path: Path, old: str, new: str, line: int, message: str
) -> None:
    assert old in CHOOSING
    found = error(tmp_path, CHOOSING.replace(old, new, 1))
    assert re.search(message, found), found
    assert found.startswith(f"{line}: "), found
