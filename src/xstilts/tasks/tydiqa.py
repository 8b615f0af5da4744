"""TyDiQA-GoldP: questions written in each of nine languages, answered from one given passage.

Protocol (XTREME): train on the English part of the training file only (3,696 questions), measure on the public
development file (there is no other labelled one); exact match and F1 with SQuAD's English normaliser. Layout: the
official files (all languages, told apart by the id), or split by language.
"""

from xstilts.data.readers.squad import tydiqa
from xstilts.tasks.base import Encoding, Task
from xstilts.tasks.benchmarks import XTREME

TYDIQA = Task(
    name="tydiqa",
    type="span_qa",
    read=tydiqa,
    files={
        "train": (
            "tydiqa_goldp/tydiqa-goldp-v1.1-train.json",
            "tydiqa_goldp/tydiqa-goldp-v1.1-train/tydiqa.goldp.{language}.train.json",
        ),
        "validation": (
            "tydiqa_goldp/tydiqa-goldp-v1.1-dev.json",
            "tydiqa_goldp/tydiqa-goldp-v1.1-dev/tydiqa.goldp.{language}.dev.json",
            "tydiqa_goldp/xtreme_form_dev/tydiqa.goldp.{language}.dev.json",
        ),
    },
    languages=XTREME["tydiqa"],
    metric="squad_v1",
    citation="Clark et al., TACL 2020",
    licence="Apache 2.0 (annotation), CC BY-SA 3.0 (text)",
    source="https://github.com/google-research-datasets/tydiqa",
    evaluate_on="validation",
    encoding=Encoding(max_length=384),
    protocol="official evaluate-v1.1.py on the public development file (XTREME's test)",
    defects="XTREME's training files repeat most ids, its development files have their answers blanked.",
)
