"""LAReQA (XQuAD-R): which sentence, of eleven languages', answers the question?

Protocol (XTREME-R): a dual encoder trained on SQuAD 1.1 in English, question against answer sentence within its
paragraph; mAP@20 of all candidates of all languages by cosine. Layout: a file a language, each one's sentences
entering the pool of all; SQuAD with or without `sentence_breaks`.
"""

from xstilts.data.readers.pools import answer_sentences, lareqa
from xstilts.tasks.base import Encoding, Task
from xstilts.tasks.benchmarks import XTREME_R
from xstilts.tasks.squad_v1 import SQUAD_V1

LENGTHS = Encoding(max_length=256, max_question=96)

SQUAD_SENTENCES = Task(
    name="squad_sentences",
    type="ranking",
    read=answer_sentences,
    files={
        "train": ("lareqa/squad-split/train.json", *SQUAD_V1.files["train"]),
        "validation": ("lareqa/squad-split/dev.json", *SQUAD_V1.files["validation"]),
    },
    metric="map_at_20",
    citation=SQUAD_V1.citation,
    licence=SQUAD_V1.licence,
    source=SQUAD_V1.source,
    evaluate_on="validation",
    encoding=LENGTHS,
    protocol="question against answer sentence, in-batch negatives",
    defects="Without `sentence_breaks`, sentences are cut at full stops, so that abbreviations cut them too.",
)

LAREQA = Task(
    name="lareqa",
    type="ranking",
    read=lareqa,
    files={"test": ("lareqa/xquad-r/{language}.json", "lareqa/{language}.json")},
    beside=("lareqa/xquad-r/*.json", "lareqa/*.json"),
    languages=XTREME_R["lareqa"],
    metric="map_at_20",
    citation="Roy et al., EMNLP 2020",
    licence="CC BY-SA 4.0",
    source="https://github.com/google-research-datasets/lareqa",
    train_on="squad_sentences",
    encoding=LENGTHS,
    protocol="mAP@20 among all languages' candidates",
    defects="The pool is made of the files that are there: fewer than eleven are easier; the score says how many.",
)
