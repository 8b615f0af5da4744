"""ANLI+: SNLI, MultiNLI and ANLI's three rounds as one task, the largest intermediate task of X-STILTs.

Protocol (Phang et al. 2020, after Nie et al. 2020): one classifier over all three, accuracy on their development sets
together (training 549,367 + 392,702 + 162,865 = 1,104,934; development 9,842 + 9,815 + 3,200 = 22,857). Layout: that of
`snli`, `mnli` and `anli`, which must all be there.
"""

from itertools import product

from xstilts.data.readers.pairs import NLI_LABELS, nli
from xstilts.tasks.anli import ANLI
from xstilts.tasks.base import Split, Task, register
from xstilts.tasks.mnli import MNLI
from xstilts.tasks.snli import SNLI


def _files(split: Split) -> tuple[str, ...]:
    return tuple(" + ".join(parts) for parts in product(*(task.files[split] for task in (SNLI, MNLI, ANLI))))


ANLI_PLUS = register(
    Task(
        name="anli_plus",
        type="classification",
        read=nli,
        files={"train": _files("train"), "validation": _files("validation")},
        languages=("en",),
        labels=NLI_LABELS,
        metric="accuracy",
        main="accuracy",
        citation="Phang et al., AACL 2020; Nie et al., ACL 2020",
        licence="of SNLI, MultiNLI and ANLI (CC BY-NC 4.0)",
        source="SNLI, MultiNLI and ANLI",
        evaluate_on="validation",
        protocol="accuracy over the three development sets together",
    )
)
