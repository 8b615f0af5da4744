"""The kinds of stages: what each reads, what it writes, and which version of its code wrote it.

    world      -> official files of one microworld
    tokenizer  -> a trained or copied tokenizer
    start      -> a backbone to start from: pretrained (a pointer) or random (weights)
    translate  -> English training examples in another language, and what was lost
    prepare    -> tokenised, memory-mapped features of one task and split
    train      -> weights of backbone and heads after one phase
    choose     -> of train stages with several learning rates the best one's files
    predict    -> one file of predictions per language
    evaluate   -> scores and per-example values
    leaks      -> which test examples have a text that stands in training data
    profile    -> the mean sentence vector of a data set under a model (`xstilts choose`)

`describe.py` makes the descriptions (no torch); `run.py` carries them out.
"""

_FIRST = ("world", "tokenizer", "start", "translate", "prepare", "train", "choose", "evaluate", "leaks", "profile")
VERSIONS = {**dict.fromkeys(_FIRST, 1), "train": 3, "predict": 2, "leaks": 3, "prepare": 2}
"""Raised whenever the code of a kind starts to give other numbers."""

RESUMABLE = frozenset({"train", "translate"})
"""Kinds that go on from what a killed process left."""
