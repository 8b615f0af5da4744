"""The kinds of stages.

    world      -> official files of one microworld
    tokenizer  -> a trained or copied tokenizer
    start      -> a backbone to start from: pretrained (a pointer) or random (weights)
    translate  -> English training examples in another language, and how many were lost
    prepare    -> tokenised, memory-mapped features of one task and split
    train      -> weights of backbone and heads after one phase
    choose     -> the files of the best of several train stages with different learning rates
    predict    -> one file of predictions per language
    evaluate   -> scores and per-example values
    leaks      -> test examples whose text occurs in training data

`describe.py` makes the stages (no torch); `run.py` computes them.
"""

from typing import NamedTuple


class StageKind(NamedTuple):
    """A kind of stage.

    Attributes:
        run: `module:function` that computes it. Imported when needed: some kinds need no torch.
        version: raised whenever the code of the kind starts to give other numbers.
        models: whether it loads a model or a tokenizer.
        computes: whether it computes on the machine's device.
        resumable: whether it continues from the files of a killed process.
    """

    run: str
    version: int = 1
    models: bool = True
    computes: bool = False
    resumable: bool = False


KINDS: dict[str, StageKind] = {
    "world": StageKind("xstilts.stages.run:run_world", models=False),
    "tokenizer": StageKind("xstilts.stages.preparing:run_tokenizer"),
    "start": StageKind("xstilts.stages.preparing:run_start"),
    "translate": StageKind("xstilts.stages.translating:run_translate", computes=True, resumable=True),
    "prepare": StageKind("xstilts.stages.preparing:run_prepare", version=2),
    "train": StageKind("xstilts.stages.training:run_train", version=3, computes=True, resumable=True),
    "choose": StageKind("xstilts.stages.run:run_choose", models=False),
    "predict": StageKind("xstilts.stages.predicting:run_predict", version=2, computes=True),
    "evaluate": StageKind("xstilts.evaluation.evaluate:run_evaluate", models=False),
    "leaks": StageKind("xstilts.stages.run:run_leaks", version=3, models=False),
}
RESUMABLE = frozenset(name for name, kind in KINDS.items() if kind.resumable)
COMPUTING = frozenset(name for name, kind in KINDS.items() if kind.computes)
