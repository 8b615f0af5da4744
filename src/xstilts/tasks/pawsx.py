"""PAWS-X: paraphrase identification with much word overlap; seven languages, 2,000 pairs each to develop and test.

Protocol (XTREME): train on the English file (49,401 pairs), accuracy per language. Layout: the archive `x-final/`, with
`translated_train.tsv` of other languages for translate-train; or XTREME's files, whose test labels are taken, where it
exists, from `pawsx/gold/`. Pairs with the placeholder `NS` (not translated; 1 to 68 a file) are kept, as in the
official scripts.
"""

from xstilts.data.readers.pairs import PARAPHRASE_LABELS, pawsx
from xstilts.tasks.base import Task
from xstilts.tasks.benchmarks import XTREME


def _files(split: str, *names: str) -> tuple[str, ...]:
    folders = ("x-final", "pawsx/x-final", "pawsx/x-final_form")
    official = (f"{folder}/{{language}}/{name}.tsv" for name in names for folder in folders)
    return (*official, f"pawsx/xtreme_form/{split}-{{language}}.tsv", f"pawsx/{split}-{{language}}.tsv")


PAWSX = Task(
    name="pawsx",
    type="classification",
    read=pawsx,
    files={
        "train": _files("train", "train", "translated_train"),
        "validation": _files("dev", "dev_2k"),
        "test": _files("test", "test_2k"),
    },
    gold={"test": ("pawsx/gold/test-{language}.txt",)},
    languages=XTREME["pawsx"],
    labels=PARAPHRASE_LABELS,
    metric="accuracy",
    citation="Yang et al., EMNLP 2019",
    licence="free for any purpose, acknowledgement of Google asked",
    source="https://github.com/google-research-datasets/paws",
    protocol="accuracy (XTREME)",
    defects="Placeholders `NS`; labels of one id differ between languages, so gold cannot be copied from English.",
)
