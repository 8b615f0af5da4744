"""Finds a data set's files below the data folder.

A pattern is a path with one of `xstilts.core.languages.FIELDS` for the language: `xnli/xtreme_form/dev-{language}.tsv`.
`{language}` also finds other spellings of a code (`pt_BR`, `deu`) where no file has the code itself. `*` matches within
one name. A plain file is preferred to a compressed one (`dev-de.tsv.gz`); a pattern with such a suffix finds only files
with it. `a + b` means the files of both patterns; each of them must match.

The first of several folders that has any files of a pattern gives them all. A pattern that leaves its folder
(`../mine/dev.tsv`) is looked for from the first folder only, that of the experiment file.
"""

import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from glob import escape, glob
from os.path import normpath
from pathlib import Path

from xstilts.core.decoding import SUFFIXES, find
from xstilts.core.errors import DataError
from xstilts.core.files import Kept
from xstilts.core.languages import FIELDS, LANGUAGES, any_language, meant
from xstilts.data.readers.labels import looks

Root = Path | Sequence[Path]
"""A data folder, or several that are searched in order."""
_LIKE_CODE = re.compile("[A-Za-z]{2}(?![A-Za-z0-9])")
STARS = 4
"""At most so many `*` in a pattern: each one multiplies the ways in which a long name may match."""
_FIELD = re.compile(r"\{(\w+)\}")
listed_once = Kept("listed_once")
"""A block in which the files of a pattern are listed once; files that appear or disappear meanwhile are not noticed."""


def folders_of(root: Root) -> tuple[Path, ...]:
    """The folders as a tuple."""
    return (root,) if isinstance(root, Path) else tuple(root)


def climbs(pattern: str) -> bool:
    """Whether a pattern leaves the folder it is looked for in."""
    return any(normpath(part).split("/")[0] == ".." for part in pattern.split(" + "))


def _searched(root: Root, pattern: str) -> tuple[Path, ...]:
    return folders_of(root)[:1] if climbs(pattern) else folders_of(root)


def check_pattern(pattern: str) -> None:
    """Raises `ValueError` for an unknown field, for two fields, and for too many `*`."""
    for part in pattern.split(" + "):
        fields = set(re.findall(r"\{([^}]*)\}", part))
        if unknown := sorted(fields - set(FIELDS)):
            known = ", ".join(f"{{{name}}}" for name in FIELDS)
            raise ValueError(f"'{part}' has the unknown field {{{unknown[0]}}}; known: {known}")
        if len(fields) > 1:
            raise ValueError(f"'{part}' names the language in more than one way")
        if part.count("*") > STARS:
            raise ValueError(f"'{part}' has more than {STARS} `*`")


def locate(root: Root, patterns: Sequence[str], code: str, what: str) -> list[Path]:
    """All files of the first pattern that matches any, sorted. Raises `UnknownName` if `code` is not a language.

    Raises `DataError` if nothing matches: it begins with `what`, e.g. `xnli (test, th)`, and names what was looked for
    and the nearest thing that exists.
    """
    code = any_language(code).code
    for pattern in patterns:
        parts = [files_of(root, part, code) for part in pattern.split(" + ")]
        if all(parts):
            return [path for part in parts for path in part]
    *others, last = _searched(root, " + ".join(patterns))
    elsewhere = f"; nor below {', '.join(map(str, others))}" if others else ""
    raise DataError(f"{what}: {_missing(last, patterns, code)}{elsewhere}", last)


def languages_there(root: Root, patterns: Iterable[str], allowed: Sequence[str]) -> list[str]:
    """The languages of `allowed` for which `locate` would find files, in that order; nothing is opened.

    A pattern without a field has one file for all languages, so it makes all of them available.
    """
    found: set[str] = set()
    for pattern in patterns:
        found |= set.intersection(*(_codes(root, part, allowed) for part in pattern.split(" + ")))
    return [code for code in allowed if code in found]


def _codes(root: Root, pattern: str, allowed: Iterable[str]) -> set[str]:
    if field := _field(pattern):
        return {code for form in _forms(root, pattern) if (code := _code_in(form, field))}
    return set(allowed) if any(_matches(folder, pattern) for folder in _searched(root, pattern)) else set()


def _forms(root: Root, pattern: str) -> set[str]:
    return {form for folder in _searched(root, pattern) for form in _by_form(folder, pattern)}


def _field(pattern: str) -> str:
    """The field of a pattern; empty where it has none."""
    return next(iter(_FIELD.findall(pattern)), "")


