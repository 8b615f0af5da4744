"""XNLI: 5,010 test and 2,490 development pairs in 15 languages, translated from new English MultiNLI-like pairs.

Protocol (XTREME): train on English MultiNLI, accuracy per language. Layout: the archive `XNLI-1.0/` in the data folder
or in `xnli/` (`xnli.dev.tsv`, `xnli.test.tsv`: one file for all languages); or XTREME's `dev-{language}.tsv`,
`test-{language}.tsv` in `xnli/xtreme_form/` or `xnli/`, whose test files have no labels: those are the same in all
languages and are taken, where it exists, from `xnli/gold/test-labels.txt`, one a line.
"""

from xstilts.data.readers.pairs import NLI_LABELS, xnli
from xstilts.tasks.base import Task, register
from xstilts.tasks.benchmarks import XTREME


def _files(split: str) -> tuple[str, ...]:
    official = f"XNLI-1.0/xnli.{split}.tsv"
    return (
        official,
        f"xnli/{official}",
        f"xnli/xtreme_form/{split}-{{language}}.tsv",
        f"xnli/{split}-{{language}}.tsv",
    )


XNLI = register(
    Task(
        name="xnli",
        type="classification",
        read=xnli,
        files={"validation": _files("dev"), "test": _files("test")},
        gold={"test": ("xnli/gold/test-labels.txt",)},
        languages=XTREME["xnli"],
        labels=NLI_LABELS,
        metric="accuracy",
        main="accuracy",
        citation="Conneau et al., EMNLP 2018",
        licence="CC BY-NC 4.0",
        source="https://github.com/facebookresearch/XNLI",
        train_on="mnli",
        protocol="accuracy (XTREME)",
        defects="XTREME's test files come without labels.",
    )
)
