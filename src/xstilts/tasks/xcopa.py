"""XCOPA: COPA translated into eleven languages of eleven families; 100 validation and 500 test rows each.

Protocol (XTREME-R): train on English Social IQa and then COPA, accuracy per language; here COPA is the training set
and Social IQa is given as an intermediate task of the recipe. Layout: the repository in `xcopa/`; else XTREME's files,
whose test labels are all 0: withheld.
"""

from xstilts.data.readers.choices import copa
from xstilts.tasks.base import Task, by_split
from xstilts.tasks.benchmarks import XTREME_R

XCOPA = Task(
    name="xcopa",
    type="multiple_choice",
    read=copa,
    files=by_split(
        "xcopa/data/{language}/{split}.{language}.jsonl",
        "xcopa/xtreme_form/{split}-{language}.jsonl",
        train="",
        validation="val",
    ),
    languages=XTREME_R["xcopa"],
    metric="accuracy",
    citation="Ponti et al., EMNLP 2020",
    licence="CC BY 4.0",
    source="https://github.com/cambridgeltl/xcopa",
    train_on="copa",
    protocol="accuracy (XTREME-R)",
    defects="`question` disagrees with English COPA in some rows of th, tr, sw, id and it "
    "(th says `effect` everywhere); it is given as the file has it.",
)
