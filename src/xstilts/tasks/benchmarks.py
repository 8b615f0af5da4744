"""Which languages of which task enter a benchmark's mean.

XTREME: `evaluate.py` of google-research/xtreme (Hu et al., ICML 2020); XTREME-R: `--xtreme_version xtreme-r` (Ruder et
al., EMNLP 2021). A task's own `languages` may be more. A task's mean is over all its languages, English included, with
equal weight; a question answering task counts with the mean of exact match and F1; the overall value is the mean of
the tasks, not of groups.
"""

from __future__ import annotations

from collections.abc import Mapping

from xstilts.core.benchmark import Benchmark
from xstilts.core.errors import UnknownName
from xstilts.core.languages import languages

_XNLI = languages("ar bg de el en es fr hi ru sw th tr ur vi zh")
_PANX = languages(
    "ar he vi id jv ms tl eu ml ta te af nl en de el bn hi mr ur fa fr it pt es bg ru ja ka ko th sw yo "
    "my zh kk tr et fi hu"
)
_UDPOS = languages("af ar bg de el en es et eu fa fi fr he hi hu id it ja kk ko mr nl pt ru ta te th tl tr ur vi yo zh")
_XQUAD = languages("en es de el ru tr ar vi th zh hi")
_MLQA = languages("en es de ar hi vi zh")
_TYDIQA = languages("en ar bn fi id ko ru sw te")
_TATOEBA = tuple(code for code in _PANX if code not in {"en", "ms", "my", "yo"})

XTREME: Mapping[str, tuple[str, ...]] = {
    "xnli": _XNLI,
    "pawsx": languages("de en es fr ja ko zh"),
    "udpos": _UDPOS,
    "panx": _PANX,
    "xquad": _XQUAD,
    "mlqa": _MLQA,
    "tydiqa": _TYDIQA,
    "bucc2018": languages("de fr ru zh"),
    "tatoeba": _TATOEBA,
}

XTREME_R: Mapping[str, tuple[str, ...]] = {
    "xnli": _XNLI,
    "xcopa": languages("et ht id it qu sw ta th tr vi zh"),
    "udpos": (*_UDPOS, "lt", "pl", "uk", "wo", "ro"),
    "panx": (*_PANX, "qu", "pl", "uk", "az", "lt", "pa", "gu", "ro"),
    "xquad": (*_XQUAD, "ro"),
    "mlqa": _MLQA,
    "tydiqa": _TYDIQA,
    "tatoeba": (*_TATOEBA, "az", "lt", "pl", "uk", "ro"),
    "mewslix": languages("ar de en es fa ja pl ro ta tr uk"),
    "lareqa": _XQUAD,
}

_QA = ("xquad", "mlqa", "tydiqa")
_SPLITS = {"tydiqa": "validation"}  # XTREME's test is the public development file

BENCHMARKS: Mapping[str, Benchmark] = {
    "xtreme": Benchmark(
        "xtreme",
        "XTREME",
        XTREME,
        {
            "classification": ("xnli", "pawsx"),
            "tagging": ("udpos", "panx"),
            "qa": _QA,
            "retrieval": ("bucc2018", "tatoeba"),
        },
        _SPLITS,
    ),
    # `evaluate.py` names no languages for LAReQA, so that its mean is never complete; groups are those of the paper.
    "xtreme-r": Benchmark(
        "xtreme-r",
        "XTREME-R",
        XTREME_R,
        {
            "classification": ("xnli", "xcopa"),
            "tagging": ("udpos", "panx"),
            "qa": _QA,
            "retrieval": ("tatoeba", "mewslix", "lareqa"),
        },
        _SPLITS,
    ),
}


def benchmark(name: str) -> Benchmark:
    """A benchmark by the name a user types. Raises `UnknownName`."""
    if name not in BENCHMARKS:
        raise UnknownName("benchmark", name, BENCHMARKS)
    return BENCHMARKS[name]
