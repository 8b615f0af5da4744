"""XNLI's machine translations of MultiNLI's training set into 15 languages, for translate-train; never a target.

Layout: the archive `XNLI-MT-1.0/` in the data folder or in `xnli/`: `multinli/multinli.train.{language}.tsv` with the
columns premise, hypo, label (392,702 rows; `contradictory` is contradiction; translated text is tokenised).
"""

from xstilts.data.readers.pairs import NLI_LABELS, nli
from xstilts.tasks.base import Task
from xstilts.tasks.benchmarks import XTREME

XNLI_MT = Task(
    name="xnli_mt",
    type="classification",
    read=nli,
    files={
        "train": (
            "XNLI-MT-1.0/multinli/multinli.train.{language}.tsv",
            "xnli/XNLI-MT-1.0/multinli/multinli.train.{language}.tsv",
        )
    },
    languages=XTREME["xnli"],
    labels=NLI_LABELS,
    metric="accuracy",
    citation="Conneau et al., EMNLP 2018",
    licence="CC BY-NC 4.0",
    source="https://github.com/facebookresearch/XNLI",
    protocol="translate-train: training split only",
)
