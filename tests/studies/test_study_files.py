"""Study files: every mistake is named with file and line; variants say what differs; the shipped ones are sound."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from xstilts.core.errors import ConfigError, UnknownName
from xstilts.expand import Expansion
from xstilts.session.loading import load, load_study
from xstilts.studies.files import load_document, packaged, studies, study_file

STUDIES = ("architectures", "curriculum", "domain", "objectives", "scale")
BASE = """\
name: sizes
worlds: [1, 2]
seeds: [1, 2, 3, 4]
backbones:
  - {name: mlm, source: "microworld:mlm"}
recipes: [[], [micro_nli]]
targets: [micro_topic]
study:
  question: Does it help?
  citation: someone
  cost: a minute
  falsified_by: no gain
  claims:
    - id: helps
      statement: It helps.
      citation: someone
      test: {recipe: "[micro_nli]", is: above}
  references: {someone: Someone 2020.}
"""
VARIANT = """\
base: sizes
seeds: [1]
study:
  cost: an hour
"""


def write(folder: Path, text: str, name: str = "sizes") -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "old, new, line, message",
    [
        ("  cost: a minute", "  costs: a minute", 11, "unknown key 'costs': did you mean 'cost'?"),
        ("is: above", "is: abov", 17, "found: 'abov'"),
        ("is: above", "iss: above", 17, "unknown key 'iss' in claims.0.test: did you mean 'is'?"),
        ('"[micro_nli]"', '"[micro_nl]"', 17, "unknown recipe '[micro_nl]': did you mean [micro_nli]?"),
        ("is: above", "is: within", 17, "`is: within` needs `margin`, in points"),
        ("is: above", "kind: trend", 17, "a contrast of kind 'trend' needs `parameters`"),
        ("is: above", "targets: micro_topics", 17, "unknown target 'micro_topics': did you mean micro_topic?"),
        ("      citation: someone", "      citation: nobody", 16, "unknown reference 'nobody': known: someone"),
        ('      test: {recipe: "[micro_nli]", is: above}\n', "", 14, "give either `test`, or `untested`"),
        ("  cost: a minute", "  cost: a minute\n  groups: {x: micro_topi}", 12, "unknown target 'micro_topi'"),
        ("  cost: a minute", "  cost: a minute\n  groups: {x: []}", 12, "groups.x: give at least 1 of them"),
        ("is: above", "is: above, each: recipe, at_least: 3", 17, "`at_least: 3` of 1: it counts recipes"),
        (
            "is: above",
            "kind: trend, parameters: {a: 2, b: 2, c: 2}",
            17,
            "above 0, and not all the same (found: 2, 2, 2)",
        ),
        ("is: above", "kind: trend, parameters: {a: 0, b: 2, c: 3}", 17, "sizes of a trend are above 0"),
        (
            "is: above",
            "kind: trend, parameters: {a: 1, b: 2, c: 3}, each: backbone",
            17,
            "kind 'trend' compares backbones: `each` can be target or recipe",
        ),
        ("targets: [micro_topic]", "targets: [micro_topics]", 7, "did you mean micro_topic"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path, old, new, line, message):
    assert old in BASE
    path = write(tmp_path, BASE.replace(old, new))
    with pytest.raises(ConfigError) as caught:
        load_study(path)
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{path}:{line}: ")


def test_a_plain_experiment_has_no_study_and_a_study_is_a_plain_experiment(tmp_path):
    path = write(tmp_path, BASE)
    assert load_study(path).study is not None
    plain = write(tmp_path, BASE[: BASE.index("study:")], "plain")
    assert load_study(plain).study is None
    assert load(path).model_dump() == load(plain).model_dump()


def test_a_variant_replaces_keys_of_its_base_and_single_keys_of_the_study(tmp_path):
    base, variant = write(tmp_path, BASE), write(tmp_path, VARIANT, "sizes-small")
    experiment, spec = load_study(variant)
    whole = load_study(base)
    assert (experiment.name, experiment.seeds, experiment.targets) == ("sizes-small", (1,), whole.experiment.targets)
    assert whole.study is not None
    assert spec is not None
    assert (spec.cost, spec.claims) == ("an hour", whole.study.claims)


def test_a_mistake_in_a_base_or_a_variant_is_named_in_its_own_file(tmp_path):
    base = write(tmp_path, BASE)
    variant = write(tmp_path, VARIANT.replace("cost: an hour", "cost: [1]"), "sizes-small")
    with pytest.raises(ConfigError, match=f"{variant}:4: "):
        load_study(variant)
    write(tmp_path, VARIANT + "recipes: [[]]\n", "sizes-small")
    with pytest.raises(ConfigError, match=f"{base}:17: unknown recipe"):
        load_study(variant)
    # What the experiment as a whole gets wrong stands where its names do.
    twice = '\n\nbackbones: [{name: mlm, source: "microworld:mlm"}, {name: mlm, source: "microworld:tlm"}]\n'
    write(tmp_path, VARIANT + twice, "sizes-small")
    with pytest.raises(ConfigError, match=f"{variant}:7: backbone 'mlm' occurs twice: give one of them a `name`"):
        load_study(variant)
    write(tmp_path, VARIANT, "sizes-small")
    write(tmp_path, BASE.replace("[micro_topic]", "[micro_topics]"))
    with pytest.raises(ConfigError, match=f"{base}:7: unknown task 'micro_topics'"):
        load_study(variant)


def test_bases_are_found_among_the_shipped_and_not_in_circles(tmp_path):
    write(tmp_path, VARIANT.replace("base: sizes", "base: two"), "one")
    two = write(tmp_path, VARIANT.replace("base: sizes", "base: one"), "two")
    with pytest.raises(ConfigError, match="is itself a variant of this file"):
        load_document(two)
    with pytest.raises(ConfigError, match="unknown base 'curiculum': did you mean curriculum"):
        load_document(write(tmp_path, "base: curiculum\n", "three"))
    own = write(tmp_path, "base: curriculum\nseeds: [1]\n", "curriculum")
    assert load_study(own).experiment.seeds == (1,)
    with pytest.raises(UnknownName, match="did you mean objectives"):
        study_file("objective")


@pytest.mark.parametrize("name", studies())
def test_every_shipped_study_names_what_its_experiment_has(name):
    text = packaged(name).read_text(encoding="utf-8")
    _, spec = load_study(packaged(name))
    assert spec is not None
    assert "# Command: xstilts study" in text
    assert spec.claims
    assert all(reference in spec.references for claim in spec.claims for reference in claim.citation)


@pytest.mark.parametrize("name", STUDIES)
def test_embedded_studies_have_several_seeds_in_every_world(name):
    experiment, _ = load_study(packaged(name))
    found = Counter(one.world for one in Expansion(experiment, None).replicates)
    assert set(found) == {1, 2, 3}
    assert len(set(found.values())) == 1
    assert min(found.values()) >= 2


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_has_variants_on_a_real_encoder_and_on_public_models_with_its_claims(name):
    _, spec = load_study(packaged(name))
    for variant in ("full",) if name == "architectures" else ("real", "full"):
        _, varied = load_study(packaged(f"{name}-{variant}"))
        assert spec is not None
        assert varied is not None
        assert [claim.id for claim in varied.claims] == [claim.id for claim in spec.claims]
        assert varied.cost != spec.cost


def test_the_papers_grid_carries_the_twelve_statements():
    experiment, spec = load_study(packaged("table1"))
    assert spec is not None
    assert {claim.id.partition("-")[0] for claim in spec.claims} == {f"C{number}" for number in range(1, 13)}
    assert all(claim.citation == ("phang2020",) for claim in spec.claims)
    assert len(experiment.recipes) == 11
    assert len(experiment.targets) == 9
