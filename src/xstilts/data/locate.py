"""Where a data set's files are below the data folder.

A pattern is a path with fields that stand for the language, e.g. `xnli/xtreme_form/dev-{language}.tsv`,
`sib200/annotated/{flores}/dev.tsv`. Fields are those of `xstilts.core.languages.FIELDS`; one that occurs twice has one
value. `*` matches within one name; a name that also exists with `.gz` behind it is found too, the plain one being
preferred, and a pattern that ends in `.gz` finds packed files alone. `a + b` means the files of both patterns, each of
which must match.

There may be several folders: each pattern is looked for in all of them, in their order, and the first that has any of
its files gives them all. A pattern that begins with `/` stands for itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from xstilts.core.errors import DataError, UnknownName
from xstilts.core.languages import FIELDS, LANGUAGES, any_language, code_of

Root = Path | Sequence[Path]
"""A data folder, or several that are searched in turn."""
_FIELD = re.compile(r"\{(\w+)\}")


def folders_of(root: Root) -> tuple[Path, ...]:
    """The folders as a tuple."""
    return (root,) if isinstance(root, Path) else tuple(root)


def check_pattern(pattern: str) -> None:
    """Raises `ValueError` for a field that does not stand for the language, or two that do."""
    for part in pattern.split(" + "):
        fields = set(re.findall(r"\{([^}]*)\}", part))
        for field in sorted(fields - set(FIELDS)):
            known = ", ".join(f"{{{name}}}" for name in FIELDS)
            raise ValueError(f"'{part}' has the unknown field {{{field}}}; known: {known}")
        if len(fields) > 1:
            raise ValueError(f"'{part}' names the language in more than one way")


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
    any_language(code)
    for pattern in patterns:
        parts = [files_of(root, part, code) for part in pattern.split(" + ")]
        if all(parts):
            return [path for part in parts for path in part]
    *others, last = folders_of(root)
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
        return {code for folder in folders_of(root) for code in _codes(folder, pattern, fields[0])}
    return set(allowed) if any(_matches(folder, pattern) for folder in folders_of(root)) else set()


def files_of(root: Root, pattern: str, code: str) -> list[Path]:
    """Files of one pattern, sorted: of the first form of the language that has any; perhaps none."""
    for folder in folders_of(root):
        for name in _names(pattern, code):
            if files := sorted(_matches(folder, name)):
                return files
    return []


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
        options = [folder / name, *([folder / f"{name}.gz"] if last else [])]
        return [path for path in options if (path.is_file() if last else path.is_dir())][:1]
    if not folder.is_dir():
        return []
    there = {path.name: path for path in folder.iterdir() if not path.name.startswith(".")}
    if last and name.endswith(".gz"):
        return [path for entry, path in there.items() if fnmatchcase(entry, name) and path.is_file()]
    if not last:
        return [path for entry, path in there.items() if fnmatchcase(entry, name) and path.is_dir()]
    plain = {entry: path for entry, path in there.items() if fnmatchcase(entry, name) and not entry.endswith(".gz")}
    packed = [
        path
        for entry, path in there.items()
        if entry.endswith(".gz") and fnmatchcase(entry[:-3], name) and entry[:-3] not in plain
    ]
    return [path for path in [*plain.values(), *packed] if path.is_file()]


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
        for form in sorted({form for folder in folders_of(root) for form in _forms(folder, part, field)}):
            try:
                code = any_language(_code_of(form)).code
            except UnknownName:
                continue  # no language is meant
            if code not in LANGUAGES or _code_in(form, field) is None:
                found[form] = code
    return found


def _codes(root: Path, pattern: str, field: str) -> set[str]:
    """Languages for which files of the pattern exist: match with `*` for the field, then read the field back."""
    return {code for form in _forms(root, pattern, field) if (code := _code_in(form, field))}


def _forms(root: Path, pattern: str, field: str) -> set[str]:
    """What stands in the place of the field in the names of files of the pattern."""
    expression = ""
    for piece in re.split(r"(\{\w+\}|\*)", pattern.removeprefix("/")):
        if piece.startswith("{"):
            expression += "(?P=form)" if "(?P<form>" in expression else "(?P<form>[A-Za-z_-]+?)"
        else:
            expression += "[^/]*" if piece == "*" else re.escape(piece)
    forms = set()
    for path in _matches(root, _FIELD.sub("*", pattern)):
        name = path.relative_to(_base(root, pattern)).as_posix()
        name = name if pattern.endswith(".gz") else name.removesuffix(".gz")
        if match := re.fullmatch(expression, name):
            forms.add(match["form"])
    return forms


def _code_in(form: str, field: str) -> str | None:
    """The language that a form stands for; a code that is not in the table stands for itself."""
    try:
        code = _code_of(form)
        return code if form in any_language(code).forms(field) else None
    except UnknownName:
        return None


def _code_of(form: str) -> str:
    """The code of a form of the table, or the form itself."""
    try:
        return code_of(form)
    except UnknownName:
        return form


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
    return f"no file {shown} (or with .gz); {near}"


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