def files_of(root: Root, pattern: str, code: str) -> list[Path]:
    """Files of one pattern, sorted: of the first form of the language that has any; perhaps none.

    Raises `DataError` if no file has the code itself, and several have other spellings of it (`es-MX`, `es-419`).
    """
    field = _field(pattern)
    for folder in _searched(root, pattern):
        if not field:
            files = _matches(folder, pattern)
        else:
            usual = any_language(code).forms(field)
            exact = () if "*" in pattern else (find(folder / _FIELD.sub(form, pattern)) for form in usual)
            if path := next(filter(None, exact), None):
                return [path]
            there = _by_form(folder, pattern)
            forms = [form for form in usual if form in there][:1]
            forms = forms or sorted(form for form in there if _code_in(form, field) == code)
            if len(forms) > 1:
                problem = f"files for {' and '.join(forms)} are {'both' if len(forms) == 2 else 'all'} in '{code}'"
                raise DataError(f"{problem}: keep one, or put their rows into one file", folder)
            files = there[forms[0]] if forms else []
        if files:
            return sorted(files)
    return []


def _matches(root: Path, pattern: str) -> list[Path]:
    """Files of a pattern without fields; a plain file is preferred to a compressed one."""
    if "*" not in pattern:
        path = find(root / pattern)
        return [path] if path else []
    name = pattern.rpartition("/")[2]
    parts = [part if "*" in part else escape(part) for part in pattern.split("/")]
    found: dict[str, Path] = {}
    places = glob("/".join(parts) + "*" * (not _packed(name)), root_dir=root)  # noqa: PTH207 (Path's finds hidden files)
    for entry in sorted(places, key=lambda entry: ["", *SUFFIXES].index(_packed(entry)[1:])):
        stem = entry if _packed(name) else entry.removesuffix(_packed(entry))
        if fnmatchcase(stem.rpartition("/")[2], name) and (root / entry).is_file():
            found.setdefault(stem, root / entry)
    return list(found.values())


def _packed(name: str) -> str:
    """The compression suffix of a name, with its dot; may be empty."""
    return next((f".{suffix}" for suffix in SUFFIXES if name.endswith(f".{suffix}")), "")


def strangers(root: Root, patterns: Iterable[str]) -> dict[str, str]:
    """Languages of files that are not read, since the table has another name for them or none -> the code to use.

    The code is empty where the name is none, as `jp` is.
    """
    found = {}
    for part in (part for pattern in patterns for part in pattern.split(" + ") if _field(part)):
        forms = _forms(root, part)
        for form in sorted(forms):
            code = meant(form)
            unread = _code_in(form, _field(part)) is None or (form != code and code in forms)
            if (code and (code not in LANGUAGES or unread)) or (not code and _LIKE_CODE.match(form)):
                found[form] = code
    return found


def passed_over(root: Root, patterns: Iterable[str]) -> dict[str, str]:
    """Names in the folders of patterns that fit, but are not read -> why.

    They are links to nothing, folders, in other case or with blanks around them, second copies that are compressed, and
    names with something in the place of the language that is none (`strangers` has those that look like a code).
    """
    found = {}
    for part in (part for pattern in patterns for part in pattern.split(" + ")):
        folder, _, name = str(Path(_FIELD.sub("*", part))).rpartition("/")
        folder = "/".join(piece if "*" in piece else escape(piece) for piece in folder.split("/"))
        places = [one / place for one in _searched(root, part) for place in (glob(folder, root_dir=one) or [folder])]  # noqa: PTH207
        for place in filter(Path.is_dir, places):
            names = {path.name for path in place.iterdir()}
            for path in sorted(place.iterdir()):
                plain = path.name.removesuffix(_packed(path.name.lower()))
                if path.name.startswith(".") or not fnmatchcase(plain.strip().lower(), name.lower()):
                    continue
                read = next(
                    (one for one in (plain, *(f"{plain}.{end}" for end in SUFFIXES)) if one in names), path.name
                )
                if not path.exists():
                    found[path.name] = "a link to a missing file"
                elif path.is_dir():
                    found[path.name] = "a folder"
                elif not fnmatchcase(plain, name):
                    how = "upper and lower case differ" if plain == plain.strip() else "blanks in the name differ"
                    found[path.name] = f"{how} from '{part}'"
                elif read != path.name and not _packed(name):
                    found[path.name] = f"{read} is"
                elif odd := _no_language(plain, part.rpartition("/")[2]):
                    found[path.name] = f"'{odd}' is not a language"
    return found


