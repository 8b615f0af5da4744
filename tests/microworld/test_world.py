"""Worlds on disk: deterministic, readable by the ordinary readers, and fair."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from xstilts.data.examples import ChoiceExample, Example, ParallelExample, SpanExample, TaggedExample, TextExample
from xstilts.microworld.concepts import ENTITY_OF, SYNONYM, VERBS
from xstilts.microworld.grammar import LANGUAGES, TARGETS
from xstilts.microworld.world import (
    DOMAIN_TOPIC,
    TINY,
    VERSION,
    DomainSize,
    World,
    WorldSize,
    write_domain,
    write_world,
)
from xstilts.tasks import TASKS, Split, Task

LABELLED = ("nli", "paraphrase", "choice", "qa", "topic", "tagging", "ner")
SIZE = WorldSize(
    documents=400,
    validation_documents=40,
    parallel=300,
    parallel_validation=30,
    nli=300,
    paraphrase=200,
    choice=200,
    qa=200,
    topic=140,
    tagging=150,
    ner=150,
    validation=42,
    test=84,
    retrieval=200,
)


def digest(folder: Path) -> str:
    """One digest of all files' names and bytes."""
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            total.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return total.hexdigest()


def task(name: str) -> Task:
    return TASKS.get(f"micro_{name}")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    write_world(folder, 3, SIZE)
    return folder


def test_a_seed_gives_the_same_bytes_and_another_seed_others(
    tmp_path: Path, golden: Callable[[str, Any], None]
) -> None:
    for name, seed in (("one", 0), ("two", 0), ("three", 1)):
        write_world(tmp_path / name, seed, TINY)
    assert digest(tmp_path / "one") == digest(tmp_path / "two") != digest(tmp_path / "three")
    golden("microworld", {"version": VERSION, "sha256 of the tiny world 0": digest(tmp_path / "one")})


def test_every_file_is_read_by_the_reader_of_its_official_format(root: Path) -> None:
    sizes = {"train": 0, "validation": SIZE.validation, "test": SIZE.test}
    for name in LABELLED:
        assert task(name).available(root, "train") == ["en"]
        for split in ("train", "validation", "test"):
            for code in task(name).available(root, split):
                expected = sizes[split] or getattr(SIZE, name)
                assert len(task(name).load(root, split, code)) == expected
        assert task(name).available(root, "test") == list(LANGUAGES)
    for language in TARGETS:
        assert len(task("retrieval").load(root, "test", language.code)) == SIZE.retrieval
        assert len(task("parallel").load(root, "train", language.code)) == SIZE.parallel
    for code in LANGUAGES:
        assert len(task("text").load(root, "train", code)) == SIZE.documents
        assert len(task("text").load(root, "validation", code)) == SIZE.validation_documents


def test_no_file_of_the_world_belongs_to_no_task(root: Path) -> None:
    known = {root / "world.json"}
    for value in (value for value in TASKS if value.name.startswith("micro_")):
        for split in value.files:
            for code in value.available(root, split):
                known.update(value.paths(root, split, code))
    there = {path for path in root.rglob("*") if path.is_file() and path.suffix != ".eng"}
    assert there == known


@pytest.mark.parametrize("name", LABELLED)
def test_gold_is_the_same_in_all_languages(root: Path, name: str) -> None:
    def gold(code: str) -> list[object]:
        examples = task(name).load(root, "test", code)
        if isinstance(examples[0], (TextExample, ChoiceExample)):
            return [(e.id, e.label) for e in examples if isinstance(e, (TextExample, ChoiceExample))]
        if isinstance(examples[0], SpanExample):
            return [e.id for e in examples]
        counts = [Counter(e.tags) for e in examples if isinstance(e, TaggedExample)]
        return [{tag: c[tag] for tag in c if tag[0] == "B" or tag in ("PROPN", "VERB", "NUM", "ADJ")} for c in counts]

    english = gold("en")
    for language in TARGETS:
        other = gold(language.code)
        if name == "tagging":  # English alone has `did` beside the verb; the open classes are the same
            assert [set(one) for one in other] == [set(one) for one in english]  # type: ignore[call-overload]
        else:
            assert other == english


def test_classes_are_balanced(root: Path) -> None:
    for name in ("nli", "paraphrase", "topic", "choice"):
        for split in ("train", "test"):
            counts = Counter(example.label for example in task(name).load(root, split))  # type: ignore[union-attr]
            assert max(counts.values()) - min(counts.values()) <= 1


