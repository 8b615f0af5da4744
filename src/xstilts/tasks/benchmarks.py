"""Which languages of which task enter a benchmark's mean.

XTREME: `evaluate.py` of google-research/xtreme (Hu et al., ICML 2020); XTREME-R: `--xtreme_version xtreme-r` (Ruder et
al., EMNLP 2021). A task's own `languages` may be more. A task's mean is over all its languages, English included, with
equal weight; a question answering task counts with the mean of exact match and F1; the overall value is the mean of
the tasks, not of groups.
"""

from collections.abc import Mapping

from xstilts.core.errors import UnknownName
from xstilts.core.languages import languages
from xstilts.core.scores import Benchmark

_PANX = (
    "ar he vi id jv ms tl eu ml ta te af nl en de el bn hi mr ur fa fr it pt es bg ru ja ka ko th sw yo "
    "my zh kk tr et fi hu"
)
_XQUAD = "en es de el ru tr ar vi th zh hi"

XTREME: Mapping[str, tuple[str, ...]] = {
    "xnli": languages("ar bg de el en es fr hi ru sw th tr ur vi zh"),
    "pawsx": languages("de en es fr ja ko zh"),
    "udpos": languages(
        "af ar bg de el en es et eu fa fi fr he hi hu id it ja kk ko mr nl pt ru ta te th tl tr ur vi yo zh"
    ),
    "panx": languages(_PANX),
    "xquad": languages(_XQUAD),
    "mlqa": languages("en es de ar hi vi zh"),
    "tydiqa": languages("en ar bn fi id ko ru sw te"),
    "bucc2018": languages("de fr ru zh"),
    "tatoeba": tuple(code for code in languages(_PANX) if code not in {"en", "ms", "my", "yo"}),
}
XTREME_R: Mapping[str, tuple[str, ...]] = {
    "xnli": XTREME["xnli"],
    "xcopa": languages("et ht id it qu sw ta th tr vi zh"),
    "udpos": (*XTREME["udpos"], "lt", "pl", "uk", "wo", "ro"),
    "panx": (*XTREME["panx"], "qu", "pl", "uk", "az", "lt", "pa", "gu", "ro"),
    "xquad": (*XTREME["xquad"], "ro"),
    "mlqa": XTREME["mlqa"],
    "tydiqa": XTREME["tydiqa"],
    "tatoeba": (*XTREME["tatoeba"], "az", "lt", "pl", "uk", "ro"),
    "mewslix": languages("ar de en es fa ja pl ro ta tr uk"),
    "lareqa": languages(_XQUAD),
}
_BOTH = {"tagging": ("udpos", "panx"), "qa": ("xquad", "mlqa", "tydiqa")}
_GROUPS = {
    "xtreme": {"classification": ("xnli", "pawsx"), **_BOTH, "retrieval": ("bucc2018", "tatoeba")},
    # `evaluate.py` names no languages for LAReQA, so that its mean is never complete; groups are those of the paper.
    "xtreme-r": {"classification": ("xnli", "xcopa"), **_BOTH, "retrieval": ("tatoeba", "mewslix", "lareqa")},
}
_SPLITS = {"tydiqa": "validation"}  # XTREME's test is the public development file

BENCHMARKS: Mapping[str, Benchmark] = {
    name: Benchmark(name, name.upper(), tasks, _GROUPS[name], _SPLITS)
    for name, tasks in (("xtreme", XTREME), ("xtreme-r", XTREME_R))
}


def benchmark(name: str) -> Benchmark:
    """A benchmark by the name a user types. Raises `UnknownName`."""
    if name not in BENCHMARKS:
        raise UnknownName("benchmark", name, BENCHMARKS)
    return BENCHMARKS[name]
