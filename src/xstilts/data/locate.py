"""Where a data set's files are below the data folder.

A pattern is a path with fields that stand for the language, e.g. `xnli/xtreme_form/dev-{language}.tsv`,
`sib200/annotated/{flores}/dev.tsv`. Fields are those of `xstilts.core.languages.FIELDS`; one that occurs twice has one
value. `{language}` finds other spellings of a code as well (`pt_BR`, `deu`) where no file has the code itself. `*`
matches within one name; a file that is there packed (`.gz`, `.bz2`, `.xz`, `.zst` or `.zip` behind its name) is found
too, the plain one being preferred, and a pattern that ends so finds only files packed so. `a + b` means the files of
both patterns, each of which must match.

There may be several folders: each pattern is looked for in all of them, in their order, and the first that has any of
its files gives them all. A pattern that begins with `/` stands for itself, and one that climbs (`../mine/dev.tsv`) is
looked for from the first folder alone, that of the experiment file: data folders are never left.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from fnmatch import fnmatchcase
from functools import lru_cache
from os.path import normpath
from pathlib import Path

from xstilts.core.errors import DataError
from xstilts.core.languages import FIELDS, LANGUAGES, any_language, meant
from xstilts.core.packed import SUFFIXES, find

Root = Path | Sequence[Path]
"""A data folder, or several that are searched in turn."""
STARS = 4
"""Most in a pattern: each more multiplies the ways in which a long name may match."""
_FIELD = re.compile(r"\{(\w+)\}")
_LISTED: ContextVar[dict[tuple[Path, str], dict[str, list[Path]]]] = ContextVar("listed")


@contextmanager
def listed_once() -> Iterator[None]:
    """Inside, the files of a pattern are looked for once: those that come or go meanwhile are not seen."""
    token = _LISTED.set({})
    try:
        yield
    finally:
        _LISTED.reset(token)


def folders_of(root: Root) -> tuple[Path, ...]:
    """The folders as a tuple."""
    return (root,) if isinstance(root, Path) else tuple(root)


def climbs(pattern: str) -> bool:
    """Whether a pattern leaves the folder it is looked for in."""
    return any(normpath(part).split("/")[0] == ".." for part in pattern.split(" + "))


def _searched(root: Root, pattern: str) -> tuple[Path, ...]:
    return folders_of(root)[:1] if climbs(pattern) else folders_of(root)


def check_pattern(pattern: str) -> None:
    """Raises `ValueError` for a field that does not stand for the language, or two that do."""
    for part in pattern.split(" + "):
        fields = set(re.findall(r"\{([^}]*)\}", part))
        for field in sorted(fields - set(FIELDS)):
            known = ", ".join(f"{{{name}}}" for name in FIELDS)
            raise ValueError(f"'{part}' has the unknown field {{{field}}}; known: {known}")
        if len(fields) > 1:
            raise ValueError(f"'{part}' names the language in more than one way")
        if part.count("*") > STARS:
            raise ValueError(f"'{part}' has more than {STARS} `*`")


def locate(root: Root, patterns: Sequence[str], code: str, what: str) -> list[Path]:
    """All files of the first pattern that matches any, sorted.

    Args:
        root: the data folder or folders.
        patterns: tried in order.
        code: XTREME's code of the language.
        what: what is being looked for, to begin the message with, e.g. `xnli (test, th)`.

    Raises:
        DataError: nothing matches; the message names what was looked for and the nearest thing that exists.
        UnknownName: `code` is not a language.
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
    """Those of `allowed` for which `locate` would find files, in that order; nothing is opened.

    A pattern without a field has one file for all languages, so that it makes all of them available.
    """
    found: set[str] = set()
    for pattern in patterns:
        found.update(set.intersection(*(_codes_there(root, part, allowed) for part in pattern.split(" + "))))
    return [code for code in allowed if code in found]


def _codes_there(root: Root, pattern: str, allowed: Sequence[str]) -> set[str]:
    if fields := _FIELD.findall(pattern):
        return {code for folder in _searched(root, pattern) for code in _codes(folder, pattern, fields[0])}
    return set(allowed) if any(_matches(folder, pattern) for folder in _searched(root, pattern)) else set()


def files_of(root: Root, pattern: str, code: str) -> list[Path]:
    """Files of one pattern, sorted: of the first form of the language that has any; perhaps none.

    Raises:
        DataError: no file has the code itself, and several have other spellings of it (`es-MX`, `es-419`).
    """
    return next((files for folder in _searched(root, pattern) if (files := _files_in(folder, pattern, code))), [])


def _files_in(root: Path, pattern: str, code: str) -> list[Path]:
    if "*" not in pattern:
        for name in _names(pattern, code):
            if files := sorted(_matches(root, name)):
                return files
    if not (fields := _FIELD.findall(pattern)):
        return sorted(_matches(root, pattern))
    there = _by_form(root, pattern, fields[0])
    for form in any_language(code).forms(fields[0]):
        if form in there:
            return sorted(there[form])
    spellings = sorted(form for form in there if _code_in(form, fields[0]) == code)
    if len(spellings) > 1:
        listed = " and ".join(spellings)
        raise DataError(f"files for {listed} are all in '{code}': keep one, or put their rows into one file", root)
    return [path for form in spellings for path in sorted(there[form])]


