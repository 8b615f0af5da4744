"""Writes `mining/bucc.json` with the official mining script. Not run by the tests, which compare our pairs with it.

    python tests/parity/record_mining.py XTREME

XTREME is a checkout of google-research/xtreme at the commit of `record.py`. Its nearest neighbours come from faiss;
where that is not installed, an exact search by numpy stands in for what the script uses of it.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import synthetic
from record import HERE, XTREME, load

FILE = HERE / "mining" / "bucc.json"
COMMAND = "python tests/parity/record_mining.py XTREME"


class FlatIP:
    """faiss.IndexFlatIP: exact search by inner product."""

    def __init__(self, dimension: int) -> None:
        self.vectors = np.zeros((0, dimension), dtype=np.float32)

    def add(self, vectors: np.ndarray) -> None:
        self.vectors = np.concatenate([self.vectors, vectors])

    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        similarities = queries @ self.vectors.T
        order = np.argsort(-similarities, axis=1, kind="stable")[:, :k]
        return np.take_along_axis(similarities, order, axis=1), order


def normalize(vectors: np.ndarray) -> None:
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)


def faiss() -> None:
    """The installed faiss, or what stands in for it."""
    try:
        import faiss as _  # noqa: F401
    except ImportError:
        module = ModuleType("faiss")
        module.IndexFlatIP, module.normalize_L2 = FlatIP, normalize  # type: ignore[attr-defined]
        sys.modules["faiss"] = module


def official(script: Any, seed: int) -> dict[str, Any]:
    """Scores and pairs of `mine_bitext` and `bucc_eval` on `synthetic.corpora(seed)`."""
    sources, targets, x, y, gold = synthetic.corpora(seed)
    with tempfile.TemporaryDirectory() as scratch:
        names = {name: str(Path(scratch) / name) for name in ("x", "y", "x.id", "y.id", "gold", "out", "predicted")}
        for name, lines in (
            ("x", [text for _, text in sources]),
            ("y", [text for _, text in targets]),
            ("x.id", [i for i, _ in sources]),
            ("y.id", [i for i, _ in targets]),
            ("gold", ["\t".join(pair) for pair in gold]),
        ):
            Path(names[name]).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        script.mine_bitext(x.copy(), y.copy(), names["x"], names["y"], names["out"])
        found = script.bucc_eval(
            names["out"], names["gold"], names["x"], names["y"], names["x.id"], names["y.id"], names["predicted"]
        )
        pairs = sorted(line.split("\t") for line in Path(names["predicted"]).read_text().splitlines())
    return {"seed": seed, "threshold": found["best-threshold"], "f1": found["F1"], "pairs": pairs}


def main(xtreme: str) -> None:
    faiss()
    script = load(Path(xtreme) / "third_party" / "utils_retrieve.py")
    about = {"script": "third_party/utils_retrieve.py:mine_bitext, bucc_eval", **XTREME, "command": COMMAND}
    FILE.parent.mkdir(exist_ok=True)
    cases = [official(script, seed) for seed in (0, 1, 2)]
    FILE.write_text(json.dumps({**about, "cases": cases}, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
