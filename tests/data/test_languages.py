"""The language table and the ways data sets name languages."""

from __future__ import annotations

import re

import pytest

from xstilts.core.errors import UnknownName
from xstilts.core.languages import FIELDS, LANGUAGES, any_language, code_of, language, languages
from xstilts.tasks.benchmarks import XTREME, XTREME_R


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ("de", "de"),
        ("deu", "de"),
        ("deu_Latn", "de"),
        ("German", "de"),
        ("zho_Hans", "zh"),
        ("cmn", "zh"),
        ("zh-CN", "zh"),
        ("zho-CN", "zh"),
        ("zho-TW", "zh-Hant"),
        ("zho_Hant", "zh-Hant"),
        ("arb", "ar"),
        ("arb_Latn", "ar-Latn"),
        ("sv-SE", "sv"),
        ("swh", "sw"),
        ("swa", "sw"),
        ("khk_Cyrl", "mn"),
        ("tgk-Cyrl", "tg"),
        ("srp-Latn", "sr-Latn"),
        ("fra-CA", "fr"),
        ("pt-BR", "pt"),
        ("quy_Latn", "qu"),
        ("ekk", "et"),
        ("fil", "tl"),
        ("kmr", "ku"),
        ("als", "sq"),
        ("YORUBA", "yo"),
        ("qaa", "qaa"),
    ],
)
def test_known_forms_lead_to_their_code(form: str, code: str) -> None:
    assert code_of(form) == code


@pytest.mark.parametrize("form", ["", "xx", "deu_Cyrl", "en-eng", "Klingon", "de\n"])
def test_unknown_forms_are_refused(form: str) -> None:
    with pytest.raises(UnknownName):
        code_of(form)


def test_a_code_in_another_form_is_refused_with_the_code_to_use() -> None:
    with pytest.raises(UnknownName, match="unknown language 'deu': did you mean de\\?"):
        language("deu")
    with pytest.raises(UnknownName, match="did you mean"):
        language("enn")
    with pytest.raises(UnknownName, match="nosuch"):
        languages("de nosuch")


def test_every_row_is_well_formed() -> None:
    for code, entry in LANGUAGES.items():
        assert re.fullmatch(r"[a-z]{2,3}(-[A-Z][a-z]{3})?", code), code
        assert re.fullmatch(r"[a-z]{3}", entry.iso3), code
        assert re.fullmatch(r"[A-Z][a-z]{3}", entry.script), code
        assert entry.name, code
        assert entry.family, code
        assert ("-" in code) <= code.endswith(f"-{entry.script}"), code
    assert list(LANGUAGES) == sorted(LANGUAGES)


def test_every_form_of_every_language_leads_back_to_it() -> None:
    for code, entry in LANGUAGES.items():
        for field in FIELDS:
            assert {code_of(form) for form in entry.forms(field)} <= {code}, (code, field)


def test_both_benchmarks_are_covered() -> None:
    sizes = [15, 7, 33, 40, 11, 7, 9, 4, 36]
    names = "xnli pawsx udpos panx xquad mlqa tydiqa bucc2018 tatoeba".split()
    assert {task: len(codes) for task, codes in XTREME.items()} == dict(zip(names, sizes))
    larger = {"udpos": 38, "panx": 48, "tatoeba": 41, "xcopa": 11}
    assert {task: len(XTREME_R[task]) for task in larger} == larger
    assert len({code for codes in XTREME_R.values() for code in codes}) == 50


def test_constructed_languages_are_private_use_codes() -> None:
    constructed = [code for code, entry in LANGUAGES.items() if entry.family == "constructed"]
    assert constructed == [f"qa{letter}" for letter in "abcdefg"]


def test_another_code_of_iso_639_is_a_language_of_which_only_the_code_is_known() -> None:
    assert (any_language("chr").name, any_language("chr").forms("iso3")) == ("chr", ("chr",))
    assert (any_language("chr-Latn").script, any_language("chr-Latn").forms("language")) == ("Latn", ("chr-Latn",))
    assert any_language("sw") is LANGUAGES["sw"]
    for form in ("swa", "german", "Chr", "c", "chr_Latn", "chr\n"):
        with pytest.raises(UnknownName):
            any_language(form)


def test_an_unknown_code_is_refused_with_what_to_do() -> None:
    with pytest.raises(UnknownName, match="stands under `languages` of a task of your own"):
        language("chr")
