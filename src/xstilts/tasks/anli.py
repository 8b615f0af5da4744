"""ANLI: NLI written against models, in three rounds (English).

Protocol: accuracy over the rounds that are there, as one split; ids begin with the round (`R1/dev:...`). Layout: the
archive `anli_v1.0/` (or `anli_v0.1/`) in the data folder or in `anli/`: `R1/train.jsonl` ... `R3/test.jsonl` (training
162,865 rows); or, for development, the annotated `anli/ANLI_analysis_r1_dev.csv` ....
"""

from xstilts.data.readers.pairs import NLI_LABELS, nli
from xstilts.tasks.base import Task, register


def _files(split: str) -> tuple[str, ...]:
    archives = ("anli_v1.0", "anli/anli_v1.0", "anli/anli_v0.1")
    return tuple(f"{archive}/R*/{split}.jsonl" for archive in archives)


ANLI = register(
    Task(
        name="anli",
        type="classification",
        read=nli,
        files={
            "train": _files("train"),
            "validation": (*_files("dev"), "anli/ANLI_analysis_r*_dev.csv"),
            "test": _files("test"),
        },
        languages=("en",),
        labels=NLI_LABELS,
        metric="accuracy",
        main="accuracy",
        citation="Nie et al., ACL 2020; annotation: Williams, Thrush and Kiela, SCiL 2022",
        licence="CC BY-NC 4.0",
        source="https://github.com/facebookresearch/anli",
        protocol="accuracy over all rounds together",
    )
)
