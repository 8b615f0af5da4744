"""CCG supertagging, and an open task in its stead for who has no licence for CCGbank.

Protocol (Phang et al. 2020): one of 1,363 supertags for each word of Wall Street Journal text, on its first sub-word;
accuracy. Layout of `ccg`: as jiant writes it, or the archive in jiant's split (sections 00-18, 19-21, 22-24).
`ud_relations` is no CCG: it tags each word of English treebanks with the relation to its head, the nearest open task
that wants syntax of every word. Tags are those of the files.
"""

from xstilts.data.readers.tagging import ccg, relations
from xstilts.tasks.base import Task, by_split


def _sections(first: int, last: int) -> tuple[str, ...]:
    folders = ("CCGbank/data/AUTO", "ccg/CCGbank/data/AUTO")
    return tuple(" + ".join(f"{f}/{n:02}/wsj_*.auto" for n in range(first, last + 1)) for f in folders)


CCG = Task(
    name="ccg",
    type="tagging",
    read=ccg,
    files={
        "train": ("ccg/ccg.train", *_sections(0, 18)),
        "validation": ("ccg/ccg.dev", *_sections(19, 21)),
        "test": ("ccg/ccg.test", *_sections(22, 24)),
    },
    open_labels=True,
    metric="token_accuracy",
    citation="Hockenmaier and Steedman, CL 2007",
    licence="LDC User Agreement (LDC2005T13)",
    source="https://catalog.ldc.upenn.edu/LDC2005T13",
    protocol="accuracy of supertags",
)

UD_RELATIONS = Task(
    name="ud_relations",
    type="tagging",
    read=relations,
    files=by_split("ud/UD_*/{language}_*-ud-{split}.conllu"),
    open_labels=True,
    metric="token_accuracy",
    citation="Nivre et al., LREC 2020",
    licence="by treebank, some non-commercial",
    source="https://universaldependencies.org",
    evaluate_on="validation",
    protocol="accuracy of dependency relations, heads are not asked for",
    defects="In the stead of CCG supertagging: some 50 tags for 1,363, web text for news.",
)
