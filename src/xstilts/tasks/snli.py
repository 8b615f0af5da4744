"""SNLI: image captions with entailed, neutral and contradicting hypotheses (English).

Protocol: accuracy; pairs without a majority label (`-`) are left out (training 549,367, development 9,842, test 9,824
remain). Layout: the archive, JSON lines or text; or JSON lines with premise, hypothesis, label.
"""

from xstilts.data.readers.pairs import NLI_LABELS, nli
from xstilts.tasks.base import Task, by_split

SNLI = Task(
    name="snli",
    type="classification",
    read=nli,
    files=by_split(
        "snli_1.0/snli_1.0_{split}.jsonl",
        "snli/snli_1.0/snli_1.0_{split}.jsonl",
        "snli_1.0/snli_1.0_{split}.txt",
        "snli/snli_1.0/snli_1.0_{split}.txt",
        "snli/{split}.simple.jsonl",
    ),
    labels=NLI_LABELS,
    metric="accuracy",
    citation="Bowman et al., EMNLP 2015",
    licence="CC BY-SA 4.0",
    source="https://nlp.stanford.edu/projects/snli/",
    protocol="accuracy, pairs without majority label left out",
)
