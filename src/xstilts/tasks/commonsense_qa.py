"""CommonsenseQA 1.11: a question and five choices, random split (English).

Protocol: accuracy on the development set (1,221 questions; the test answers are not public). Layout: `commonsense_qa/`
with the official `train_rand_split.jsonl` (9,741), `dev_rand_split.jsonl`, `test_rand_split_no_answers.jsonl` (1,140).
"""

from xstilts.data.readers.choices import commonsense_qa
from xstilts.tasks.base import Task, register

COMMONSENSE_QA = register(
    Task(
        name="commonsense_qa",
        type="multiple_choice",
        read=commonsense_qa,
        files={
            "train": ("commonsense_qa/train_rand_split.jsonl",),
            "validation": ("commonsense_qa/dev_rand_split.jsonl",),
            "test": ("commonsense_qa/test_rand_split_no_answers.jsonl",),
        },
        languages=("en",),
        metric="accuracy",
        main="accuracy",
        citation="Talmor et al., NAACL 2019",
        licence="MIT",
        source="https://www.tau-nlp.sites.tau.ac.il/commonsenseqa",
        evaluate_on="validation",
        protocol="accuracy on the development set of the random split",
        defects="122 training and 24 development questions have two choices with the same text.",
    )
)
