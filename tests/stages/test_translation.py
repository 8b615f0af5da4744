"""Translated training data through the stages: by the exact translator, by a real engine, from files."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from dictionary_model import write_model
from tiny_experiment import run, run_all, tiny_experiment

from xstilts.core.errors import ConfigError, XstiltsError
from xstilts.core.files import read_json
from xstilts.data.examples import Example, SpanExample, TaggedExample, read_examples
from xstilts.expand import Expansion
from xstilts.graph.events import Failed
from xstilts.graph.job import Job
from xstilts.graph.stage import Stage, graph
from xstilts.graph.store import Store
from xstilts.microworld.encoders import encoder_path
from xstilts.microworld.world import TINY, write_world
from xstilts.session.about import translated as said
from xstilts.session.grid import Grid
from xstilts.stages import translating
from xstilts.stages.reading import rows_of
from xstilts.tasks import TASKS
from xstilts.translation.carry import Carried
from xstilts.translation.spec import PROJECTION

EXACT = {"exact": {"engine": "microworld"}}


def component(task: str, engine: str, *languages: str) -> dict[str, Any]:
    return {"tasks": [{"task": task, "languages": ["en", *languages], "translated_by": engine}]}


def experiment(translations: Mapping[str, Any], *components: dict[str, Any], **changes: Any) -> Any:
    recipes = [[], *([one] for one in components)]
    return tiny_experiment(translations=translations, recipes=recipes, targets=["micro_topic"], **changes)


def stages(expansion: Expansion, kind: str) -> list[Stage]:
    return [stage for stage in graph(expansion.stages()) if stage.kind == kind]


def translated(store: Path, expansion: Expansion, task: str) -> tuple[dict[str, Any], list[Example]]:
    """Counts and examples of the only translation of a task, which is made where it is not there."""
    (stage,) = (one for one in stages(expansion, "translate") if one.config["task"] == task)
    assert run([stage], store)["Failed"] == []
    folder = Store(store).directory(stage)
    return read_json(folder / "counts.json"), list(read_examples(folder / "examples.jsonl"))


def test_the_exact_translator_gives_what_the_world_would_have_written(tiny_world: Path, tmp_path: Path) -> None:
    kinds = ("micro_qa", "micro_tagging", "micro_choice")
    expansion = Expansion(experiment(EXACT, *(component(kind, "exact", "qac") for kind in kinds)), tiny_world)
    counts, examples = translated(tmp_path, expansion, "micro_qa")
    assert counts == {
        "task": "micro_qa",
        "language": "qac",
        "examples": TINY.qa,
        "kept": TINY.qa,
        "dropped": {},
        "projected": {"exact": TINY.qa},
    }
    sources = TASKS.get("micro_qa").load(tiny_world, "train")
    assert [one.id for one in examples] == [one.id for one in sources]
    assert all(ours.question != theirs.question for ours, theirs in zip(examples, sources))  # type: ignore[union-attr]
    for one in examples:
        assert isinstance(one, SpanExample)
        assert one.answers
        assert one.passage[one.answers[0].start :].startswith(one.answers[0].text)
    _, tagged = translated(tmp_path, expansion, "micro_tagging")
    tags = {tag for one in tagged if isinstance(one, TaggedExample) for tag in one.tags or ()}
    assert "DET" not in tags, "Ceti has no articles"


def test_an_experiment_with_translated_training_data_runs_to_its_end(tiny_world: Path, tmp_path: Path) -> None:
    expansion = Expansion(experiment(EXACT, component("micro_nli", "exact", "qab", "qac")), tiny_world)
    run_all(expansion, tmp_path)
    assert said(Grid.of(expansion.experiment, expansion.roots), Store(tmp_path)) == [
        "[micro_nli (exact: qab, qac)] is trained on translations: its scores in qab, qac are not zero-shot.",
        "Translation of micro_nli, qab: 30 of 30 examples kept.",
        "Translation of micro_nli, qac: 30 of 30 examples kept.",
    ]
    assert expansion.experiment.recipes[1].label == "[micro_nli (exact: qab, qac)]", "beside [micro_nli] in one table"
    (features,) = [s for s in stages(expansion, "prepare") if s.config["languages"] == ["en", "qab", "qac"]]
    assert read_json(Store(tmp_path).directory(features) / "all" / "features.json")["examples"] == 3 * TINY.nli


def test_a_translation_of_a_held_out_example_is_not_trained_on(tiny_world: Path, tmp_path: Path) -> None:
    own = {"like": "micro_topic", "files": {"train": ["topic/{language}/train.tsv"]}, "holdout": 8}
    part = component("mine", "exact", "qaa")
    expansion = Expansion(experiment(EXACT, part, tasks={"mine": own}), tiny_world)
    (features,) = (s for s in stages(expansion, "prepare") if "translation_qaa" in s.inputs)
    assert run([features], tmp_path)["Failed"] == []
    rows = (Store(tmp_path).directory(features) / "all" / "records.jsonl").read_text().splitlines()
    ids = [json.loads(row)["id"] for row in rows]
    assert len(ids) == 2 * (TINY.topic - 8)
    assert ids[: TINY.topic - 8] == ids[TINY.topic - 8 :]


def test_a_world_that_is_not_the_one_described_is_refused(tmp_path: Path) -> None:
    write_world(tmp_path / "data", 5, TINY)
    other = tmp_path / "data" / "nli" / "train-en.tsv"
    other.write_text(other.read_text().replace("neutral", "entailment"))
    expansion = Expansion(experiment(EXACT, component("micro_nli", "exact", "qaa")), tmp_path / "data")
    (error,) = [
        event.error
        for event in run(stages(expansion, "translate"), tmp_path / "store")["Failed"]
        if isinstance(event, Failed)
    ]
    assert "not those that world.json describes" in error


@pytest.fixture(scope="module")
def model(tiny_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A converted model that says every English word of some tasks in another way."""
    return write_model(tmp_path_factory.mktemp("model"), dictionary(tiny_world))