def _names(pattern: str, code: str) -> Iterator[str]:
    """The pattern with its fields filled in, once for every form of the language."""
    fields = set(_FIELD.findall(pattern))
    if not fields:
        yield pattern
        return
    assert len(fields) == 1, f"one kind of field in a pattern: {pattern}"
    (field,) = fields
    assert field in FIELDS, f"unknown field in {pattern}"
    for form in any_language(code).forms(field):
        yield pattern.replace(f"{{{field}}}", form)


def _entries(folder: Path, name: str, *, last: bool) -> list[Path]:
    """Entries of `folder` called `name`, which may hold `*`: folders, or files (packed too) for the last name."""
    if "*" not in name:
        path = find(folder / name) if last else folder / name
        return [path] if path and (last or path.is_dir()) else []
    if not folder.is_dir():
        return []
    there = {path.name: path for path in folder.iterdir() if not path.name.startswith(".")}
    if not last:
        return [path for entry, path in there.items() if fnmatchcase(entry, name) and path.is_dir()]
    found: dict[str, Path] = {}
    packings = {entry: _packed(entry) for entry in there}
    plain_first = ["", *(f".{suffix}" for suffix in SUFFIXES)]
    for entry in sorted(there, key=lambda entry: plain_first.index(packings[entry])):
        stem = entry if _packed(name) else entry.removesuffix(packings[entry])
        if fnmatchcase(stem, name) and there[entry].is_file():
            found.setdefault(stem, there[entry])
    return list(found.values())


def _packed(name: str) -> str:
    """The suffix of a packing that a name ends in, with its dot; else nothing."""
    return next((f".{suffix}" for suffix in SUFFIXES if name.endswith(f".{suffix}")), "")


def _matches(root: Path, name: str) -> list[Path]:
    folders, parts = [_base(root, name)], name.removeprefix("/").split("/")
    for part in parts[:-1]:
        folders = [entry for folder in folders for entry in _entries(folder, part, last=False)]
    return [path for folder in folders for path in _entries(folder, parts[-1], last=True)]


def _base(root: Path, pattern: str) -> Path:
    """Where the pattern begins."""
    return Path("/") if pattern.startswith("/") else root


def strangers(root: Root, patterns: Iterable[str]) -> dict[str, str]:
    """Languages of files that the table does not have, or calls otherwise: what they are called -> the code to use."""
    found = {}
    for part in (part for pattern in patterns for part in pattern.split(" + ") if _FIELD.search(part)):
        field = _FIELD.findall(part)[0]
        forms = {form for folder in _searched(root, part) for form in _by_form(folder, part, field)}
        for form in sorted(forms):
            code = meant(form)
            unread = _code_in(form, field) is None or (form != code and code in forms)
            if code and (code not in LANGUAGES or unread):
                found[form] = code
    return found


def _codes(root: Path, pattern: str, field: str) -> set[str]:
    """Languages for which files of the pattern exist: match with `*` for the field, then read the field back."""
    return {code for form in _by_form(root, pattern, field) if (code := _code_in(form, field))}


def _by_form(root: Path, pattern: str, field: str) -> dict[str, list[Path]]:
    """What stands in the place of the field in the names of files of the pattern, and the files so called."""
    listed = _LISTED.get({})
    if (found := listed.get((root, pattern))) is not None:
        return found
    found = listed[root, pattern] = {}
    for path in _matches(root, _FIELD.sub("*", pattern)):
        name = path.relative_to(_base(root, pattern)).as_posix()
        name = name if _packed(pattern) else name.removesuffix(_packed(name))
        if form := _form_in(name, pattern.removeprefix("/")):
            found.setdefault(form, []).append(path)
    return found


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
    """The language that a form stands for, where a file so called is read; one the table lacks stands for itself."""
    code = meant(form)
    return code if code and (field == "language" or form in any_language(code).forms(field)) else None


def _missing(root: Path, patterns: Sequence[str], code: str) -> str:
    """What was looked for, and the nearest thing that exists."""
    if not root.is_dir():
        return "the data folder does not exist"
    parts = [part for pattern in patterns for part in pattern.split(" + ")]
    looked = [next(_names(part, code), part) for part in parts]
    shown = ", ".join(looked[:3]) + (f" and {len(looked) - 3} more" if len(looked) > 3 else "")
    if there := languages_there(root, patterns, list(LANGUAGES)):
        near = f"files for {', '.join(there[:12])}{' ...' if len(there) > 12 else ''} are there"
    else:
        near = _deepest(root, looked)
    return f"no file {shown} (packed or not); {near}"


def _deepest(root: Path, looked: Sequence[str]) -> str:
    """The longest existing folder on the way to any of the paths, and what it holds."""
    best = root
    for name in looked:
        folder = _base(root, name)
        for part in name.removeprefix("/").split("/")[:-1]:
            if "*" in part or not (folder / part).is_dir():
                break
            folder = folder / part
        if len(folder.parts) > len(best.parts):
            best = folder
    entries = sorted(path.name for path in best.iterdir() if not path.name.startswith("."))
    holds = ", ".join(entries[:8]) + (" ..." if len(entries) > 8 else "")
    inside = best != root and best.is_relative_to(root)
    where = "the data folder" if best == root else f"'{best.relative_to(root).as_posix() if inside else best}'"
    return f"{where} holds {holds or 'nothing'}"
