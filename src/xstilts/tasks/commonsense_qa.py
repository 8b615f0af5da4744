"""CommonsenseQA 1.11: a question and five choices, random split (English).

Protocol: accuracy on the development set (1,221 questions; the test answers are not public). Layout: official files.
"""

from xstilts.data.readers.choices import commonsense_qa
from xstilts.tasks.base import Task

COMMONSENSE_QA = Task(
    name="commonsense_qa",
    type="multiple_choice",
    read=commonsense_qa,
    files={
        "train": ("commonsense_qa/train_rand_split.jsonl",),
        "validation": ("commonsense_qa/dev_rand_split.jsonl",),
        "test": ("commonsense_qa/test_rand_split_no_answers.jsonl",),
    },
    metric="accuracy",
    citation="Talmor et al., NAACL 2019",
    licence="MIT",
    source="https://www.tau-nlp.sites.tau.ac.il/commonsenseqa",
    evaluate_on="validation",
    protocol="accuracy on the development set of the random split",
    defects="122 training and 24 development questions have two choices with the same text.",
)
