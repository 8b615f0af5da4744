from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xstilts.graph.stage import Stage, drop_defaults, from_rows, graph, to_rows

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
configs = st.dictionaries(st.text(), json_values, max_size=4)


def shuffled(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: shuffled(value[name]) for name in reversed(list(value))}
    return [shuffled(item) for item in value] if isinstance(value, list) else value


@given(configs, configs)
def test_equal_configs_have_equal_keys_and_others_do_not(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert Stage("train", 1, one).key == Stage("train", 1, shuffled(one)).key
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (Stage("train", 1, one) == Stage("train", 1, other)) == same


def test_label_and_settings_are_outside_the_key() -> None:
    plain = Stage("train", 1, {"lr": 0.1})
    dressed = Stage("train", 1, {"lr": 0.1}, label="the best", settings={"cost": 9})
    assert plain == dressed
    assert len({plain, dressed}) == 1


def test_kind_version_config_inputs_and_their_roles_are_in_the_key() -> None:
    a, b = Stage("prepare", 1, {"n": 1}), Stage("prepare", 1, {"n": 2})
    base = Stage("train", 1, {"lr": 0.1}, {"data": a})
    others = [
        Stage("tune", 1, {"lr": 0.1}, {"data": a}),
        Stage("train", 2, {"lr": 0.1}, {"data": a}),
        Stage("train", 1, {"lr": 0.2}, {"data": a}),
        Stage("train", 1, {"lr": 0.1}, {"data": b}),
        Stage("train", 1, {"lr": 0.1}, {"text": a}),
        Stage("train", 1, {"lr": 0.1}),
    ]
    assert len({base, *others}) == 7


def test_order_of_inputs_is_irrelevant() -> None:
    a, b = Stage("prepare", 1, {"n": 1}), Stage("prepare", 1, {"n": 2})
    assert Stage("train", 1, {}, {"a": a, "b": b}) == Stage("train", 1, {}, {"b": b, "a": a})


def test_changing_the_config_afterwards_does_not_reach_the_stage() -> None:
    config = {"tasks": ["mnli"]}
    stage = Stage("train", 1, config)
    config["tasks"].append("squad")
    assert stage.config == {"tasks": ["mnli"]}
    assert stage == Stage("train", 1, stage.config)


@pytest.mark.parametrize("value", [{1, 2}, b"x", object()])
def test_a_config_that_is_not_json_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="not JSON serializable"):
        Stage("train", 1, {"x": value})


def test_a_config_with_nan_is_refused() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        Stage("train", 1, {"x": float("nan")})


def test_graph_lists_each_stage_once_and_inputs_first() -> None:
    a = Stage("prepare", 1, {"n": 1}, label="first")
    again = Stage("prepare", 1, {"n": 1}, label="second")
    b, c = Stage("train", 1, {"n": 2}, {"x": a}), Stage("train", 1, {"n": 3}, {"x": again})
    d = Stage("evaluate", 1, {}, {"b": b, "c": c})
    stages = graph([d, b])
    assert sorted(stage.kind for stage in stages) == ["evaluate", "prepare", "train", "train"]
    for stage in stages:
        assert all(stages.index(source) < stages.index(stage) for source in stage.inputs.values())
    assert graph([d, b]) == stages


def test_deep_and_wide_graphs_are_walked_once() -> None:
    stage = Stage("train", 1, {"n": 0})
    for n in range(1, 3000):  # every stage is reached on 2^n paths: who follows them all never ends
        stage = Stage("train", 1, {"n": n}, {"a": stage, "b": stage})
    assert len(graph([stage])) == 3000
    assert from_rows(json.loads(json.dumps(to_rows([stage]))))[stage.key] == stage


def test_rows_keep_everything() -> None:
    a = Stage("prepare", 3, {"n": 1, "text": "ü"}, label="words", settings={"cost": 2.5})
    b = Stage("train", 1, {}, {"data": a})
    back = from_rows(to_rows([b]))[b.key]
    assert back.inputs["data"].label == "words"
    assert back.inputs["data"].settings == {"cost": 2.5}
    assert (back.kind, back.version, back.config) == ("train", 1, {})


def test_a_new_option_at_its_default_keeps_old_keys() -> None:
    old = Stage("train", 1, {"lr": 0.1})
    later = {"smoothing": 0.0, "average": None}
    assert Stage("train", 1, drop_defaults({"lr": 0.1, "smoothing": 0.0, "average": None}, later)) == old
    assert Stage("train", 1, drop_defaults({"lr": 0.1, "smoothing": 0.1, "average": None}, later)) != old
    assert drop_defaults({"smoothing": False}, later) == {"smoothing": False}, "False is not 0.0 in JSON"


def test_golden_keys(golden: Any) -> None:
    """Results of earlier versions are found again: a change here makes every user compute everything anew."""
    prepare = Stage("prepare", 1, {"task": "xnli", "languages": ["de", "zh"], "text": "naïve 中文", "ratio": 0.1})
    train = Stage("train", 2, {"lr": 1e-5, "warmup": None, "amp": True, "steps": 10**6}, {"data": prepare})
    predict = Stage("predict", 1, {}, {"weights": train, "data": prepare}, label="unseen", settings={"device": "cuda"})
    golden("keys", {stage.kind: stage.key for stage in graph([predict])})
