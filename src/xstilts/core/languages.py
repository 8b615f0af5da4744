"""Languages: a table of codes, names, families and scripts.

A language has XTREME's code: ISO 639-1 if there is one (`de`, `sw`), else ISO 639-3 (`ceb`); a second script of a
language adds its ISO 15924 code (`zh-Hant`, `sr-Latn`). People and data sets write `deu`, `deu_Latn`, `ger`, `zh_TW`,
`pt-BR`, `iw`: file names, columns, keys and options all pass through `language`, or through `any_language` if the
table may lack the language. `qaa` to `qag` (ISO 639-3's private use) are the constructed languages of the built-in
benchmark; international auxiliary languages such as Esperanto have the family `auxiliary`.

Sources: ISO 639-3 (three collectives, `ber`, `nah`, `oto`, from ISO 639-2, and the retired `ajp`, `kzj`, because data
sets use them) and ISO 15924; top-level families in the XTREME papers' terms; the language lists of FLORES-200,
NTREX-128 and LASER's Tatoeba pairs; resources from Joshi et al. 2020 (The State and Fate of Linguistic Diversity and
Inclusion in the NLP World); distances computed from the features of URIEL (Littell et al. 2017; lang2vec 1.1.2), which
are under CC BY-SA 4.0.
"""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

from xstilts.core.errors import UnknownName

_TAG = re.compile(
    r"(?:(?:zh|ar)-(?=[a-z]{3}\b))?([a-z]{2,3})(?:-([a-z]{4}))?(?:-([a-z]{2}|\d{3}))?(?:-(?:[a-z\d]{5,8}|\d[a-z\d]{3}))*"
)
"""BCP 47 in lower case: language (`zh-yue` is `yue`), script, region, variants."""
_PRIVATE = re.compile(r"(?:[a-z]{2,3}-)?x(?:-[a-z\d]{1,8})+")
_NONE = frozenset(("und", "mul", "mis", "zxx"))
"""ISO 639's codes for no language, several languages or an unknown one."""
_UNLISTED = frozenset("aa ab ae an av bi ce co cr cu cv gv ho hz ii ik iu kj kv lu mh na ng nr oj os pi vo za".split())
"""Codes of ISO 639-1 that the table lacks. ISO 639-1 is closed: any other two letters are not a language."""
_SCRIPT_OF_REGION = {
    **dict.fromkeys(("zh-tw", "zh-hk", "zh-mo"), "hant"),
    **dict.fromkeys(("pa-pk", "az-ir", "az-iq", "uz-af", "kk-cn", "ky-cn", "ku-iq", "ku-ir", "ms-cc"), "arab"),
    **{"mn-cn": "mong", "sd-in": "deva", "sr-me": "latn", "sr-el": "latn", "yue-cn": "hans"},  # sr-el: MediaWiki
}
"""Regions that write a language in an unusual script (CLDR's likely subtags)."""
_SAME_SCRIPT = {"kore": "hang", "aran": "arab", "hrkt": "jpan"}
_SEVERAL = {
    "Serbo-Croatian": (("sh", "hbs", "scr", "scc"), "bs, hr, sr or sr-Latn"),
    "Chinese in either script": (("zh-hani", "zho-hani", "cmn-hani", "chi-hani"), "zh or zh-Hant"),
    "all Bihari languages": (("bh", "bih"), "bho, mag or mai"),
}
_COUNTRIES = dict(
    pair.split(":")
    for pair in (
        "al:sq at:de bd:bn by:be cn:zh cz:cs dk:da ee:et gb:en ge:ka gr:el il:he ir:fa jp:ja kh:km kr:ko kz:kk lk:si "
        "mx:es np:ne ph:tl pk:ur rs:sr se:sv sp:es tj:tg tm:tk ua:uk us:en vn:vi"
    ).split()
)
"""Countries and the languages that people mean by them. `ee`, `kr` and `se` are languages too."""
FIELDS = ("language", "iso3", "flores", "ntrex", "tatoeba", "common_voice")
"""How data sets name languages: the fields that file patterns may contain."""


@dataclass(frozen=True)
class Language:
    """One language in one script.

    Attributes:
        code: XTREME's code.
        iso3: ISO 639-3 code (of the macrolanguage if the field uses one: `ara`, `swa`, `zho`).
        family: top-level family.
        script: ISO 15924 code of the usual script.
        also: further forms found in data sets: individual-language codes (`arb`), forms with a region (`zho-CN`).
        resources: class by labelled and raw data on the web, 0 (hardly any) to 5 (most); None where not classified.
        distance: from English, 0 to 1: share of 103 syntactic features that differ, predicted where not recorded.
    """

    code: str
    iso3: str
    name: str
    family: str
    script: str
    also: tuple[str, ...] = ()
    resources: int | None = None
    distance: float | None = None

    def forms(self, field: str) -> tuple[str, ...]:
        """The names that a data set may give this language, most usual first.

        By field: `language` (`de`), `iso3` and `tatoeba` (`deu`), `flores` (`deu_Latn`), `ntrex` (`deu`, `tgk-Cyrl`,
        `zho-CN`), `common_voice` (`de`, `sv-SE`). A second script has no plain `iso3` form.
        """
        three = (self.iso3, *(form for form in self.also if re.fullmatch("[a-z]{3}", form)))
        plain = () if "-" in self.code else three
        regional = tuple(form for form in self.also if "-" in form)
        return {
            "language": (self.code,),
            "iso3": plain,
            "tatoeba": plain,
            "flores": tuple(f"{form}_{self.script}" for form in three),
            "ntrex": (*plain, *(f"{form}-{self.script}" for form in three), *regional),
            "common_voice": (self.code, *regional),
        }[field]


