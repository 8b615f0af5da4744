"""Universal NER v1: persons, organisations and locations on Universal Dependencies text.

Protocol: entity F1 of seqeval, trained on English (EWT). Layout: `uner/UNER_*/{language}_*-ud-test.iob2` as released.
"""

from xstilts.core.languages import languages
from xstilts.data.readers.tagging import UNER as TAGS
from xstilts.data.readers.tagging import uner
from xstilts.tasks.base import Task, by_split

UNER = Task(
    name="uner",
    type="tagging",
    read=uner,
    files=by_split("uner/UNER_*/{language}_*-ud-{split}.iob2"),
    languages=languages("ceb da de en hr pt ru sk sr sv tl zh"),
    labels=TAGS,
    metric="entity_f1",
    citation="Mayhew et al., NAACL 2024",
    licence="CC BY-SA 4.0 (PUD: CC BY-SA 3.0)",
    source="https://www.universalner.org",
    protocol="seqeval entity F1",
    defects="Serbian also has OTH; tokens follow an older commit of the treebanks.",
)
