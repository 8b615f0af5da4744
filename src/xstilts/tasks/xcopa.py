"""XCOPA: COPA translated into eleven languages of eleven families; 100 validation and 500 test rows each.

Protocol (XTREME-R): train on English Social IQa and then COPA, accuracy per language; here COPA is the training set
and Social IQa is given as an intermediate task of the recipe. Layout: the repository's
`data/{language}/val.{language}.jsonl` and `test.{language}.jsonl` in `xcopa/`; else XTREME's
`xcopa/xtreme_form/test-{language}.jsonl`, whose labels are all 0: withheld.
"""

from xstilts.data.readers.choices import copa
from xstilts.tasks.base import Task, register
from xstilts.tasks.benchmarks import XTREME_R

XCOPA = register(
    Task(
        name="xcopa",
        type="multiple_choice",
        read=copa,
        files={
            "validation": ("xcopa/data/{language}/val.{language}.jsonl", "xcopa/xtreme_form/val-{language}.jsonl"),
            "test": ("xcopa/data/{language}/test.{language}.jsonl", "xcopa/xtreme_form/test-{language}.jsonl"),
        },
        languages=XTREME_R["xcopa"],
        metric="accuracy",
        main="accuracy",
        citation="Ponti et al., EMNLP 2020",
        licence="CC BY 4.0",
        source="https://github.com/cambridgeltl/xcopa",
        train_on="copa",
        protocol="accuracy (XTREME-R)",
        defects="`question` disagrees with English COPA in some rows of th, tr, sw, id and it "
        "(th says `effect` everywhere); it is given as the file has it.",
    )
)
