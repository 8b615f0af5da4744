"""XQuAD: 240 paragraphs and 1,190 questions of SQuAD 1.1's development set, translated by professionals.

Protocol (XTREME): train on English SQuAD 1.1, test in 12 languages (11 in XTREME; Romanian came later); exact match
and F1 with SQuAD's English normaliser for every language. There is no development set. Layout:
`xquad/xquad.{language}.json`; XTREME's own copies have their answers blanked, gold is then withheld.
"""

from xstilts.data.readers.squad import squad
from xstilts.tasks.base import Encoding, Task
from xstilts.tasks.benchmarks import XTREME

XQUAD = Task(
    name="xquad",
    type="span_qa",
    read=squad,
    files={"test": ("xquad/xquad.{language}.json", "xquad/test.{language}.json")},
    languages=(*XTREME["xquad"], "ro"),
    metric="squad_v1",
    citation="Artetxe, Ruder and Yogatama, ACL 2020",
    licence="CC BY-SA 4.0",
    source="https://github.com/google-deepmind/xquad",
    train_on="squad_v1",
    encoding=Encoding(max_length=384),
    protocol="official evaluate-v1.1.py (XTREME)",
    defects="Its English questions are questions of SQuAD 1.1's development set.",
)