def _read_table() -> Mapping[str, Language]:
    rows = Path(__file__).with_name("languages.tsv").read_text("utf-8").rstrip("\n").split("\n")[1:]
    table = {}
    for row in rows:
        code, iso3, name, family, script, also, resources, distance = row.split("\t")
        numbers = (int(resources) if resources else None, float(distance) if distance else None)
        table[code] = Language(code, iso3, name, family, script, tuple(also.split()), *numbers)
    return MappingProxyType(table)


LANGUAGES = _read_table()


def _folded(form: str) -> str:
    return form.casefold().replace("_", "-")


def _read_forms() -> Mapping[str, str]:
    forms: dict[str, str] = {}
    for code, entry in LANGUAGES.items():
        known = [code, *(form for field in FIELDS for form in entry.forms(field))]
        for form in (*known, *(() if "-" in code else entry.also)):
            taken = forms.setdefault(_folded(form), code)
            assert taken == code, f"'{form}' names both {taken} and {code}"
    for code, entry in LANGUAGES.items():
        forms.setdefault(_folded(entry.name), code)  # a code wins over a name: `Ga` is Irish
    return MappingProxyType(forms)


_FORMS = _read_forms()


def language(form: str) -> Language:
    """A language of the table, given in any form and letter case.

    Forms: our code, ISO 639-1, -2 and -3, retired codes (`iw`), English name, FLORES (`deu_Latn`), NTREX (`zho-CN`) and
    any BCP 47 tag. A region is dropped unless it implies a script: `pt-BR` is `pt`, `zh_HK` is `zh-Hant`.
    Raises `UnknownName` if it is not a language of the table, or stands for several.
    """
    if (code := meant(form)) in LANGUAGES:
        return LANGUAGES[code]
    raise _unknown(form, code)


def any_language(form: str) -> Language:
    """The language of any form; other codes of ISO 639 (`chr`, `chr-Latn`) or of private use (`x-elf`) have no name.

    Raises `UnknownName` if it is not a code, or stands for several languages.
    """
    if not (code := meant(form)):
        raise _unknown(form, "")
    if code in LANGUAGES:
        return LANGUAGES[code]
    base, _, script = code.partition("-")
    iso3 = LANGUAGES[base].iso3 if base in LANGUAGES else base
    return Language(code, iso3, code, "", script if len(script) == 4 else "")


@cache
def meant(form: str) -> str:
    """The code of `any_language`, or "" if it would raise; called for every row of a table."""
    folded = _folded(form)
    if folded in _NONE or _several(folded):
        return ""
    if folded in _FORMS:
        return _FORMS[folded]
    if _PRIVATE.fullmatch(folded):
        return folded
    tag = _TAG.fullmatch(folded)
    if not tag:
        return ""
    base = _FORMS.get(tag[1], tag[1])
    if len(base) == 2 and base not in LANGUAGES and base not in _UNLISTED:
        return ""
    script = tag[2] or _SCRIPT_OF_REGION.get(f"{base}-{tag[3]}", "")
    script = _SAME_SCRIPT.get(script, script).title()
    usual = LANGUAGES[base].script if base in LANGUAGES else ""
    return base if script in ("", usual) else f"{base}-{script}"


def instead(form: str) -> str:
    """The code that is probably meant by one of a country (`jp`, `kr`); empty for other forms."""
    return _COUNTRIES.get(re.split("[-_]", form.casefold())[0], "")


def _several(folded: str) -> str:
    for what, (forms, codes) in _SEVERAL.items():
        if folded in forms or folded.partition("-")[0] in forms:
            return f"it stands for {what}; give {codes}"
    return ""


def _unknown(form: str, code: str) -> UnknownName:
    folded, base = _folded(form), code.partition("-")[0]
    near = [one] if (one := instead(form)) else [one for one in LANGUAGES if one.partition("-")[0] == base]
    near = near or [_FORMS[one] for one in difflib.get_close_matches(folded, [*_FORMS], n=3, cutoff=0.6)]
    hint = _several(folded) or (f"did you mean {' or '.join(dict.fromkeys(near))}?" if near else "")
    more = " (list it under `languages` of your own task if it is not in the table)" if code else ""
    return UnknownName("language", form, LANGUAGES, "xstilts list languages", more, hint)


def languages(codes: str) -> tuple[str, ...]:
    """The codes in a list separated by blanks. Raises like `language`."""
    return tuple(language(form).code for form in codes.split())
