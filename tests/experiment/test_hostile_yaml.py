"""Experiment files made to hang, to fill the memory or to run code are one line with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from xstilts.core.errors import XstiltsError
from xstilts.core.yaml_lines import load_yaml
from xstilts.session.loading import load

HEAD = "name: x\n"
LAUGHS = HEAD + "a0: &a0 [x, x, x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 9))
MERGES = (
    HEAD + "a0: &a0 {x: 1}\n" + "".join(f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 9)}]}}\n" for i in range(1, 9))
)
CHAIN = HEAD + "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}]\n" for i in range(1, 3000))
FILES: dict[str, tuple[str | bytes, str]] = {
    "aliases of aliases": (LAUGHS, ":7: more than 50,000 values, with aliases (*) expanded"),
    "merges of merges": (MERGES, ":7: more than 50,000 values"),
    "a chain of aliases": (CHAIN, ":50: nested more than 50 levels deep"),
    "3,000 levels in a line": (HEAD + "a: " + "[" * 3000 + "]" * 3000, ":2: nested more than 50 levels deep"),
    "3,000 levels of dashes": (HEAD + "a:\n" + "- " * 3000 + "x", ":3: nested more than 50 levels deep"),
    "a number of 5,000 digits": (HEAD + "\na: " + "9" * 5000, ":3: a number of 5,000 digits"),
    "a hexadecimal number": (HEAD + "a: 0x" + "9" * 5000, ":2: a number beyond 64 bits"),
    "a number to the base 60": (HEAD + "a: " + ":".join(["59"] * 3000), ":2: 59:59:59"),
    "a time": (
        HEAD + "limit: 1:30",
        ":2: 1:30 is read as a number in base 60 by YAML: write it in base 10, or put it in",
    ),
    "an octal number": (HEAD + "a: [010]", ":2: 010 is read as a number in base 8 by YAML"),
    "infinity": (HEAD + "holdout: .inf", ":2: inf is not a number to compute with"),
    "a day that is none": (HEAD + "a: 2020-13-99", ":2: month must be in 1..12"),
    "a NUL byte": (HEAD + "a: b\0c", ":2: not YAML: the character U+0000"),
    "a tab": (HEAD + "\ta: b", ":2: not YAML: found character '\\t' that cannot start any token"),
    "a key twice": (HEAD + "name: y", ":2: key 'name' occurs twice"),
    "a key that is a list": (HEAD + "? [a]\n: b", ":2: key of several values is not text"),
    "another document": (HEAD + "---\nname: y", ":2: not YAML: expected a single document in the stream, but found"),
    "itself": (HEAD + "a: &a [*a]", ":2: a value that contains itself"),
    "half a surrogate pair": (HEAD + 'a: "\\ud800"', ":2: the character U+D800 in a text"),
    "an escape sequence": (HEAD + 'a: "\\e[31m"', ":2: the character U+001B in a text"),
    "an escape sequence in a key": (HEAD + '"\\e[31m": a', ":2: the character U+001B in a text"),
    "text turned round": (HEAD + "a: b\u202ec", ":2: the character U+202E in a text"),
    "Latin-1": (HEAD.encode() + b"a: caf\xe9", ":2: not UTF-8 (byte 0xe9)"),
    "code": (
        HEAD + "a: !!python/object/apply:os.system [touch RAN]",
        ":2: not YAML: could not determine a constructor",
    ),
    "millions of values": (HEAD + "a: [" + "a," * 300_000 + "]", ":2: more than 50,000 values"),
    "a file of 2 MB": (HEAD + "a: " + "x" * 2_000_000, ": 2,000,011 bytes: an experiment file has at most 1,000,000"),
}


@pytest.mark.parametrize("name", FILES)
def test_hostile_yaml_is_one_line(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text, said = FILES[name]
    path = tmp_path / "x.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(XstiltsError) as error:
        load(path)
    assert str(error.value).startswith(f"{path}{said}")
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 400
    assert not (tmp_path / "RAN").exists()


def test_what_is_merged_has_lines_and_may_be_said_again(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("defaults: &d {base: table1, seeds: [1]}\n\n<<: *d\nseeds: [2]\n")
    document, lines = load_yaml(path)
    assert document == {"defaults": {"base": "table1", "seeds": [1]}, "base": "table1", "seeds": [2]}
    assert (lines.places["base",], lines.places["seeds",]) == (1, 4)
