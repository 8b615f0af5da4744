"""SQuADShifts: four new English test sets for SQuAD 1.1 models (new Wikipedia, New York Times, Reddit, Amazon).

Protocol: SQuAD 1.1's metrics; the files there are form one test split, ids begin with the file's name, so that scores
of one domain can be told apart. Layout: the official files.
"""

from xstilts.data.readers.squad import squad
from xstilts.tasks.base import Encoding, Task

SQUAD_SHIFTS = Task(
    name="squad_shifts",
    type="span_qa",
    read=squad,
    files={"test": ("squadshifts/*_v1.0.json",)},
    metric="squad_v1",
    citation="Miller et al., ICML 2020",
    licence="CC BY 4.0",
    source="https://github.com/modestyachts/squadshifts-website",
    train_on="squad_v1",
    encoding=Encoding(max_length=384),
    protocol="official evaluate-v1.1.py",
    defects="Many passages end in a newline, which belongs to them.",
)
