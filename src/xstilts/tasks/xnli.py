"""XNLI: 5,010 test and 2,490 development pairs in 15 languages, translated from new English MultiNLI-like pairs.

Protocol (XTREME): train on English MultiNLI, accuracy per language. Layout: the archive (one file for all languages),
in the data folder or in `xnli/`; or XTREME's files, whose test files have no labels: those are the same in all
languages and are taken, where it exists, from `xnli/gold/test-labels.txt`, one a line.
"""

from xstilts.data.readers.pairs import NLI_LABELS, xnli
from xstilts.tasks.base import Task, by_split
from xstilts.tasks.benchmarks import XTREME

XNLI = Task(
    name="xnli",
    type="classification",
    read=xnli,
    files=by_split(
        "XNLI-1.0/xnli.{split}.tsv",
        "xnli/XNLI-1.0/xnli.{split}.tsv",
        "xnli/xtreme_form/{split}-{language}.tsv",
        "xnli/{split}-{language}.tsv",
        train="",
    ),
    gold={"test": ("xnli/gold/test-labels.txt",)},
    languages=XTREME["xnli"],
    labels=NLI_LABELS,
    metric="accuracy",
    citation="Conneau et al., EMNLP 2018",
    licence="CC BY-NC 4.0",
    source="https://github.com/facebookresearch/XNLI",
    train_on="mnli",
    protocol="accuracy (XTREME)",
    defects="XTREME's test files come without labels.",
)