def dictionary(tiny_world: Path) -> dict[str, str]:
    texts: list[str] = []
    for one in (
        example
        for task in ("micro_qa", "micro_ner", "micro_tagging")
        for example in TASKS.get(task).load(tiny_world, "train")
    ):
        texts += one.words if isinstance(one, TaggedExample) else [one.question, one.passage]  # type: ignore[union-attr]
    return {word: f"{word[::-1]}u" for text in texts for word in text.split() if word[0].isalnum()}


def test_a_real_engine_translates_and_projects(
    tiny_world: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xstilts.translation.spec.PROJECTION", {**PROJECTION, "coverage": 0.1})
    engine = {"engine": "ctranslate2", "model": str(model), "max_tokens": 47, "beam": 2}
    aligner = {"aligner": str(encoder_path(1, "mlm"))}
    kinds = ("micro_qa", "micro_ner", "micro_tagging")
    made = experiment({"mt": {**engine, **aligner}}, *(component(kind, "mt", "qab") for kind in kinds))
    expansion = Expansion(made, tiny_world)
    says = dictionary(tiny_world)

    counts, examples = translated(tmp_path, expansion, "micro_qa")
    assert counts["projected"] == {"markers": TINY.qa}
    sources = {one.id: one for one in TASKS.get("micro_qa").load(tiny_world, "train")}
    for one in examples:
        assert isinstance(one, SpanExample)
        source = sources[one.id]
        assert isinstance(source, SpanExample)
        assert one.answers
        assert source.answers
        assert one.passage == " ".join(says.get(word, word) for word in source.passage.split())
        assert one.answers[0].text == " ".join(says.get(word, word) for word in source.answers[0].text.split())
        assert one.passage[one.answers[0].start :].startswith(one.answers[0].text)

    counts, examples = translated(tmp_path, expansion, "micro_ner")
    assert counts["projected"]["markers"] >= 1
    assert set(counts["projected"]) <= {"markers", "alignment"}, "entities of several types are not marked"
    assert counts["kept"] + sum(counts["dropped"].values()) == TINY.ner
    tagged = {one.id: one for one in TASKS.get("micro_ner").load(tiny_world, "train")}
    alone = [one for one in examples if str(getattr(one, "tags", ())).count("B-") == 1]
    assert alone
    assert all(one.tags == tagged[one.id].tags for one in alone)  # type: ignore[union-attr]

    counts, examples = translated(tmp_path, expansion, "micro_tagging")
    assert set(counts["projected"]) == {"alignment"}
    assert all(len(one.words) == len(one.tags or ()) for one in examples if isinstance(one, TaggedExample))


def test_without_aligner_what_needs_one_is_left_out_and_said(tiny_world: Path, model: Path, tmp_path: Path) -> None:
    engine = {"engine": "ctranslate2", "model": str(model), "max_tokens": 47}
    expansion = Expansion(experiment({"mt": engine}, component("micro_tagging", "mt", "qab")), tiny_world)
    events = run(stages(expansion, "translate"), tmp_path)
    (error,) = [event.error for event in events["Failed"] if isinstance(event, Failed)]
    assert "nothing is left of the translation" in error
    assert f"left out: not projected {TINY.tagging}" in error


def test_the_plan_counts_a_translation_like_its_english(tiny_world: Path) -> None:
    expansion = Expansion(experiment(EXACT, component("micro_nli", "exact", "qab")), tiny_world)
    (prepared,) = (s for s in stages(expansion, "prepare") if "translation_qab" in s.inputs)
    assert rows_of(prepared)[0] == {"en": TINY.nli, "qab": TINY.nli}


@pytest.mark.parametrize("damage", [None, "missing lines", "half a line"])
def test_what_is_done_of_a_killed_translation_is_not_done_again_unless_it_is_damaged(
    damage: str | None,
    tiny_world: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(translating, "TOGETHER", 8)
    asked: list[str] = []

    class Dying:
        """Translates, and dies at its second call."""

        def __init__(self, calls: int) -> None:
            self.calls = calls

        def __call__(self, examples: list[Example]) -> list[Carried]:
            self.calls -= 1
            if not self.calls:
                raise KeyboardInterrupt
            asked.extend(one.id for one in examples)
            return [Carried(one, method="markers") for one in examples]

    config = {"task": "micro_qa", "language": "qaa", "engine": "ctranslate2"}
    told = {"name": "micro_qa", "files": {"train": ["qa/train-{language}.json"]}, "languages": ["en"]}
    settings = {"roots": [str(tiny_world)], "task": told}
    job = Job(Stage("translate", 1, config, settings=settings), tmp_path)
    monkeypatch.setattr(translating, "_carrier", lambda *_: Dying(2))
    with pytest.raises(KeyboardInterrupt):
        translating.run_translate(job)
    monkeypatch.setattr(translating, "_carrier", lambda *_: Dying(9))
    if damage:
        (part,) = (tmp_path / "parts").iterdir()
        lines = part.read_text().splitlines(keepends=True)
        part.write_text("".join(lines[:-1]) + (lines[-1][:9] if damage == "half a line" else ""))
        asked.clear()
    translating.run_translate(job)
    assert asked == [one.id for one in TASKS.get("micro_qa").load(tiny_world, "train")]
    told = capsys.readouterr().err.splitlines()
    assert [line.partition(" (")[0] for line in told] == ["damaged, left by an earlier run"] * bool(damage)
    assert read_json(tmp_path / "counts.json")["kept"] == TINY.qa
    assert not (tmp_path / "parts").exists()


def test_one_translation_serves_all_seeds_and_tokenizers_and_follows_the_model(
    tiny_world: Path, model: Path, tmp_path: Path
) -> None:
    def keys(**options: Any) -> set[str]:
        told = {"target_tokens": {"qab": "b", "qac": "c"}}
        engine = {"engine": "ctranslate2", "model": str(model), **told, **options}
        made = experiment({"mt": engine}, component("micro_nli", "mt", "qab", "qac"), seeds=[1, 2])
        return {stage.key for stage in stages(Expansion(made, tiny_world), "translate")}

    assert len(keys()) == 2
    assert keys() == keys(aligner=str(encoder_path(1, "mlm"))), "NLI has no spans"
    assert keys(beam=5).isdisjoint(keys())
    assert keys(quality={"copied": 0.5}).isdisjoint(keys())
    assert len(keys(target_tokens={"qab": ".", "qac": "."}) & keys()) == 0


@pytest.mark.parametrize(
    ("translations", "message"),
    [
        ({"engine": "ctranslate2", "model": "/nowhere"}, "do not say how it writes qaa, qab"),
        ({"engine": "files", "files": {"micro_nli": "mt/qaa.tsv"}}, "'mt/qaa.tsv' is one file"),
    ],
)
def test_several_languages_are_not_all_translated_into_one(translations: Any, message: str, tiny_world: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        Expansion(experiment({"mt": translations}, component("micro_nli", "mt", "qaa", "qab")), tiny_world)


SHOUTS = """import sys
for line in sys.stdin:
    sys.stdout.write(" ".join(word.strip("[]")[::-1] for word in line.split()) + chr(10))
"""


def test_any_command_is_an_engine_under_a_key_of_what_it_runs(tiny_world: Path, tmp_path: Path) -> None:
    script = tmp_path / "engine.py"
    script.write_text(SHOUTS)
    aligner = {"aligner": str(encoder_path(1, "mlm"))}

    def expanded(**options: Any) -> Expansion:
        spec = {"command": [sys.executable, str(script), "{language}"], **aligner, **options}
        return Expansion(experiment({"mine": spec}, component("micro_qa", "mine", "qab", "qac")), tiny_world)

    def keys(**options: Any) -> set[str]:
        return {stage.key for stage in stages(expanded(**options), "translate")}

    first = keys()
    assert len(first) == 2
    (made, _) = sorted(stages(expanded(), "translate"), key=lambda stage: str(stage.config["language"]))
    assert made.config["version"].startswith("Python")
    assert run([made], tmp_path / "store")["Failed"] == []
    counts = read_json(Store(tmp_path / "store").directory(made) / "counts.json")
    assert counts["kept"] + sum(counts["dropped"].values()) == TINY.qa
    assert set(counts["projected"]) == {"alignment"}, "it loses brackets"
    assert keys(version=[sys.executable, "-c", "print(7)"]).isdisjoint(first)
    script.write_text(SHOUTS + "\n")
    assert keys().isdisjoint(first), "the script itself is in the key"


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["nowhere"], "one `command`, but translations of 'micro_nli' are needed in qaa, qab"),
        (["nowhere", "{language}"], "nowhere cannot be run"),
        ({"qaa": [sys.executable]}, "has no command for 'qab' .it has: qaa.: add one"),
    ],
)
def test_a_command_that_cannot_translate_is_refused_before_anything_runs(
    command: Any, message: str, tiny_world: Path
) -> None:
    with pytest.raises(ConfigError, match=message):
        Expansion(experiment({"mt": {"command": command}}, component("micro_nli", "mt", "qaa", "qab")), tiny_world)


