"""MLQA: Wikipedia passages and questions in seven languages; question and passage in the same language, as in XTREME.

Protocol (XTREME): train on English SQuAD 1.1; MLQA's own exact match and F1 (articles of each language, mixed
segmentation for Chinese, Unicode punctuation). Layout: the archive (507 to 1,148 development and 4,517 to 11,590 test
questions), or XTREME's test files.
"""

from xstilts.data.readers.squad import squad
from xstilts.tasks.base import Encoding, Task
from xstilts.tasks.benchmarks import XTREME

MLQA = Task(
    name="mlqa",
    type="span_qa",
    read=squad,
    files={
        "validation": (
            "mlqa/MLQA_V1/dev/dev-context-{language}-question-{language}.json",
            "MLQA_V1/dev/dev-context-{language}-question-{language}.json",
        ),
        "test": (
            "mlqa/MLQA_V1/test/test-context-{language}-question-{language}.json",
            "MLQA_V1/test/test-context-{language}-question-{language}.json",
            "mlqa/xtreme_form_test/test-context-{language}-question-{language}.json",
        ),
    },
    languages=XTREME["mlqa"],
    metric="mlqa",
    citation="Lewis et al., ACL 2020",
    licence="CC BY-SA 3.0",
    source="https://github.com/facebookresearch/MLQA",
    train_on="squad_v1",
    encoding=Encoding(max_length=384),
    protocol="official mlqa_evaluation_v1.py, question and passage in one language",
    defects="XTREME's own test files have their answers blanked.",
)
