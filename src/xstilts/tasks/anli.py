"""ANLI: NLI written against models, in three rounds (English).

Protocol: accuracy over the rounds that are there, as one split; ids begin with the round (`R1/dev:...`). Layout: the
archive (162,865 training rows), in the data folder or in `anli/`; or, for development, its annotation.
"""

from xstilts.data.readers.pairs import NLI_LABELS, nli
from xstilts.tasks.base import Task


def _files(split: str) -> tuple[str, ...]:
    archives = ("anli_v1.0", "anli/anli_v1.0", "anli/anli_v0.1")
    return tuple(f"{archive}/R*/{split}.jsonl" for archive in archives)


ANLI = Task(
    name="anli",
    type="classification",
    read=nli,
    files={
        "train": _files("train"),
        "validation": (*_files("dev"), "anli/ANLI_analysis_r*_dev.csv"),
        "test": _files("test"),
    },
    labels=NLI_LABELS,
    metric="accuracy",
    citation="Nie et al., ACL 2020; annotation: Williams, Thrush and Kiela, SCiL 2022",
    licence="CC BY-NC 4.0",
    source="https://github.com/facebookresearch/anli",
    protocol="accuracy over all rounds together",
)