def test_answers_occur_once_and_at_their_place(root: Path) -> None:
    for code in LANGUAGES:
        for example in task("qa").load(root, "test", code):
            assert isinstance(example, SpanExample)
            assert example.answers is not None
            (answer,) = example.answers
            assert example.passage.count(answer.text) == 1
            assert example.passage[answer.start :].startswith(answer.text)


def said(example: Example) -> tuple[str, ...]:
    """All text of an example, without its label."""
    if isinstance(example, TextExample):
        return (example.text, example.pair or "")
    if isinstance(example, ChoiceExample):
        return (example.context, *example.choices)
    if isinstance(example, SpanExample):
        return (example.passage, example.question)
    assert isinstance(example, TaggedExample)
    return example.words


@pytest.mark.parametrize("name", LABELLED)
def test_no_english_item_occurs_twice_in_any_split(root: Path, name: str) -> None:
    splits: tuple[Split, ...] = ("train", "validation", "test")
    items = [said(example) for split in splits for example in task(name).load(root, split)]
    assert len(set(items)) == len(items)


@pytest.mark.parametrize("name", LABELLED)
def test_training_items_hold_no_held_out_concept_and_tests_do(root: Path, name: str) -> None:
    world = World(3, SIZE.held_out)
    english = world.grammars["en"]
    held_out: set[str] = set()
    for concept in world.held_out - set(ENTITY_OF):
        for lexeme in (concept, SYNONYM.get(concept, concept)):
            plural = english.nouns.get((lexeme, True, False), english.words[lexeme])
            held_out |= {lexeme, english.words[lexeme].form, plural.form}
    assert len(held_out) > 40

    def words(split: Split) -> set[str]:
        return {word for example in task(name).load(root, split) for text in said(example) for word in text.split()}

    assert not words("train") & held_out
    assert len(words("test") & held_out) > 10


def test_retrieval_sentences_are_distinct_and_not_in_the_parallel_text(root: Path) -> None:
    for language in TARGETS:
        pairs = [e for e in task("retrieval").load(root, "test", language.code) if isinstance(e, ParallelExample)]
        sources, targets = {e.source for e in pairs}, {e.target for e in pairs}
        assert len(sources) == len(targets) == SIZE.retrieval
        parallel = [e for e in task("parallel").load(root, "train", language.code) if isinstance(e, ParallelExample)]
        for text, sentences in ((e.target, targets) for e in parallel):
            assert not {f"{part} ." for part in text.removesuffix(" .").split(" . ")} & sentences


def test_the_manifest_describes_the_world(root: Path) -> None:
    manifest = json.loads((root / "world.json").read_text())
    assert manifest["version"] == VERSION
    assert manifest["seed"] == 3
    assert manifest["size"]["documents"] == SIZE.documents
    assert list(manifest["languages"]) == list(LANGUAGES)
    assert manifest["items"]["nli"]["train"] == SIZE.nli
    assert 0 < manifest["items"]["nli"]["test, held out"] < SIZE.test


def test_raw_text_differs_between_languages_and_is_seldom_repeated(root: Path) -> None:
    for code in LANGUAGES:
        lines = (root / "text" / f"{code}.txt").read_text().splitlines()
        assert len(set(lines)) > 0.97 * len(lines)


def test_nothing_is_held_out_when_the_share_is_zero() -> None:
    assert World(0, 0.0).held_out == frozenset()


def test_the_domain_speaks_of_one_topic_in_every_language(tmp_path: Path) -> None:
    """Verbs that belong to a topic: few in the domain are another's."""
    write_world(tmp_path, 3, SIZE)
    write_domain(tmp_path, 3, DomainSize(documents=300, test=60))
    topic_of = {spec.past: spec.topic for spec in VERBS.values() if spec.topic != "any"}

    def share(folder: str) -> float:
        words = (tmp_path / folder / "en.txt").read_text(encoding="utf-8").split()
        found = Counter(topic_of[word] == DOMAIN_TOPIC for word in words if word in topic_of)
        return found[True] / found.total()

    assert share("domain/text") > 0.8 > 0.4 > share("text")
    for name in ("tagging", "ner"):
        texts = [TASKS.get(f"micro_domain_{name}").load(tmp_path, "test", code) for code in LANGUAGES]
        assert {len(examples) for examples in texts} == {60}
    pairs = TASKS.get("micro_domain_retrieval").load(tmp_path, "test", "qac")
    assert len({pair.source for pair in pairs if isinstance(pair, ParallelExample)}) == 60
