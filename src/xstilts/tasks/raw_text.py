"""Raw text for masked-language modelling as an intermediate task: Common Voice sentences, Bibles, treebank sentences.

Protocol: training only, one line one example. Layouts: `text_common_voice/{language}/*.txt` (Common Voice's names:
`sv-SE`, `zh-CN`); `text_ebible/{iso3}-*.txt` with `vref.txt`; `ud/UD_*/{language}_*-ud-train.conllu`, or the
development sentences where a language has no training file. Test sentences of treebanks are never used: they are those
of UD-POS.
"""

from xstilts.core.languages import LANGUAGES
from xstilts.data.readers.text import conllu_text, ebible, plain_lines
from xstilts.tasks.base import Reader, Task, register


def _raw(name: str, read: Reader, patterns: tuple[str, ...], citation: str, licence: str, source: str) -> Task:
    return Task(
        name=name,
        type="masked_lm",
        read=read,
        files={"train": patterns},
        languages=tuple(LANGUAGES),
        metric="",
        main="",
        citation=citation,
        licence=licence,
        source=source,
        protocol="training only",
    )


TEXT_COMMON_VOICE = register(
    _raw(
        "text_common_voice",
        plain_lines,
        ("text_common_voice/{common_voice}/*.txt",),
        "Ardila et al., LREC 2020",
        "CC0 1.0",
        "https://github.com/common-voice/common-voice",
    )
)
TEXT_EBIBLE = register(
    _raw(
        "text_ebible",
        ebible,
        ("text_ebible/{iso3}-*.txt", "ebible/{iso3}-*.txt"),
        "Akerman et al., 2023 (arXiv 2304.09919)",
        "by Bible; the ones used should be in the public domain",
        "https://github.com/BibleNLP/ebible-corpus",
    )
)
TEXT_UD = register(
    _raw(
        "text_ud",
        conllu_text,
        ("ud/UD_*/{language}_*-ud-train.conllu", "ud/UD_*/{language}_*-ud-dev.conllu"),
        "Nivre et al., LREC 2020",
        "by treebank, some non-commercial",
        "https://universaldependencies.org",
    )
)
