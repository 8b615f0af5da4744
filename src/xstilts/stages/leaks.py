"""Descriptions of leak stages."""

from __future__ import annotations

from xstilts.graph.stage import Stage
from xstilts.stages.describe import make


def describe_leaks(training: Stage, test: Stage) -> Stage | None:
    """Whether test data has texts of training data, both as `prepare` stages have them.

    Languages are compared each with itself, but for translations of training data; the English side of translation
    pairs, which has no language of its own in their files, with English data too. None where nothing can be compared.
    """
    train = [code for code in training.config["languages"] if f"translation_{code}" not in training.inputs]
    measured = list(test.config["languages"])
    both = [code for code in train if code in measured]
    if test.config["type"] in ("retrieval", "mining") and "en" in train:
        read = train
    elif training.config["type"] in ("contrastive", "translation_lm") and "en" in measured:
        read, measured = train, [code for code in measured if code in (*train, "en")]
    else:
        read, measured = both, both
    if not read:
        return None
    sides = {"train": (training, read), "test": (test, measured)}
    named = ("task", "split", "holdout", "limit", "sampled", "like", "read")
    config = {}
    for side, (stage, languages) in sides.items():
        files = {code: found for code, found in stage.config["files"].items() if code in (*languages, "world")}
        own = {name: stage.config[name] for name in named if name in stage.config}
        config[side] = {**own, "languages": languages, "files": files}
    worlds = {side: stage.inputs["world"] for side, (stage, _) in sides.items() if "world" in stage.inputs}
    hints = {side: {name: stage.settings[name] for name in ("roots", "task")} for side, (stage, _) in sides.items()}
    label = f"{training.config['task']} in {test.config['task']}"
    return make("leaks", config, worlds, label, cost=2.0, **hints)
