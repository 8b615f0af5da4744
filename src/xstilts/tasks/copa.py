"""COPA: which of two alternatives is the cause, or the effect, of a premise (English); XCOPA's English side.

Protocol: accuracy on the validation set (100 rows; the labels of SuperGLUE's test are not public). Layout: SuperGLUE's
(400 training rows), or XTREME-R's, whose test has label 0 everywhere: withheld.
"""

from xstilts.data.readers.choices import copa
from xstilts.tasks.base import Task, by_split

COPA = Task(
    name="copa",
    type="multiple_choice",
    read=copa,
    files=by_split("COPA/{split}.jsonl", "copa/{split}-en.jsonl", validation="val"),
    metric="accuracy",
    citation="Roemmele, Bejan and Gordon, AAAI Spring Symposium 2011",
    licence="BSD 2-Clause",
    source="https://people.ict.usc.edu/~gordon/copa.html",
    evaluate_on="validation",
    protocol="accuracy on the validation set",
)
