"""QQP: duplicate questions on Quora (English), in GLUE's split.

Protocol: accuracy on the development set (40,430 pairs; the test labels are not public). Layout: GLUE's `QQP/` in the
data folder or in `glue/`: `train.tsv` (363,846 pairs), `dev.tsv`.
"""

from xstilts.data.readers.pairs import PARAPHRASE_LABELS, qqp
from xstilts.tasks.base import Task, register

QQP = register(
    Task(
        name="qqp",
        type="classification",
        read=qqp,
        files={
            "train": ("QQP/train.tsv", "glue/QQP/train.tsv"),
            "validation": ("QQP/dev.tsv", "glue/QQP/dev.tsv"),
        },
        languages=("en",),
        labels=PARAPHRASE_LABELS,
        metric="accuracy",
        main="accuracy",
        citation="Iyer, Dandekar and Csernai, 2017; split: Wang et al., ICLR 2019",
        licence="Quora terms, non-commercial",
        source="https://gluebenchmark.com/tasks",
        evaluate_on="validation",
        protocol="accuracy on GLUE's development set",
    )
)
