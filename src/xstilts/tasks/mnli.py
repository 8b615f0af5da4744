"""MultiNLI: NLI over ten genres of English; the training set of XNLI.

Protocol: accuracy on the matched development set (the test labels are not public); pairs without a majority label
(`-`) are left out (training 392,702, development 9,815 remain). Layout: the archive `multinli_1.0/` in the data folder
or in `multi_nli/`, JSON lines or text; GLUE's `MNLI/` in the data folder or in `glue/`; or `mnli/{split}.simple.jsonl`
with premise, hypothesis, label.
"""

from xstilts.data.readers.pairs import NLI_LABELS, nli
from xstilts.tasks.base import Task, register


def _files(split: str) -> tuple[str, ...]:
    archive = f"multinli_1.0/multinli_1.0_{split}"
    official = (f"{archive}.jsonl", f"multi_nli/{archive}.jsonl", f"{archive}.txt", f"multi_nli/{archive}.txt")
    return (*official, f"MNLI/{split}.tsv", f"glue/MNLI/{split}.tsv", f"mnli/{split}.simple.jsonl")


MNLI = register(
    Task(
        name="mnli",
        type="classification",
        read=nli,
        files={"train": _files("train"), "validation": _files("dev_matched")},
        languages=("en",),
        labels=NLI_LABELS,
        metric="accuracy",
        main="accuracy",
        citation="Williams, Nangia and Bowman, NAACL 2018",
        licence="OANC terms, CC BY 3.0, CC BY-SA 3.0 and public domain by genre",
        source="https://cims.nyu.edu/~sbowman/multinli/",
        evaluate_on="validation",
        protocol="accuracy on the matched development set, pairs without majority label left out",
        defects="It is the training set of XNLI: as an intermediate task for XNLI it is more of the same data.",
    )
)
