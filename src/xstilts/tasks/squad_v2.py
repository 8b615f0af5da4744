"""SQuAD 2.0: span questions, some without answer; measured on the development file (the test set is not public).

Protocol: exact match and F1 of the official `evaluate-v2.0.py`, an empty prediction being right for impossible
questions. Layout: the official files (130,319 and 11,873 questions), or parts of them.
"""

from xstilts.data.readers.squad import squad
from xstilts.tasks.base import Encoding, Task

SQUAD_V2 = Task(
    name="squad_v2",
    type="span_qa",
    read=squad,
    files={
        "train": ("squad_v2.0/train-v2.0.json", "squad_v2/train-v2.0.json", "squad_v2.0/train-v2.0.*.json"),
        "validation": ("squad_v2.0/dev-v2.0.json", "squad_v2/dev-v2.0.json", "squad_v2.0/dev-v2.0.*.json"),
    },
    metric="squad_v2",
    citation="Rajpurkar, Jia and Liang, ACL 2018",
    licence="CC BY-SA 4.0",
    source="https://rajpurkar.github.io/SQuAD-explorer/",
    evaluate_on="validation",
    encoding=Encoding(max_length=384, no_answer=True),
    protocol="official evaluate-v2.0.py on dev-v2.0",
    defects="The CS224N half of the development file has other question ids and 16 articles in common with XQuAD.",
)
