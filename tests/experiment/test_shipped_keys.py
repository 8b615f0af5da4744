"""Keys of the experiments that come with xstilts: a change here makes their users compute everything anew."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import xstilts
from xstilts.expand import Expansion
from xstilts.graph.stage import graph
from xstilts.session.loading import load

EMBEDDED = ("demo", "architectures", "curriculum", "domain", "objectives", "scale")


def test_stages_of_shipped_experiments_have_the_keys_they_always_had_golden(golden: Callable[[str, Any], None]) -> None:
    found = {}
    for name in EMBEDDED:
        experiment = load(Path(xstilts.__file__).parent / "studies" / f"{name}.yaml")
        keys = sorted(stage.key for stage in graph(Expansion(experiment, None).stages()))
        found[name] = {"stages": len(keys), "keys": sha256("".join(keys).encode()).hexdigest()[:20]}
    golden("shipped_keys", found)
