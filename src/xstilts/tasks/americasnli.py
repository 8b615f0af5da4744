"""AmericasNLI: XNLI translated into ten indigenous languages of the Americas.

Protocol: train on English MultiNLI, accuracy per language. Layout: `americasnli/dev/{language}.tsv` and
`test/{language}.tsv` (the official names: `aym`, `gn`, `quy` ...) with header; 222 to 743 development and 738 to 750
test pairs.
"""

from xstilts.core.languages import languages
from xstilts.data.readers.pairs import NLI_LABELS, nli
from xstilts.tasks.base import Task, register


def _files(split: str) -> tuple[str, ...]:
    return (f"americasnli/{split}/{{language}}.tsv", f"americasnli/{split}/{{iso3}}.tsv")


AMERICASNLI = register(
    Task(
        name="americasnli",
        type="classification",
        read=nli,
        files={"validation": _files("dev"), "test": _files("test")},
        languages=languages("ay bzd cni gn hch nah oto qu shp tar"),
        labels=NLI_LABELS,
        metric="accuracy",
        main="accuracy",
        citation="Ebrahimi et al., ACL 2022",
        licence="CC BY-SA 4.0 in its repository; made from XNLI (CC BY-NC 4.0)",
        source="https://github.com/abteen/americasnli",
        train_on="mnli",
        protocol="accuracy",
    )
)
