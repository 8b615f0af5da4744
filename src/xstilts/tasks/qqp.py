"""QQP: duplicate questions on Quora (English), in GLUE's split.

Protocol: accuracy on the development set (40,430 pairs; the test labels are not public). Layout: GLUE's `QQP/`.
"""

from xstilts.data.readers.pairs import PARAPHRASE_LABELS, qqp
from xstilts.tasks.base import Task, by_split

QQP = Task(
    name="qqp",
    type="classification",
    read=qqp,
    files=by_split("QQP/{split}.tsv", "glue/QQP/{split}.tsv", test=""),
    labels=PARAPHRASE_LABELS,
    metric="accuracy",
    citation="Iyer, Dandekar and Csernai, 2017; split: Wang et al., ICLR 2019",
    licence="Quora terms, non-commercial",
    source="https://gluebenchmark.com/tasks",
    evaluate_on="validation",
    protocol="accuracy on GLUE's development set",
)
