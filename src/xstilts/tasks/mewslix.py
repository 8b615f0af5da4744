"""Mewsli-X: which of a million entities, described in fifty languages, does a mention in the news mean?

Protocol (XTREME-R): a dual encoder trained on English Wikipedia mentions and entity descriptions of 64 sub-words, the
mention before its sentence and in braces within it; mAP@20 (one entity is right, so that it is MRR@20). Layout:
`mewslix/` with the release's `wikipedia_pairs-{train,dev}.jsonl`, `wikinews_mentions-{dev,test}.jsonl` (texts filled
in) and `candidate_set_entities.jsonl`.
"""

from dataclasses import replace

from xstilts.data.readers.pools import mewslix, mewslix_pairs
from xstilts.tasks.base import Encoding, Task
from xstilts.tasks.benchmarks import XTREME_R

MEWSLIX_PAIRS = Task(
    name="mewslix_pairs",
    type="ranking",
    read=mewslix_pairs,
    files={"train": ("mewslix/wikipedia_pairs-train.jsonl",), "validation": ("mewslix/wikipedia_pairs-dev.jsonl",)},
    metric="map_at_20",
    citation="Ruder et al., EMNLP 2021",
    licence="CC BY-SA 4.0 (Wikipedia), CC BY 2.5 (WikiNews)",
    source="https://storage.googleapis.com/gresearch/mewsli/mewsli-x_20220518_6.zip",
    evaluate_on="validation",
    encoding=Encoding(max_length=64, max_question=64),
    protocol="mention against entity description, in-batch negatives",
)

MEWSLIX = replace(
    MEWSLIX_PAIRS,
    name="mewslix",
    read=mewslix,
    files={"validation": ("mewslix/wikinews_mentions-dev.jsonl",), "test": ("mewslix/wikinews_mentions-test.jsonl",)},
    languages=XTREME_R["mewslix"],
    beside=("mewslix/candidate_set_entities.jsonl",),
    train_on="mewslix_pairs",
    evaluate_on="test",
    protocol="mAP@20 among all candidates",
    defects="The released version is not the paper's: its numbers cannot be compared with the paper's table.",
)
