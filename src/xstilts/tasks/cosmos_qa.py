"""Cosmos QA: questions about everyday blog texts with four answers (English).

Protocol: accuracy on the validation set (2,985 rows; the test labels are not public). Layout: the official files.
"""

from xstilts.data.readers.choices import cosmos_qa
from xstilts.tasks.base import Encoding, Task

COSMOS_QA = Task(
    name="cosmos_qa",
    type="multiple_choice",
    read=cosmos_qa,
    files={
        "train": ("cosmos_qa/train.csv",),
        "validation": ("cosmos_qa/valid.csv",),
        "test": ("cosmos_qa/test.jsonl",),
    },
    metric="accuracy",
    citation="Huang et al., EMNLP 2019",
    licence="CC BY 4.0",
    source="https://github.com/wilburOne/cosmosqa",
    evaluate_on="validation",
    encoding=Encoding(max_length=256),
    protocol="accuracy on the validation set",
    defects="2,187 of 2,985 validation rows have the choice `None of the above choices .`",
)
