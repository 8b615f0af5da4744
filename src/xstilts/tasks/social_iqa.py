"""Social IQa: a situation, a question about people, three answers (English).

Protocol: accuracy on the development set (1,954 rows; the test labels are not public). XTREME-R trains XCOPA on it
before COPA. Layout: v1.4 with answers in `correct`; or the hub archive, with labels from 1 in files of their own.
"""

from xstilts.data.readers.choices import social_iqa
from xstilts.tasks.base import Task

_HUB = "social_iqa/socialiqa-train-dev"

SOCIAL_IQA = Task(
    name="social_iqa",
    type="multiple_choice",
    read=social_iqa,
    files={
        "train": ("social_iqa/socialIQa_v1.4_trn.jsonl", f"{_HUB}/train.jsonl"),
        "validation": ("social_iqa/socialIQa_v1.4_dev.jsonl", f"{_HUB}/dev.jsonl"),
    },
    gold={"train": (f"{_HUB}/train-labels.lst",), "validation": (f"{_HUB}/dev-labels.lst",)},
    metric="accuracy",
    citation="Sap et al., EMNLP 2019",
    licence="CC BY 4.0",
    source="https://leaderboard.allenai.org/socialiqa",
    evaluate_on="validation",
    protocol="accuracy on the development set",
)
