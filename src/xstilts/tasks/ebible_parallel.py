"""Verse pairs of two Bibles, any language with English: retrieval, and a contrastive intermediate task.

Protocol: verses that both Bibles have and neither joins to a neighbour. `ebible`: the English verse is found, accuracy;
`ebible_parallel`: training only; the two must not meet in one recipe. Layout:
`text_ebible/{iso3}-*.txt` of the eBible corpus (41,899 lines each) with an English Bible `eng-*.txt` and `vref.txt`
beside.
"""

from dataclasses import replace

from xstilts.core.languages import LANGUAGES
from xstilts.data.readers.text import ebible_pairs
from xstilts.tasks.base import Encoding, Task

EBIBLE_PARALLEL = Task(
    name="ebible_parallel",
    type="contrastive",
    read=ebible_pairs,
    files={"train": ("text_ebible/{iso3}-*.txt", "ebible/{iso3}-*.txt")},
    beside=("text_ebible/eng-*.txt", "ebible/eng-*.txt"),
    languages=tuple(code for code in LANGUAGES if code != "en"),
    citation="Akerman et al., 2023 (arXiv 2304.09919)",
    licence="by Bible; the ones used should be in the public domain",
    source="https://github.com/BibleNLP/ebible-corpus",
    protocol="training only",
)

EBIBLE = replace(
    EBIBLE_PARALLEL,
    name="ebible",
    type="retrieval",
    files={"test": EBIBLE_PARALLEL.files["train"]},
    metric="bitext_accuracy",
    encoding=Encoding(max_length=512),
    protocol="nearest neighbour, accuracy",
)
