"""COPA: which of two alternatives is the cause, or the effect, of a premise (English); XCOPA's English side.

Protocol: accuracy on the validation set (100 rows; the labels of SuperGLUE's test are not public). Layout: SuperGLUE's
`COPA/` in the data folder (`train.jsonl` 400 rows, `val.jsonl`, `test.jsonl` 500), or XTREME-R's
`copa/train-en.jsonl`, `val-en.jsonl`, `test-en.jsonl` (every label 0: withheld).
"""

from xstilts.data.readers.choices import copa
from xstilts.tasks.base import Task, register

COPA = register(
    Task(
        name="copa",
        type="multiple_choice",
        read=copa,
        files={
            "train": ("COPA/train.jsonl", "copa/train-en.jsonl"),
            "validation": ("COPA/val.jsonl", "copa/val-en.jsonl"),
            "test": ("COPA/test.jsonl", "copa/test-en.jsonl"),
        },
        languages=("en",),
        metric="accuracy",
        main="accuracy",
        citation="Roemmele, Bejan and Gordon, AAAI Spring Symposium 2011",
        licence="BSD 2-Clause",
        source="https://people.ict.usc.edu/~gordon/copa.html",
        evaluate_on="validation",
        protocol="accuracy on the validation set",
    )
)
