"""The experiment in the README is one that loads."""

from __future__ import annotations

from pathlib import Path

from xstilts.experiment import load_experiment

README = Path(__file__).parents[2] / "README.md"


def test_the_experiment_in_the_readme_loads(tmp_path: Path) -> None:
    text = README.read_text(encoding="utf-8").split("```yaml\n")[1].split("```")[0]
    (tmp_path / "readme.yaml").write_text(text, encoding="utf-8")
    experiment = load_experiment(tmp_path / "readme.yaml")
    assert "[{mnli, text_ud}]" in [recipe.label for recipe in experiment.recipes]
    assert experiment.task("my-nli").languages == ("en", "de", "sw")
