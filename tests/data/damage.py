"""Damage to files, as pure functions: bytes and a few numbers to damaged bytes.

Hypothesis chooses them, so that a failure is shrunk; seeds choose many more at a tenth of the time. Variable
`XSTILTS_FUZZ_EXAMPLES` is the number of the latter for each sample.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

SEEDS = int(os.environ.get("XSTILTS_FUZZ_EXAMPLES", "300"))
SCALE = 1 << 16

# fmt: off
PIECES: tuple[bytes, ...] = (
    b"\n", b"\r\n", b"\r", b"\n\n", b"\t", b"\t\t", b" ", b",", b'"', b"'", b'""', b"\\", b"#", b"-", b"|", b"{", b"}",
    b"[", b"]", b"null", b"0", b"-1", b"9" * 30, b"1e999", b"NaN", b"\x00", b"\x01", b"\x1b", b"\x7f", b"\xff", b"\xc3",
    b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\xe2\x80\xa8", b"\xc2\x85", b"\xe2\x80\x8b", b"<range>", b"\\ud800", b"\\u0000",
)
VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2.5, 10**40, float("nan"), float("inf"), "", " ", "x", "1", "line\nbreak", "\ud800",
    "\x00", "\u2028", [], {}, [None], [[]], {"": 0}, ["x", "y"], [0] * 5, {"text": 1, "answer_start": "0"},
)
# fmt: on


class Edit(NamedTuple):
    """What to do, and three numbers below `SCALE` that say where and with what."""

    name: str
    where: int
    until: int
    what: int


def _range(raw: bytes, edit: Edit) -> tuple[int, int]:
    start = edit.where * (len(raw) + 1) // SCALE
    return start, min(len(raw), start + edit.until * 8 // SCALE + 1)


def _flip(raw: bytes, edit: Edit) -> bytes:
    if not raw:
        return raw
    at = edit.where * len(raw) // SCALE
    return raw[:at] + bytes([raw[at] ^ (1 + edit.what % 255)]) + raw[at + 1 :]


def _delete(raw: bytes, edit: Edit) -> bytes:
    start, end = _range(raw, edit)
    return raw[:start] + raw[end:]


def _repeat(raw: bytes, edit: Edit) -> bytes:
    start, end = _range(raw, edit)
    return raw[:end] + raw[start:]


def _insert(raw: bytes, edit: Edit) -> bytes:
    start, _ = _range(raw, edit)
    return raw[:start] + PIECES[edit.what % len(PIECES)] + raw[start:]


def _cut(raw: bytes, edit: Edit) -> bytes:
    return raw[: _range(raw, edit)[0]]


def _lines(change: Callable[[list[bytes], int, int], None]) -> Callable[[bytes, Edit], bytes]:
    def damage(raw: bytes, edit: Edit) -> bytes:
        lines = raw.split(b"\n")
        change(lines, edit.where * len(lines) // SCALE, edit.until * len(lines) // SCALE)
        return b"\n".join(lines)

    return damage


def _swap(lines: list[bytes], one: int, other: int) -> None:
    lines[one], lines[other] = lines[other], lines[one]


def _cell(raw: bytes, edit: Edit) -> bytes:
    """Another value in one cell of a table, or one cell more or less."""
    lines = raw.split(b"\n")
    row = edit.where * len(lines) // SCALE
    cells = lines[row].split(b"\t")
    at = edit.until * len(cells) // SCALE
    value = json.dumps(VALUES[edit.what % len(VALUES)]).encode().strip(b'"')
    cells[at : at + 1] = [[value], [cells[at], value], [], [b""]][edit.what % 4]
    lines[row] = b"\t".join(cells)
    return b"\n".join(lines)


def _nodes(value: Any) -> Iterator[tuple[Any, Any]]:
    """(container, key or index) of everything below a JSON value."""
    for key in list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, key
        yield from _nodes(value[key])


def _json(raw: bytes, edit: Edit) -> bytes:
    """Another type or value, an entry less, or an entry under another name, in a JSON document or one JSON line."""
    lines = [raw] if raw.count(b"\n") < 1 else raw.split(b"\n")
    row = edit.where * len(lines) // SCALE
    try:
        value = json.loads(lines[row])
        nodes = list(_nodes(value))
    except (ValueError, RecursionError):
        return raw
    if not nodes:
        return raw
    holder, key = nodes[edit.until * len(nodes) // SCALE]
    new = VALUES[edit.what % len(VALUES)]
    how = edit.what % 7
    if how == 0:
        del holder[key]
    elif how == 1 and isinstance(holder, dict):
        holder[f"{key}x"] = holder.pop(key)
    elif how == 2 and isinstance(holder, list):
        holder.append(holder[key])
    else:
        holder[key] = new
    lines[row] = json.dumps(value).encode()
    return b"\n".join(lines)


def _recode(raw: bytes, edit: Edit) -> bytes:
    encoding = ("utf-16", "utf-16-le", "utf-16-be", "latin-1", "utf-8-sig", "utf-32")[edit.what % 6]
    return raw.decode("utf-8", "replace").encode(encoding, "replace")


KINDS: dict[str, Callable[[bytes, Edit], bytes]] = {
    "flip a byte": _flip,
    "delete bytes": _delete,
    "repeat bytes": _repeat,
    "insert": _insert,
    "cut": _cut,
    "swap lines": _lines(_swap),
    "repeat a line": _lines(lambda lines, one, other: lines.insert(other, lines[one])),
    "delete a line": _lines(lambda lines, one, other: lines.__delitem__(one)),
    "empty a line": _lines(lambda lines, one, other: lines.__setitem__(one, b"")),
    "a cell": _cell,
    "a JSON value": _json,
    "another JSON value": _json,
    "recode": _recode,
}

_NUMBER = st.integers(0, SCALE - 1)
DAMAGE = st.lists(st.builds(Edit, st.sampled_from(list(KINDS)), _NUMBER, _NUMBER, _NUMBER), min_size=1, max_size=3)


def damaged(raw: bytes, edits: list[Edit]) -> bytes:
    for edit in edits:
        raw = KINDS[edit.name](raw, edit)
    return raw


def edits_of(seed: int) -> list[Edit]:
    """The damage of a seed, of the same kind as `DAMAGE`."""
    chance = random.Random(seed)
    names = chance.choices(list(KINDS), k=chance.choice((1, 1, 2, 3)))
    return [Edit(name, *(chance.randrange(SCALE) for _ in range(3))) for name in names]


FUZZ: Any = settings(
    max_examples=40,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
"""The same few examples in every run of the suite."""


def is_one_line(message: str) -> bool:
    """One line for every terminal and log: no line end of any kind, no control characters."""
    return len(message.splitlines()) == 1 and all(sign >= " " and sign != "\x7f" for sign in message)
