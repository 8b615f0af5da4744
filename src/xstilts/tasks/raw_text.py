"""Raw text for masked-language modelling as an intermediate task: Common Voice sentences, Bibles, treebank sentences.

Protocol: training only, one line one example. Layouts: Common Voice's own names of languages (`sv-SE`, `zh-CN`);
Bibles with `vref.txt`; treebanks, of which the development sentences are taken where a language has no training file.
Test sentences of treebanks are never used: they are those of UD-POS.
"""

from dataclasses import replace

from xstilts.core.languages import LANGUAGES
from xstilts.data.readers.text import conllu_text, ebible, plain_lines
from xstilts.tasks.base import Task

TEXT_COMMON_VOICE = Task(
    name="text_common_voice",
    type="masked_lm",
    read=plain_lines,
    files={"train": ("text_common_voice/{common_voice}/*.txt",)},
    languages=tuple(LANGUAGES),
    citation="Ardila et al., LREC 2020",
    licence="CC0 1.0",
    source="https://github.com/common-voice/common-voice",
    protocol="training only",
)
TEXT_EBIBLE = replace(
    TEXT_COMMON_VOICE,
    name="text_ebible",
    read=ebible,
    files={"train": ("text_ebible/{iso3}-*.txt", "ebible/{iso3}-*.txt")},
    citation="Akerman et al., 2023 (arXiv 2304.09919)",
    licence="by Bible; the ones used should be in the public domain",
    source="https://github.com/BibleNLP/ebible-corpus",
)
TEXT_UD = replace(
    TEXT_COMMON_VOICE,
    name="text_ud",
    read=conllu_text,
    files={"train": ("ud/UD_*/{language}_*-ud-train.conllu", "ud/UD_*/{language}_*-ud-dev.conllu")},
    citation="Nivre et al., LREC 2020",
    licence="by treebank, some non-commercial",
    source="https://universaldependencies.org",
)
