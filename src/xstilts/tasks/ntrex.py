"""NTREX-128: 1,997 news sentences with their professional translations from English.

Protocol: retrieval of the English sentence, accuracy; unlike Tatoeba, the English side is the same for all languages.
As `ntrex_parallel` the same pairs train a contrastive intermediate task; the two must not meet in one recipe. Layout:
the repository's `NTREX-128/`, in the data folder or in `ntrex/`.
"""

from dataclasses import replace

from xstilts.core.languages import languages
from xstilts.data.readers.text import ntrex
from xstilts.tasks.base import Encoding, Task

_FILES = ("ntrex/NTREX-128/newstest2019-ref.{ntrex}.txt", "NTREX-128/newstest2019-ref.{ntrex}.txt")

NTREX = Task(
    name="ntrex",
    type="retrieval",
    read=ntrex,
    files={"test": _FILES},
    beside=("ntrex/NTREX-128/newstest2019-src.eng.txt", "NTREX-128/newstest2019-src.eng.txt"),
    languages=languages(
        "af am ar az ba be bem bg bn bo bs ca ckb cs cy da de dv dz ee el es et eu fa fi fj fo fr fuc ga gl "
        "gsw gu ha he hi hmn hr hu hy id ig is it ja ka kk km kn ko ku ky lb lo lt lv mey mg mi mk ml mn mr "
        "ms mt my nb nd ne nl nn nso ny om pa pl prs ps pt ro ru rw sd shi si sk sl sm sn so sq sr sr-Latn ss "
        "sv sw ta te tg th ti tk tl tn to tr tt ty ug uk ur uz ve vi wo xh yo yue zh zh-Hant zu"
    ),
    metric="bitext_accuracy",
    citation="Federmann, Kocmi and Xin, SumEval 2022",
    licence="CC BY-SA 4.0",
    source="https://github.com/MicrosoftTranslator/NTREX",
    encoding=Encoding(max_length=512),
    protocol="nearest neighbour, accuracy",
)

NTREX_PARALLEL = replace(
    NTREX, name="ntrex_parallel", type="contrastive", files={"train": _FILES}, metric="", protocol="training only"
)
