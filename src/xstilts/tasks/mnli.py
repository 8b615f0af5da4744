"""MultiNLI: NLI over ten genres of English; the training set of XNLI.

Protocol: accuracy on the matched development set (the test labels are not public); pairs without a majority label
(`-`) are left out (training 392,702, development 9,815 remain). Layout: the archive, JSON lines or text; GLUE's; or
JSON lines with premise, hypothesis, label.
"""

from xstilts.data.readers.pairs import NLI_LABELS, nli
from xstilts.tasks.base import Task, by_split

MNLI = Task(
    name="mnli",
    type="classification",
    read=nli,
    files=by_split(
        "multinli_1.0/multinli_1.0_{split}.jsonl",
        "multi_nli/multinli_1.0/multinli_1.0_{split}.jsonl",
        "multinli_1.0/multinli_1.0_{split}.txt",
        "multi_nli/multinli_1.0/multinli_1.0_{split}.txt",
        "MNLI/{split}.tsv",
        "glue/MNLI/{split}.tsv",
        "mnli/{split}.simple.jsonl",
        validation="dev_matched",
        test="",
    ),
    labels=NLI_LABELS,
    metric="accuracy",
    citation="Williams, Nangia and Bowman, NAACL 2018",
    licence="OANC terms, CC BY 3.0, CC BY-SA 3.0 and public domain by genre",
    source="https://cims.nyu.edu/~sbowman/multinli/",
    evaluate_on="validation",
    protocol="accuracy on the matched development set, pairs without majority label left out",
    defects="It is the training set of XNLI: as an intermediate task for XNLI it is more of the same data.",
)
