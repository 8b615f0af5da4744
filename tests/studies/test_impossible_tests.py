"""Tests that no scores could decide are refused, with file and line, before anything is trained."""

from __future__ import annotations

from pathlib import Path

import pytest

from xstilts.core.errors import ConfigError
from xstilts.session.loading import load_study

HEAD = """\
name: sizes
worlds: [1]
seeds: [1]
backbones:
  - {name: a, source: "microworld:mlm"}
  - {name: b, source: "microworld:small"}
  - {name: c, source: "microworld:large"}
recipes: [[], [micro_nli]]
targets: [micro_topic, micro_ner]
study:
  question: Does it help?
  citation: someone
  cost: a minute
  falsified_by: no gain
  groups: {GROUP: [micro_ner]}
  claims:
    - id: helps
      statement: It helps.
      citation: someone
      test: TEST
  references: {someone: Someone 2020.}
"""
RECIPE = 'recipe: "[micro_nli]", is: '


def read(folder: Path, test: str, group: str = "tags") -> None:
    path = folder / "sizes.yaml"
    path.write_text(HEAD.replace("TEST", f"{{{test}}}").replace("GROUP", group), encoding="utf-8")
    load_study(path)


@pytest.mark.parametrize(
    "test, message",
    [
        ('recipe: "[]", is: above', "recipe '[]' is compared with itself"),
        (f'{RECIPE}above, against: "[micro_nli]"', "recipe '[micro_nli]' is compared with itself"),
        ('recipe: ["[]", "[micro_nli]"], each: recipe, is: above', "recipe '[]' is compared with itself"),
        (f'kind: best, {RECIPE}above, against: "[micro_nli]"', "is compared with itself"),
        (f"kind: difference, {RECIPE}above, backbones: a, other: a", "and the same runs is 0"),
        (f"kind: interaction, {RECIPE}above, backbones: a", "two or more different backbones (found: a)"),
        (f"kind: interaction, {RECIPE}above, backbones: [a, a]", "different backbones (found: a, a)"),
        (f"kind: interaction, {RECIPE}above", "gains of three or more backbones have no sign"),
        (f"kind: interaction, {RECIPE}within, margin: 1, each: target", "has no `each`"),
        (f"kind: trend, {RECIPE}above, backbones: a, parameters: {{a: 1, b: 2, c: 3}}", "leave `backbones` out"),
        ("kind: correlation, targets: micro_ner, versus: tags, is: above", "with the same targets is 1"),
        (
            "kind: correlation, backbones: a, targets: micro_topic, versus: tags, is: above",
            "needs at least three, found 2",
        ),
        (f"{RECIPE}above, each: target, at_least: 3", "`at_least: 3` of 2: it counts targets"),
        (f"kind: best, {RECIPE}above, at_least: 2", "`at_least: 2` of 1: it counts recipes"),
        (f"{RECIPE}above, backbones: tags", "unknown backbone 'tags': known: a, b, c"),
    ],
)
def test_an_impossible_test_is_named_with_its_line(tmp_path: Path, test: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, test)
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path / 'sizes.yaml'}:20: ")


@pytest.mark.parametrize(
    "test",
    [
        f"kind: interaction, {RECIPE}differs, margin: 1",
        f"kind: interaction, {RECIPE}above, backbones: [a, c]",
        "kind: difference, recipe: '[]', backbones: a, other: b, is: above",
        "kind: difference, recipe: '[micro_nli]', against: '[]', other: [a, b, c], is: above",
        "kind: correlation, targets: micro_topic, versus: tags, is: above",
        f"{RECIPE}above, each: target, at_least: 2",
        f'{RECIPE}above, against: ["[]", "[micro_nli]"]',
        "kind: correlation, targets: [micro_topic, micro_ner], versus: tags, is: above",
    ],
)
def test_one_that_scores_can_decide_is_not(tmp_path: Path, test: str) -> None:
    read(tmp_path, test)


def test_the_best_is_counted_over_the_others(tmp_path: Path) -> None:
    text = HEAD.replace("[micro_nli]]", "[micro_nli], [micro_qa]]").replace("GROUP", "tags")
    (tmp_path / "three.yaml").write_text(text.replace("TEST", f"{{kind: best, {RECIPE}above, at_least: 2}}"))
    load_study(tmp_path / "three.yaml")


def test_a_group_called_like_another_target_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=":15: group 'micro_topic' has the name of a target: give it another name"):
        read(tmp_path, f"{RECIPE}above", "micro_topic")
    read(tmp_path, f"{RECIPE}above", "micro_ner")
