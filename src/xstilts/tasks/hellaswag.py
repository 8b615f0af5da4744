"""HellaSwag: which of four endings continues a text (English; video captions and WikiHow).

Protocol: accuracy on the validation set (10,042 rows; the test labels are not public). Layout: the official files; of
the validation set parts too, else text of six lines a row.
"""

from xstilts.data.readers.choices import hellaswag
from xstilts.tasks.base import Encoding, Task

HELLASWAG = Task(
    name="hellaswag",
    type="multiple_choice",
    read=hellaswag,
    files={
        "train": ("hellaswag/hellaswag_train.jsonl",),
        "validation": (
            "hellaswag/hellaswag_val.jsonl",
            "hellaswag/hellaswag_val.*.jsonl",
            "hellaswag/hellaswag_val*.txt",
        ),
        "test": ("hellaswag/hellaswag_test.jsonl",),
    },
    metric="accuracy",
    citation="Zellers et al., ACL 2019",
    licence="MIT",
    source="https://github.com/rowanz/hellaswag",
    evaluate_on="validation",
    encoding=Encoding(max_length=256),
    protocol="accuracy on the validation set",
    defects="WikiHow rows hold the markers [header] [title] [step] [substeps].",
)
