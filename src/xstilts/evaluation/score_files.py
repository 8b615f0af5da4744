"""Official scores of anyone's prediction files, without a model.

Gold is XTREME's evaluation form (labels alone) or the task's official file with gold in it (`score_gold`); predictions
are XTREME's submission form or our own JSON lines, `{"id": ..., "prediction": ...}`. Where an official script gives a
number for files that do not belong together (blanked gold, cut sentences, shifted lines), this refuses with file and
line.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from xstilts import __version__
from xstilts.core.errors import UnknownName
from xstilts.core.files import held
from xstilts.core.languages import LANGUAGES, meant
from xstilts.core.scores import Score
from xstilts.evaluation import score_match as match
from xstilts.evaluation.score_inputs import variant_of
from xstilts.evaluation.score_match import Files, Form, Matched
from xstilts.metrics import METRICS, Metric
from xstilts.tasks import TASKS

_TABLE = tuple(code for code in LANGUAGES if not code.startswith("qa"))  # without the constructed ones
_TREEBANKS = (
    "abq aii akk apu aqz arr bar bej bor bxr ckt cop cpg cu egy ess fro got grc gub gun gv hbo hit hyw jaa kfm kmr koi "
    "kpv krl lzh mdf mpu myu myv nap naq nhi nmf no olo ota pay pcm pro qfn qpm qtd say sga sjo sme sms soj swl tpn "
    "urb vep wbp xav xcl xnr xum yrl"
)
_WIKIPEDIAS = (
    "als an arc bar bat-smg be-x-old bh cbk-zam cdo ce co cv diq eml ext fiu-vro frr gan hak jbo ksh map-bms mwl mzn "
    "nap no os pdc pnb sh simple vep vls vo xmf zea zh-classical zh-min-nan zh-yue"
)
PUBLISHED = {
    "udpos": (*_TABLE, *_TREEBANKS.split()),
    "panx": (*_TABLE, *_WIKIPEDIAS.split()),
    "masakhaner": (*TASKS.get("masakhaner").languages, "pcm"),
}
"""Data sets published in more languages than the task measures, under their own codes where the table has none.

No score depends on these lists: they say which `--language` is no slip of the pen, and may lack a new treebank's.
"""


def score_files(task: str, language: str, gold: Path, predictions: Path, split: str = "test") -> list[Score]:
    """Every value of the task's official metric, the main one first.

    `majority` is 0 where no constant answer is defined (precision, recall, exact match). Questions without a prediction
    count 0, as in the official scripts; the signature says how many they were.

    Args:
        task: one of `TASKS` with gold that can be in a file, or of `MORE`.
        split: only written into the scores; the files decide.

    Raises:
        UnknownName: a task or language that cannot be scored.
        DataError: files that are malformed, without gold, or do not belong together.
    """
    form = form_of(task)
    asked = language
    if asked not in form.languages and (language := meant(asked)) not in form.languages:
        raise UnknownName(f"language of {task}", asked, form.languages)
    with held():
        matched = form.match(form, Files(task, language, gold, predictions))
        variant = variant_of(predictions)
    note = f" | {variant}{matched.note}" if variant else matched.note
    scores: list[Score] = []
    for number, name in enumerate(form.metrics):
        metric = METRICS.get(name)
        ratios = metric.function(matched.golds, matched.predictions, language)
        signature = f"{metric.script} | {split} | n={matched.n}{note} | xstilts {__version__}"
        for value in metric.values if number == 0 else (metric.main,):
            row = Score(
                task=task, language=language, split=split, metric=name if number else value, value=ratios[value].value,
                n=matched.n, majority=_majority(metric, value, matched.golds), seed=0, recipe="", backbone="",
                main=not scores, signature=signature,
            )  # fmt: skip
            scores.append(row)
    return scores


def _majority(metric: Metric, value: str, golds: Sequence[Any]) -> float:
    if value == metric.main:
        return metric.majority(golds)
    return METRICS.get(value).majority(golds) if value in METRICS else 0.0


MATCH: dict[str, Callable[[Form, Files], Matched]] = {
    "classification": match.match_labels,
    "multiple_choice": match.match_choices,
    "tagging": match.match_tags,
    "span_qa": match.match_answers,
    "retrieval": match.match_indices,
    "mining": match.match_pairs,
    "ranking": match.match_rankings,
}
MORE: dict[str, Form] = {
    "udpos": Form(
        # Released treebanks have words without a part of speech, marked `_`.
        match.match_tags, ("span_f1", "span_f1_seqeval_1"), PUBLISHED["udpos"], (*TASKS.get("udpos").labels, "_"),
    ),
}  # fmt: skip
"""Tasks whose files can be scored though they are not in `TASKS`, or in another way than their type says."""


def form_of(task: str) -> Form:
    """How a task's files are scored. Raises `UnknownName` with the nearest scorable tasks."""
    if task in MORE:
        return MORE[task]
    scorable = {one.name: one for one in TASKS if one.type in MATCH and one.metric}
    if task not in scorable:
        more = " (a task of your own needs --experiment FILE)"
        raise UnknownName("task with scorable files", task, {*scorable, *MORE}, more=more)
    found = scorable[task]
    return Form(MATCH[found.type], (found.metric,), PUBLISHED.get(task, found.languages), found.labels)
