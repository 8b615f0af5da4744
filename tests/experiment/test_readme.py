"""The experiment in the README is one that loads."""

from __future__ import annotations

from pathlib import Path

import yaml

from xstilts.experiment import load_experiment

README = Path(__file__).parents[2] / "README.md"


def test_the_experiment_in_the_readme_loads(tmp_path: Path) -> None:
    text = README.read_text(encoding="utf-8").split("```yaml\n")[1].split("```")[0]
    (tmp_path / "readme.yaml").write_text(text, encoding="utf-8")
    experiment = load_experiment(tmp_path / "readme.yaml")
    assert "[{mnli, text_ud}]" in [recipe.label for recipe in experiment.recipes]
    assert experiment.task("my-nli").languages == ("en", "de", "sw")


def test_the_translations_in_the_docs_load(tmp_path: Path) -> None:
    text = (README.parent / "docs" / "translation.md").read_text(encoding="utf-8").split("```yaml\n")[1].split("```")[0]
    rest = {
        "name": "docs",
        "backbones": [{"name": "base", "source": "xlm-r-base"}],
        "targets": ["xnli"],
        "tasks": {"my-snli": {"like": "snli", "files": {"train": "mine/{language}.jsonl"}, "holdout": 10}},
    }
    (tmp_path / "docs.yaml").write_text(yaml.safe_dump(rest) + text, encoding="utf-8")
    labels = [recipe.label for recipe in load_experiment(tmp_path / "docs.yaml").recipes]
    assert labels == ["[]", "[mnli]", "[mnli (opus: de, ru)]"]
