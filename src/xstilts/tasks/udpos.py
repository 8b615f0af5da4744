"""UD-POS: universal parts of speech on Universal Dependencies treebanks.

Protocol (XTREME): train on English, seqeval's F1 on the bare UPOS tags (neighbouring equal tags count as one span),
which is neither token accuracy nor token F1. Layout: released treebanks, all of a language together in the order of
their names; else XTREME's files, whose test files have no tags.
"""

from xstilts.data.readers.tagging import UPOS, udpos
from xstilts.tasks.base import Task, by_split
from xstilts.tasks.benchmarks import XTREME_R

UDPOS = Task(
    name="udpos",
    type="tagging",
    read=udpos,
    files=by_split(
        "ud/UD_*/{language}_*-ud-{split}.conllu", "udpos_xtreme/{split}-{language}.tsv", "udpos/{split}-{language}.tsv"
    ),
    languages=(*XTREME_R["udpos"], "am", "bm", "ug"),
    labels=UPOS,
    metric="span_f1",
    citation="Nivre et al., LREC 2020",
    licence="by treebank, some non-commercial",
    source="https://universaldependencies.org",
    protocol="seqeval F1 on UPOS (XTREME)",
    defects="The two forms differ: treebanks have syntactic words, XTREME joins multiword tokens and "
    "removes blanks in words; its English is EWT with other treebanks (21,253 training sentences).",
)
