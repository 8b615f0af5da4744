"""Languages: one frozen table of codes, names, families and scripts.

A language is called by XTREME's code: ISO 639-1 where there is one (`de`, `sw`), else ISO 639-3 (`ceb`); a second
script of a language adds its ISO 15924 code (`zh-Hant`, `sr-Latn`). Data sets use other forms (`deu`, `deu_Latn`,
`zho-CN`, `cmn`); `code_of` maps each of them back. `qaa` to `qag` (ISO 639-3's private use) are the constructed
languages of the embedded benchmark; international auxiliary languages such as Esperanto have the family `auxiliary`.

Sources: ISO 639-3 (three collectives, `ber`, `nah`, `oto`, from ISO 639-2, and the retired `ajp`, `kzj`, because data
sets use them) and ISO 15924; top-level families in the XTREME papers' terms; the language lists of FLORES-200,
NTREX-128 and LASER's Tatoeba pairs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from xstilts.core.errors import UnknownName

_CODE = re.compile(r"([a-z]{2,3})(?:-([A-Z][a-z]{3}))?")
FIELDS = ("language", "iso3", "flores", "ntrex", "tatoeba", "common_voice")
"""How data sets name languages; the fields that file patterns may hold."""


@dataclass(frozen=True)
class Language:
    """One language in one script.

    Attributes:
        code: XTREME's code.
        iso3: ISO 639-3 code (of the macrolanguage where the field uses one: `ara`, `swa`, `zho`).
        family: top-level family.
        script: ISO 15924 code of the usual script.
        also: further forms found in data sets: individual-language codes (`arb`), forms with a region (`zho-CN`).
    """

    code: str
    iso3: str
    name: str
    family: str
    script: str
    also: tuple[str, ...] = ()

    def forms(self, field: str) -> tuple[str, ...]:
        """The names a data set may give this language, most usual first.

        Args:
            field: one of `FIELDS`: `language` (`de`), `iso3` and `tatoeba` (`deu`), `flores` (`deu_Latn`), `ntrex`
                (`deu`, `tgk-Cyrl`, `zho-CN`), `common_voice` (`de`, `sv-SE`). A second script has no plain `iso3` form.
        """
        second_script = "-" in self.code
        three = (self.iso3, *(form for form in self.also if re.fullmatch("[a-z]{3}", form)))
        plain = () if second_script else three
        regional = tuple(form for form in self.also if "-" in form)
        if field == "language":
            return (self.code,)
        if field in {"iso3", "tatoeba"}:
            return plain
        if field == "flores":
            return tuple(f"{form}_{self.script}" for form in three)
        if field == "ntrex":
            return (*plain, *(f"{form}-{self.script}" for form in three), *regional)
        assert field == "common_voice", f"no such field: {field}"
        return (self.code, *regional)


def _read_table() -> Mapping[str, Language]:
    rows = Path(__file__).with_name("languages.tsv").read_text("utf-8").rstrip("\n").split("\n")[1:]
    table = {}
    for row in rows:
        code, iso3, name, family, script, also = row.split("\t")
        table[code] = Language(code, iso3, name, family, script, tuple(also.split()))
    return MappingProxyType(table)


LANGUAGES = _read_table()
"""Code -> language."""


def _read_forms() -> Mapping[str, str]:
    forms: dict[str, str] = {}
    for code, entry in LANGUAGES.items():
        known = [code, *(form for field in FIELDS for form in entry.forms(field))]
        if "-" not in code:
            known += entry.also
        for form in known:
            taken = forms.setdefault(form.casefold(), code)
            assert taken == code, f"'{form}' names both {taken} and {code}"
    for code, entry in LANGUAGES.items():
        forms.setdefault(entry.name.casefold(), code)  # a code wins over a name: `Ga` is Irish
    return MappingProxyType(forms)


_FORMS = _read_forms()


def language(code: str) -> Language:
    """The language with XTREME's `code`. Raises `UnknownName` with the nearest codes."""
    if code not in LANGUAGES:
        if code.casefold() in _FORMS:
            raise UnknownName("language", code, [_FORMS[code.casefold()]])
        more = " (one that is not in the table stands under `languages` of a task of your own)"
        raise UnknownName("language", code, LANGUAGES, more=more if _CODE.fullmatch(code) else "")
    return LANGUAGES[code]


def any_language(code: str) -> Language:
    """The same, or for another code of ISO 639 (`chr`, `chr-Latn`) a language of which only the code is known.

    Raises:
        UnknownName: no code at all (`german`), or another form of a language of the table (`deu`).
    """
    shape = _CODE.fullmatch(code)
    if code in LANGUAGES or not shape or code in _FORMS:
        return language(code)
    return Language(code, shape[1], code, "", shape[2] or "")


def languages(codes: str) -> tuple[str, ...]:
    """The codes in a blank-separated list. Raises `UnknownName` for one that is not in the table."""
    return tuple(language(code).code for code in codes.split())


def code_of(form: str) -> str:
    """XTREME's code of a language given in any known form, in any letter case.

    Forms: code, ISO 639-3, English name, FLORES (`deu_Latn`), NTREX (`zho-CN`), Common Voice (`sv-SE`), or one of these
    with a region (`fra-CA`), which is dropped.

    Raises:
        UnknownName: no language has such a form.
    """
    folded = form.casefold()
    if folded in _FORMS:
        return _FORMS[folded]
    regional = re.fullmatch(r"([a-z]{2,3})[-_][a-z]{2}", folded)
    if regional and regional[1] in _FORMS:
        return _FORMS[regional[1]]
    raise UnknownName("language", form, _FORMS)
