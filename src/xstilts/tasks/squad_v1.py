"""SQuAD 1.1: train on the training file, measure on the development file (the test set is not public).

Protocol: exact match and F1 of the official `evaluate-v1.1.py`, best over a question's answers; windows of 384
sub-words with stride 128. The training set of XQuAD and MLQA in XTREME. Layout: `squad_v1.1/` with the official
`train-v1.1.json` (87,599 questions) and `dev-v1.1.json` (10,570); parts of them (`train-v1.1.head.json`) are read too.
"""

from xstilts.data.readers.squad import squad
from xstilts.tasks.base import Encoding, Task, register

SQUAD_V1 = register(
    Task(
        name="squad_v1",
        type="span_qa",
        read=squad,
        files={
            "train": ("squad_v1.1/train-v1.1.json", "squad/train-v1.1.json", "squad_v1.1/train-v1.1.*.json"),
            "validation": ("squad_v1.1/dev-v1.1.json", "squad/dev-v1.1.json"),
        },
        languages=("en",),
        metric="squad_v1",
        main="f1",
        citation="Rajpurkar et al., EMNLP 2016",
        licence="CC BY-SA 4.0",
        source="https://rajpurkar.github.io/SQuAD-explorer/",
        evaluate_on="validation",
        encoding=Encoding(max_length=384),
        protocol="official evaluate-v1.1.py on dev-v1.1",
        defects="XQuAD's English questions are questions of the development file.",
    )
)
