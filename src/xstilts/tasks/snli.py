"""SNLI: image captions with entailed, neutral and contradicting hypotheses (English).

Protocol: accuracy; pairs without a majority label (`-`) are left out (training 549,367, development 9,842, test 9,824
remain). Layout: the archive `snli_1.0/` in the data folder or in `snli/`, JSON lines or text; or
`snli/{split}.simple.jsonl` with premise, hypothesis, label.
"""

from xstilts.data.readers.pairs import NLI_LABELS, nli
from xstilts.tasks.base import Task, register


def _files(split: str) -> tuple[str, ...]:
    archive = f"snli_1.0/snli_1.0_{split}"
    official = (f"{archive}.jsonl", f"snli/{archive}.jsonl", f"{archive}.txt", f"snli/{archive}.txt")
    return (*official, f"snli/{split}.simple.jsonl")


SNLI = register(
    Task(
        name="snli",
        type="classification",
        read=nli,
        files={"train": _files("train"), "validation": _files("dev"), "test": _files("test")},
        languages=("en",),
        labels=NLI_LABELS,
        metric="accuracy",
        main="accuracy",
        citation="Bowman et al., EMNLP 2015",
        licence="CC BY-SA 4.0",
        source="https://nlp.stanford.edu/projects/snli/",
        protocol="accuracy, pairs without majority label left out",
    )
)