def _no_language(name: str, pattern: str) -> str:
    """The part of a name in the place of the language that is no code; empty if the pattern begins with its field."""
    before, *behind = _FIELD.split(pattern)[::2]
    if not before or len(behind) != 1 or "*" in pattern:
        return ""
    form = name.removeprefix(before).removesuffix(behind[0])
    return "" if re.fullmatch(r"[A-Za-z0-9_-]+", form) and (meant(form) or _LIKE_CODE.match(form)) else form


def second_choices(root: Root, patterns: Sequence[str], code: str) -> list[tuple[str, str]]:
    """(Pattern that is read, pattern with other files that are not read) of a language."""
    files = {part: [files_of(root, one, code) for one in part.split(" + ")] for part in patterns}
    first, *others = [part for part, found in files.items() if all(found)] or [""]
    return [(first, other) for other in others if files[other] != files[first]]


def _by_form(root: Path, pattern: str) -> dict[str, list[Path]]:
    """The values of the field in the names of files of the pattern, each with its files."""
    listed: dict[tuple[Path, str], dict[str, list[Path]]] = listed_once.values()
    if (root, pattern) not in listed:
        found = listed[root, pattern] = {}
        for path in _matches(root, _FIELD.sub("*", pattern)):
            name = (path if pattern.startswith("/") else path.relative_to(root)).as_posix()
            name = name if _packed(pattern) else name.removesuffix(_packed(name))
            if form := _form_in(name, str(Path(pattern))):
                found.setdefault(form, []).append(path)
    return listed[root, pattern]


@lru_cache(maxsize=100_000)
def _form_in(name: str, pattern: str) -> str:
    """The field's value in one name; where `*` allows several, as in `zh-Hant-1`, the longest that is a language."""
    forms, longest = [], len(name)
    while longest:
        expression = ""
        for piece in re.split(r"(\{\w+\}|\*)", pattern):
            if piece.startswith("{"):
                expression += "(?P=form)" if "?P<form>" in expression else f"(?P<form>[A-Za-z0-9_-]{{1,{longest}}})"
            else:
                expression += "[^/]*?" if piece == "*" else re.escape(piece)
        if not (match := re.fullmatch(expression, name)):
            break
        forms.append(match["form"])
        longest = len(match["form"]) - 1 if "*" in pattern else 0
    known = [form for form in forms if meant(form) in LANGUAGES]
    return (known or [form for form in reversed(forms) if meant(form)] or [*forms, ""])[0]


def _code_in(form: str, field: str) -> str | None:
    """The language of files with this form, if they are read; a language that the table lacks has its own code."""
    code = meant(form)
    return code if code and (field == "language" or form in any_language(code).forms(field)) else None


def _missing(root: Path, patterns: Sequence[str], code: str) -> str:
    """The error for a missing file: the patterns, and the nearest thing that exists."""
    if not root.is_dir():
        return "the data folder does not exist"
    fields = {part: _field(part) for pattern in patterns for part in pattern.split(" + ")}
    forms = {field: [*any_language(code).forms(field), f"{{{field}}}"][0] for field in fields.values() if field}
    looked = [_FIELD.sub(forms.get(field, ""), part) for part, field in fields.items()]
    shown = ", ".join(looked[:3]) + (f" and {len(looked) - 3} more" if len(looked) > 3 else "")
    problem = f"no file {shown} (compressed or not)"
    if there := languages_there(root, patterns, list(LANGUAGES)):
        return f"{problem}; there are files for {', '.join(there[:12])}{' ...' if len(there) > 12 else ''}"
    # Else the deepest folder that exists on the way to any of them, and what it holds.
    folders = [next(folder for folder in (root / name).parents if folder.is_dir()) for name in looked]
    best = max([root, *folders], key=lambda folder: len(folder.parts))
    asked = {looks(Path(name).name): Path(name).name for name in looked}
    entries = []
    for path in sorted(path for path in best.iterdir() if not path.name.startswith(".")):
        twin = asked.get(looks(path.name), path.name)  # shown so that the two can be told apart
        name = path.name if twin == path.name else f"{path.name!a}, which is not {twin!a}"
        entries.append(name if path.exists() else f"{name} (a link to a missing file)")
    holds = ", ".join(entries[:8]) + (" ..." if len(entries) > 8 else "")
    inside = best != root and best.is_relative_to(root)
    where = "the data folder" if best == root else f"'{best.relative_to(root).as_posix() if inside else best}'"
    return f"{problem}; {where} holds {holds or 'nothing'}"
