"""SIB-200: one of seven topics for FLORES-200 sentences in 205 languages and scripts; 701, 99 and 204 rows each.

Protocol: train on English, accuracy on the test split; the rows are the same in all languages. Layout: the repository's
`data/annotated/` as `sib200/annotated/` (`deu_Latn`, `zho_Hans` ...).
"""

from xstilts.core.languages import languages
from xstilts.data.readers.pairs import TOPICS, sib200
from xstilts.tasks.base import Task, by_split

_FLORES = languages(
    "ace ace-Arab acm acq aeb af ajp ak am apc ar ar-Latn ars ary arz as ast awa ay az azb ba ban be bem "
    "bg bho bjn bjn-Arab bm bn bo bs bug ca ceb cjk ckb crh cs cy da de dik dyu dz ee el en eo es et eu "
    "fa ff fi fj fo fon fr fur ga gd gl gn gu ha he hi hne hr ht hu hy id ig ilo is it ja jv ka kab kac "
    "kam kbp kea kg ki kk km kmb kn ko kr kr-Arab ks ks-Deva ku ky lb lg li lij lmo ln lo lt ltg lua luo "
    "lus lv mag mai mg mi min min-Arab mk ml mn mni mos mr ms mt my nb ne nl nn nqo nso nus ny oc om or "
    "pa pag pap pl prs ps pt qu rn ro ru rw sa sat sc scn sd sg shn si sk sl sm sn so sq sr ss st su sv "
    "sw szl ta taq taq-Tfng te tg th ti tk tl tn tpi tr ts tt tum tw tzm ug uk umb ur uz vec vi war wo xh "
    "yi yo yue zh zh-Hant zu"
)


SIB200 = Task(
    name="sib200",
    type="classification",
    read=sib200,
    files=by_split("sib200/annotated/{flores}/{split}.tsv", "sib200/data/annotated/{flores}/{split}.tsv"),
    languages=_FLORES,
    labels=TOPICS,
    metric="accuracy",
    citation="Adelani et al., EACL 2024",
    licence="CC BY-SA 4.0 (text, FLORES-200)",
    source="https://github.com/dadelani/sib-200",
    protocol="accuracy, trained on English",
)
