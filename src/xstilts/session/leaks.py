"""What leak checks found, in sentences."""

from __future__ import annotations

from collections.abc import Sequence

from xstilts.core.files import read_json
from xstilts.graph.stage import Stage
from xstilts.graph.store import Store


def leaks_found(checks: Sequence[Stage], store: Store) -> list[str]:
    """One sentence for each pair of training and test data, over all replicates; last how many pairs were clean."""
    pairs: dict[tuple[str, str], list[int]] = {}
    for stage in checks:
        if (folder := store.finished(stage)) is not None:
            found = read_json(folder / "leaks.json")
            total = pairs.setdefault((found["train"], found["test"]), [0, 0])
            total[0] += found["leaked"]
            total[1] += found["compared"]
    leaky = {pair: total for pair, total in pairs.items() if total[0]}
    lines = [
        f"Leak: {leaked} of the {examples} test examples of {test} with a long enough text ({leaked / examples:.1%}) "
        f"share thirteen words in a row, or the whole of a shorter text, with the training data of {train}."
        for (train, test), (leaked, examples) in sorted(leaky.items(), key=lambda item: -item[1][0] / item[1][1])
    ]
    if clean := len(pairs) - len(leaky):
        lines.append(
            f"No leak was found in {clean} of {len(pairs)} pairs of training and test data. Raw text and what models "
            "were pretrained on elsewhere are not compared."
        )
    return lines
