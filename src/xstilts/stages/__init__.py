"""The kinds of stages: what each reads, what it writes, and which version of its code wrote it.

    world      -> official files of one microworld
    tokenizer  -> a trained or copied tokenizer
    start      -> a backbone to start from: pretrained (a pointer) or random (weights)
    prepare    -> tokenised, memory-mapped features of one task and split
    train      -> weights of backbone and heads after one phase
    predict    -> one file of predictions per language
    evaluate   -> scores and per-example values
    profile    -> what a model makes of a data set: vectors, fit to labels (`xstilts choose`)

`describe.py` makes the descriptions (no torch); `run.py` carries them out.
"""

VERSIONS = {"world": 1, "tokenizer": 1, "start": 1, "prepare": 1, "train": 1, "predict": 2, "evaluate": 1, "profile": 1}
"""Raised whenever the code of a kind starts to give other numbers."""

RESUMABLE = frozenset({"train"})
"""Kinds that go on from a checkpoint."""
