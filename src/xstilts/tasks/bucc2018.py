"""BUCC 2018: which sentences of two comparable corpora are translations of each other?

Protocol (XTREME): no training; ratio margin over 4 neighbours, one-to-one, a threshold tuned per language on the sample
set, F1 on the training set (whose gold is public; XTREME calls it test). Layout: `bucc2018/` with
`{language}-en.training.{language}`, `.en` and `.gold` and the `sample` files beside them, or XTREME's names `test` and
`dev`. The validation split is the sample set alone, where the threshold is tuned on what is measured.
"""

from xstilts.core.languages import languages
from xstilts.data.readers.pools import bucc
from xstilts.tasks.base import Encoding, Task

BUCC2018 = Task(
    name="bucc2018",
    type="mining",
    read=bucc,
    files={
        "validation": ("bucc2018/{language}-en.sample.{language}", "bucc2018/{language}-en.dev.{language}"),
        "test": ("bucc2018/{language}-en.training.{language}", "bucc2018/{language}-en.test.{language}"),
    },
    beside=("bucc2018/{language}-en.*",),
    languages=languages("de fr ru zh"),
    metric="bitext_f1",
    citation="Zweigenbaum et al., LREC 2018",
    licence="not stated (Wikipedia and news commentary)",
    source="https://comparable.limsi.fr/bucc2018/",
    encoding=Encoding(max_length=512),
    protocol="margin mining as XTREME's utils_retrieve.py, threshold from the sample set",
    defects="Sentences that occur twice are never mined though gold may name them, as in XTREME's script.",
)
