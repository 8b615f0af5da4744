"""AmericasNLI: XNLI translated into ten indigenous languages of the Americas.

Protocol: train on English MultiNLI, accuracy per language. Layout: the official files, which call languages `aym`,
`gn`, `quy` ...; 222 to 743 development and 738 to 750 test pairs.
"""

from xstilts.core.languages import languages
from xstilts.data.readers.pairs import NLI_LABELS, nli
from xstilts.tasks.base import Task, by_split

AMERICASNLI = Task(
    name="americasnli",
    type="classification",
    read=nli,
    files=by_split("americasnli/{split}/{language}.tsv", "americasnli/{split}/{iso3}.tsv", train=""),
    languages=languages("ay bzd cni gn hch nah oto qu shp tar"),
    labels=NLI_LABELS,
    metric="accuracy",
    citation="Ebrahimi et al., ACL 2022",
    licence="CC BY-SA 4.0 in its repository; made from XNLI (CC BY-NC 4.0)",
    source="https://github.com/abteen/americasnli",
    train_on="mnli",
    protocol="accuracy",
)
