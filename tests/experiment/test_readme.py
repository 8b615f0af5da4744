"""The examples of README and docs are experiments that load."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from xstilts.session.loading import load, load_study

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
EXAMPLES = [
    pytest.param(text.partition("```")[0], id=f"{page.relative_to(ROOT)}-{number}")
    for page in PAGES
    for number, text in enumerate(page.read_text(encoding="utf-8").split("```yaml\n")[1:], start=1)
]
REST = {
    "name": "docs",
    "backbones": [{"name": "base", "source": "xlm-r-base"}],
    "recipes": [[], ["mnli"], ["qqp"]],
    "targets": ["xnli", "tatoeba", "bucc2018"],
}
"""What an example leaves out."""


def write(text: str, to: Path) -> Path:
    """An example as a whole experiment file."""
    values = yaml.safe_load(text)
    if "pretrain" in values:
        values = {"backbones": [{**REST["backbones"][0], "pretrain": values["pretrain"]}]}
    path = to / "docs.yaml"
    path.write_text(yaml.safe_dump(values if "base" in values else {**REST, **values}), encoding="utf-8")
    return path


@pytest.mark.parametrize("text", EXAMPLES)
def test_examples_load(text: str, tmp_path: Path) -> None:
    assert load_study(write(text, tmp_path)).experiment.recipes


def test_the_readme_says_what_its_recipes_are_called(tmp_path: Path) -> None:
    text = PAGES[0].read_text(encoding="utf-8").split("```yaml\n")[1].partition("```")[0]
    experiment = load(write(text, tmp_path))
    assert {"[my-nli]", "[{mnli, text_ud}]"} <= {recipe.label for recipe in experiment.recipes}
    assert experiment.task("my-nli").languages == ("en", "de", "sw")


def test_every_key_is_in_the_docs_with_its_meaning(is_written) -> None:
    behind = "docs/experiment.md is behind the models of experiment files: `make docs`"
    assert is_written("experiment.md", "tables", "experiment_page.tables"), behind
