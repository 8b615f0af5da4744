"""ANLI+: SNLI, MultiNLI and ANLI's three rounds as one task, the largest intermediate task of X-STILTs.

Protocol (Phang et al. 2020, after Nie et al. 2020): one classifier over all three, accuracy on their development sets
together (training 549,367 + 392,702 + 162,865 = 1,104,934; development 9,842 + 9,815 + 3,200 = 22,857). Layout: that of
`snli`, `mnli` and `anli`, which must all be there.
"""

from dataclasses import replace
from itertools import product

from xstilts.tasks.anli import ANLI
from xstilts.tasks.base import Split
from xstilts.tasks.mnli import MNLI
from xstilts.tasks.snli import SNLI


def _files(split: Split) -> tuple[str, ...]:
    return tuple(" + ".join(parts) for parts in product(*(task.files[split] for task in (SNLI, MNLI, ANLI))))


ANLI_PLUS = replace(
    MNLI,
    name="anli_plus",
    files={"train": _files("train"), "validation": _files("validation")},
    citation="Phang et al., AACL 2020; Nie et al., ACL 2020",
    licence="of SNLI, MultiNLI and ANLI (CC BY-NC 4.0)",
    source="SNLI, MultiNLI and ANLI",
    protocol="accuracy over the three development sets together",
)
