"""The language table and the ways data sets name languages."""

from __future__ import annotations

import re

import pytest

from xstilts.core.errors import UnknownName
from xstilts.core.languages import FIELDS, LANGUAGES, any_language, language, languages
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
        *(
            (form, "zh-Hant")
            for form in ("zh_TW", "zh-TW", "zh-Hant-TW", "zh-HK", "zh_hk", "zh-MO", "zh_Hant", "cmn_Hant")
        ),
        *((form, "zh") for form in ("zh-SG", "zh_Hans", "zh-Hans-HK", "ZH_cn", "chi", "zh-cmn-Hans", "zh-CHS")),
        *(
            ("zh-yue", "yue"),
            ("yue-Hant-HK", "yue"),
            ("pt_BR", "pt"),
            ("es-419", "es"),
            ("en_US", "en"),
            ("de-1901", "de"),
        ),
        *(("sr_Cyrl", "sr"), ("sr-Latn-RS", "sr-Latn"), ("sr-ME", "sr-Latn"), ("kor_Kore", "ko"), ("ar-arb", "ar")),
        *(
            ("iw", "he"),
            ("in", "id"),
            ("ji", "yi"),
            ("jw", "jv"),
            ("mo", "ro"),
            ("no", "nb"),
            ("nob", "nb"),
            ("nno", "nn"),
        ),
        *(("ger", "de"), ("fre", "fr"), ("cze", "cs"), ("per", "fa"), ("TGL", "tl"), ("swh_Latn", "sw")),
    ],
)
def test_known_forms_lead_to_their_code(form: str, code: str) -> None:
    assert language(form).code == code


@pytest.mark.parametrize("form", ["", "xx", "deu_Cyrl", "zh-Latn", "pa-PK", "en-eng", "Klingon", "de\n", "und"])
def test_unknown_forms_are_refused(form: str) -> None:
    with pytest.raises(UnknownName):
        language(form)


@pytest.mark.parametrize(
    ("form", "hint"),
    [
        ("germn", "did you mean de"),
        ("zh-Latn", "did you mean zh or zh-Hant?"),
        ("sh", "it stands for Serbo-Croatian; give bs, hr, sr or sr-Latn"),
        ("sh_Latn", "it stands for Serbo-Croatian"),
        ("zho_Hani", "it stands for Chinese in either script; give zh or zh-Hant"),
        *((form, f"did you mean {code}?") for form, code in (("jp", "ja"), ("cz", "cs"), ("cn", "zh"), ("ua", "uk"))),
        ("chr", "list it under `languages` of your own task"),
    ],
)
def test_unknown_and_ambiguous_forms_are_answered_with_the_code_to_use(form: str, hint: str) -> None:
    with pytest.raises(UnknownName, match=f"unknown language '{form}': .*{re.escape(hint)}"):
        language(form)
    with pytest.raises(UnknownName, match=form):
        languages(f"de {form}")
    assert language("deu") is LANGUAGES["de"]


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
            assert {language(form).code for form in entry.forms(field)} <= {code}, (code, field)


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
    assert any_language("deu_Cyrl").forms("flores") == ("deu_Cyrl",)
    assert any_language("sw") is any_language("swa") is LANGUAGES["sw"]
    assert {any_language(form).code for form in ("Chr", "chr_US", "CHR")} == {"chr"}
    assert {any_language(form).code for form in ("x-elf", "X_Elf")} == {"x-elf"}
    assert any_language("av").code == "av"
    for form in ("xx", "jp", "jp-JP", "c", "Klingon", "chr\n", "sh", "und", "mul", ""):
        with pytest.raises(UnknownName):
            any_language(form)