XTREME = "micro/en-{language}-translated.tsv"


def xtreme_rows(tiny_world: Path, path: Path) -> None:
    """XTREME's five columns, with the rows in reverse order and one of them a copy of English."""
    rows = []
    for one in reversed(TASKS.get("micro_nli").load(tiny_world, "train")):
        first, second = one.text, one.pair or ""  # type: ignore[union-attr]
        label = "contradictory" if one.label == "contradiction" else one.label  # type: ignore[union-attr]
        rows.append([first, second, first.upper()[::-1], second.upper()[::-1], str(label)])
    rows[0][2:4] = rows[0][:2]
    path.parent.mkdir(parents=True)
    path.write_text("".join("\t".join(row) + "\n" for row in rows))


def test_xtremes_translations_are_put_beside_their_english(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    write_world(folder, 5, TINY)
    xtreme_rows(folder, folder / XTREME.format(language="qab"))
    engine = {"given": {"engine": "files", "files": {"micro_nli": XTREME}}}
    expansion = Expansion(experiment(engine, component("micro_nli", "given", "qab")), folder)
    counts, examples = translated(tmp_path / "store", expansion, "micro_nli")
    assert counts["dropped"] == {"copied": 1}
    sources = {one.id: one for one in TASKS.get("micro_nli").load(folder, "train")}
    for one in examples:
        assert one.text == sources[one.id].text.upper()[::-1]  # type: ignore[union-attr]
        assert one.label == sources[one.id].label  # type: ignore[union-attr]


def test_answers_of_given_translations_are_found_again_or_left_out(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    write_world(folder, 5, TINY)
    translating.write_translations(folder / "mt", read_json(folder / "world.json"), "qa", ["qab"])
    path = folder / "mt" / "qa" / "train-qab.json"
    document = json.loads(path.read_text())
    asked = [question for paragraph in document["data"][0]["paragraphs"] for question in paragraph["qas"]]
    asked[0]["answers"][0]["answer_start"] += 1
    asked[1]["answers"][0]["text"] = "nowhere"
    document["data"][0]["paragraphs"].pop()
    path.write_text(json.dumps(document))
    engine = {"given": {"engine": "files", "files": {"micro_qa": "mt/qa/train-{language}.json"}}}
    expansion = Expansion(experiment(engine, component("micro_qa", "given", "qab")), folder)
    counts, _ = translated(tmp_path / "store", expansion, "micro_qa")
    assert counts["dropped"] == {"misplaced": 1, "not in the files": 1}
    assert counts["projected"] == {"files": TINY.qa - 3, "found again": 1}


def test_another_task_can_hold_translations_which_must_fit_their_english(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    write_world(folder, 5, TINY)
    translating.write_translations(folder / "mt", read_json(folder / "world.json"), "nli", ["qab"])
    own = {"like": "micro_nli", "files": {"train": ["mt/nli/train-{language}.tsv"]}, "languages": ["qab"], "holdout": 3}
    made = experiment(
        {"given": {"engine": "files", "tasks": {"micro_nli": "mine"}}},
        component("micro_nli", "given", "qab"),
        tasks={"mine": own},
    )
    expansion = Expansion(made, folder)
    assert translated(tmp_path / "store", expansion, "micro_nli")[0]["kept"] == TINY.nli
    path = folder / "mt" / "nli" / "train-qab.tsv"
    lines = path.read_text().splitlines(keepends=True)
    for changed, message in (
        (lines[1:], "29 translations of 30 examples"),
        (lines[1:] + lines[:1], "has another label"),
    ):
        path.write_text("".join(changed))
        events = run(stages(Expansion(made, folder), "translate"), tmp_path / "store")
        assert message in " ".join(event.error for event in events["Failed"] if isinstance(event, Failed))


@pytest.mark.parametrize(
    ("translations", "part", "message"),
    [
        (EXACT, component("micro_nli", "exac", "qaa"), "unknown translation 'exac': did you mean exact"),
        (EXACT, component("micro_nli", "exact"), "trained on English alone"),
        (EXACT, component("micro_nli", "exact", "all"), "`all` stands alone"),
        (
            EXACT,
            {"tasks": [{"task": "micro_nli", "languages": ["all"], "translated_by": "exact"}]},
            "name its languages",
        ),
        ({"mt": {"engine": "ctranslate2", "model": "m", "target_tokens": {"d": "x"}}}, {}, "unknown language 'd'"),
        ({"mt": {"engine": "files", "files": {"mnli": "{lang}.tsv"}}}, {}, "has the unknown field {lang}"),
        (
            {"mt": {"engine": "files", "files": {"mnli": "m"}, "quality": {"min_score": -1}}},
            {},
            "only ctranslate2 scores",
        ),
        (EXACT, component("micro_nli", "exact", "xyz"), "unknown language 'xyz'"),
        (EXACT, component("micro_text", "exact", "qaa"), "'micro_text' cannot be translated"),
        ({"exact": {"engine": "microworld", "beam": 2}}, {}, "`beam` is an option of ctranslate2, not of microworld"),
        ({"mt": {"engine": "ctranslate2"}}, {}, "give `model`"),
        ({"mt": {"engine": "files"}}, {}, "give `files`"),
        (
            {"mt": {"engine": "files", "tasks": {"mnli": "xnli_mtt"}}},
            {},
            "unknown task 'xnli_mtt': did you mean xnli_mt",
        ),
    ],
)
def test_mistakes_in_the_file_are_named(translations: Any, part: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as error:
        experiment(translations, *([part] if part else []))
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("translations", "language", "message"),
    [
        ({"engine": "microworld"}, "de", "it translates its tasks (not 'micro_nli') into qaa"),
        ({"engine": "ctranslate2", "models": {"de": "/nowhere"}}, "qaa", "no model for 'qaa' (it has: de)"),
        (
            {"engine": "ctranslate2", "model": "/nowhere"},
            "qaa",
            "'/nowhere' of translation 'mt' is no CTranslate2 model",
        ),
        (
            {"engine": "ctranslate2", "model": "/nowhere", "target_tokens": {"qab": "b"}},
            "qaa",
            "`target_tokens` do not say how it writes qaa",
        ),
        ({"engine": "files", "files": {"micro_qa": "x"}}, "qaa", "no files for 'micro_nli' (it has: micro_qa)"),
        ({"engine": "files", "files": {"micro_nli": "mt/{language}.tsv"}}, "qaa", "no file mt/qaa.tsv"),
        ({"engine": "files", "tasks": {"micro_nli": "micro_qa"}}, "qaa", "'micro_qa' cannot hold translations"),
    ],
)
def test_mistakes_that_the_data_shows_are_named(
    translations: Any, language: str, message: str, tiny_world: Path
) -> None:
    with pytest.raises(XstiltsError) as error:
        Expansion(experiment({"mt": translations}, component("micro_nli", "mt", language)), tiny_world)
    assert message in str(error.value)


def test_without_ctranslate2_one_line_says_what_to_install(
    tiny_world: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ctranslate2", None)
    made = experiment({"mt": {"engine": "ctranslate2", "model": str(model)}}, component("micro_nli", "mt", "qab"))
    events = run(stages(Expansion(made, tiny_world), "translate"), tmp_path)
    (error,) = [event.error for event in events["Failed"] if isinstance(event, Failed)]
    assert error == "translation needs CTranslate2: pip install 'xstilts[translate]'"


def test_a_damaged_model_and_a_missing_tokenizer_are_named(tiny_world: Path, model: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    (damaged / "model.bin").write_bytes(b"nothing")
    for options, message in (
        ({"model": str(damaged)}, "CTranslate2 model"),
        ({"model": str(model), "tokenizer": "nobody/nothing"}, "tokenizer of 'nobody/nothing'"),
    ):
        made = experiment({"mt": {"engine": "ctranslate2", **options}}, component("micro_nli", "mt", "qab"))
        events = run(stages(Expansion(made, tiny_world), "translate"), tmp_path / "store")
        (error,) = [event.error for event in events["Failed"] if isinstance(event, Failed)]
        assert message in error
        assert "cannot be loaded" in error
        assert "\n" not in error
