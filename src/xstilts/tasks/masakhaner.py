"""MasakhaNER 1.0: persons, organisations, locations and dates in news in ten African languages.

Protocol: entity F1 of seqeval. Layout: the repository's `data/` as `masakhaner/`.
"""

from xstilts.core.languages import languages
from xstilts.data.readers.tagging import MASAKHANER as TAGS
from xstilts.data.readers.tagging import masakhaner
from xstilts.tasks.base import Task, by_split

MASAKHANER = Task(
    name="masakhaner",
    type="tagging",
    read=masakhaner,
    files=by_split("masakhaner/{iso3}/{split}.txt"),
    languages=languages("am ha ig lg luo rw sw wo yo"),
    labels=TAGS,
    metric="entity_f1",
    citation="Adelani et al., TACL 2021",
    licence="CC BY-NC 4.0",
    source="https://github.com/masakhane-io/masakhane-ner",
    protocol="seqeval entity F1",
    defects="Two I- tags without B-; Nigerian Pidgin (pcm) is left out: its language is not in the table.",
)
