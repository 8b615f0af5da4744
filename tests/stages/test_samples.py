"""`limit` and `subset`: a fixed sample, since official files may be sorted by label."""

from __future__ import annotations

from collections import Counter

from xstilts.data.examples import TextExample
from xstilts.stages.reading import sample

TOPICS = ("geography", "health", "politics", "sports", "travel")


def sorted_by_label(language: str, without: int | None = None) -> list[TextExample]:
    """Two hundred parallel examples of each of five labels, one label after the other."""
    rows = [TextExample(str(i), f"{language} {i}", None, TOPICS[i // 200]) for i in range(1000)]
    return [row for row in rows if row.id != str(without)]


def test_a_sample_of_a_sorted_file_has_every_label_in_about_its_share() -> None:
    found = Counter(example.label for example in sample(sorted_by_label("en"), 100))
    assert set(found) == set(TOPICS)
    assert all(12 <= count <= 28 for count in found.values())


def test_languages_share_the_examples_though_one_lacks_a_line() -> None:
    english = [example.id for example in sample(sorted_by_label("en"), 100)]
    german = [example.id for example in sample(sorted_by_label("de", without=int(english[0])), 100)]
    assert english == sorted(english, key=int)
    assert len(set(english)) == 100
    assert set(english[1:]) < set(german)


def test_a_sample_as_large_as_the_file_is_the_file() -> None:
    examples = sorted_by_label("en")
    assert sample(examples, 1000) == examples == sample(examples, 5000)
    assert {one.id for one in sample(examples, 20)} < {one.id for one in sample(examples, 100)}
