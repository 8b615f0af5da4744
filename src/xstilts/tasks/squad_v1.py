"""SQuAD 1.1: train on the training file, measure on the development file (the test set is not public).

Protocol: exact match and F1 of the official `evaluate-v1.1.py`, best over a question's answers; windows of 384
sub-words with stride 128. The training set of XQuAD and MLQA in XTREME. Layout: the official files (87,599 and 10,570
questions); of the training set parts too.
"""

from xstilts.data.readers.squad import squad
from xstilts.tasks.base import Encoding, Task

SQUAD_V1 = Task(
    name="squad_v1",
    type="span_qa",
    read=squad,
    files={
        "train": ("squad_v1.1/train-v1.1.json", "squad/train-v1.1.json", "squad_v1.1/train-v1.1.*.json"),
        "validation": ("squad_v1.1/dev-v1.1.json", "squad/dev-v1.1.json"),
    },
    metric="squad_v1",
    citation="Rajpurkar et al., EMNLP 2016",
    licence="CC BY-SA 4.0",
    source="https://rajpurkar.github.io/SQuAD-explorer/",
    evaluate_on="validation",
    encoding=Encoding(max_length=384),
    protocol="official evaluate-v1.1.py on dev-v1.1",
    defects="XQuAD's English questions are questions of the development file.",
)
