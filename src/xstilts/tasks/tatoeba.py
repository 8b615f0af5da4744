"""Tatoeba: up to 1,000 sentences with their English translations in each of 112 languages (LASER v1).

Protocol (XTREME): no training; every English sentence's nearest neighbour among the other side, accuracy; 36
languages enter XTREME's mean, 41 XTREME-R's. Layout: LASER's `data/tatoeba/v1`. XTREME's own copy is refused: its
English side is sorted, so that line n no longer translates line n.
"""

from xstilts.core.languages import languages
from xstilts.data.readers.text import tatoeba
from xstilts.tasks.base import Encoding, Task

TATOEBA = Task(
    name="tatoeba",
    type="retrieval",
    read=tatoeba,
    files={
        "test": (
            "tatoeba/v1/tatoeba.{tatoeba}-eng.{tatoeba}",
            "tatoeba/tatoeba.{tatoeba}-eng.{tatoeba}",
            "tatoeba/xtreme_form/{language}-en.{language}",
            "tatoeba/{language}-en.{language}",
        )
    },
    beside=("tatoeba/v1/tatoeba.{tatoeba}-eng.eng", "tatoeba/tatoeba.{tatoeba}-eng.eng"),
    languages=languages(
        "af am ang ar arq arz ast awa az be ber bg bn br bs ca cbk ceb ch cs csb cy da de dsb dtp el eo es et "
        "eu fa fi fo fr fy ga gd gl gsw he hi hr hsb hu hy ia id ie io is it ja jv ka kab kk km ko ku kw kzj "
        "la lfn lt lv max mhr mk ml mn mr ms nb nds nl nn nov oc orv pam pl pms pt ro ru sk sl sq sr sv sw "
        "swg ta te th tk tl tr tt tzl ug uk ur uz vi war wuu xh yi yue zh"
    ),
    metric="bitext_accuracy",
    citation="Artetxe and Schwenk, TACL 2019",
    licence="CC BY 2.0 FR",
    source="https://github.com/facebookresearch/LASER/tree/main/data/tatoeba/v1",
    encoding=Encoding(max_length=512),
    protocol="nearest neighbour, accuracy",
    defects="The English side differs from pair to pair, so that languages cannot be compared; near-duplicates.",
)
