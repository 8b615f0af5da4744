"""SQuADShifts: four new English test sets for SQuAD 1.1 models (new Wikipedia, New York Times, Reddit, Amazon).

Protocol: SQuAD 1.1's metrics; the four files there are form one test split, ids begin with the file's name, so that
scores of one domain can be told apart. Layout: `squadshifts/` with `new_wiki_v1.0.json` (7,938 questions),
`nyt_v1.0.json`, `reddit_v1.0.json`, `amazon_reviews_v1.0.json`.
"""

from xstilts.data.readers.squad import squad
from xstilts.tasks.base import Encoding, Task, register

SQUAD_SHIFTS = register(
    Task(
        name="squad_shifts",
        type="span_qa",
        read=squad,
        files={"test": ("squadshifts/*_v1.0.json",)},
        languages=("en",),
        metric="squad_v1",
        main="f1",
        citation="Miller et al., ICML 2020",
        licence="CC BY 4.0",
        source="https://github.com/modestyachts/squadshifts-website",
        train_on="squad_v1",
        encoding=Encoding(max_length=384),
        protocol="official evaluate-v1.1.py",
        defects="Many passages end in a newline, which belongs to them.",
    )
)
