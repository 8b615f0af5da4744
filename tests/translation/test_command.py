"""Translation by a program that reads and writes lines."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from xstilts.core.errors import ConfigError, DataError
from xstilts.translation.engine import Command, printed_version
from xstilts.translation.project import Translated

SHOUT = "import sys\nfor line in sys.stdin: sys.stdout.write(line.upper())\n"
FILES = "import sys\nopen(sys.argv[2], 'w').write(open(sys.argv[1]).read()[::-1].lstrip() + chr(10))\n"
LOSES = "import sys\nfor line in sys.stdin:\n    if 'lost' not in line: sys.stdout.write(line)\n"
FAILS = "import sys\nsys.stderr.write('first\\nno dictionary for it\\n')\nsys.exit(3)\n"


def program(folder: Path, text: str, *arguments: str) -> list[str]:
    path = folder / "engine.py"
    path.write_text(text)
    return [sys.executable, str(path), *arguments]


def test_every_text_is_one_line_there_and_back(tmp_path: Path) -> None:
    engine = Command(program(tmp_path, SHOUT), tmp_path)
    assert engine(["one\ntwo  three", "été"]) == [Translated("ONE TWO THREE"), Translated("ÉTÉ")]


def test_a_program_may_be_told_files(tmp_path: Path) -> None:
    engine = Command(program(tmp_path, FILES, "{in}", "{out}"), tmp_path)
    assert engine(["abc"]) == [Translated("cba")]


def test_a_lost_line_is_named(tmp_path: Path) -> None:
    engine = Command(program(tmp_path, LOSES), tmp_path)
    with pytest.raises(DataError, match=r"sent\.txt:3: .* wrote 4 lines for 5$"):
        engine(["a", "b", "lost", "c", "d"])
    assert (tmp_path / "sent.txt").read_text().splitlines()[2] == "lost"


def test_a_program_that_fails_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"ended with 3: no dictionary for it$"):
        Command(program(tmp_path, FAILS), tmp_path)(["a"])
    with pytest.raises(DataError, match=r"has not written its \{out\}"):
        Command(program(tmp_path, "", "{in}", "{out}"), tmp_path)(["a"])
    with pytest.raises(ConfigError, match=r"nowhere cannot be run \(No such file.*install it"):
        Command(["nowhere", "en"], tmp_path)(["a"])


def test_the_version_is_what_the_program_or_another_prints(tmp_path: Path) -> None:
    assert printed_version((sys.executable, "x"), None).startswith("Python 3")
    assert printed_version((sys.executable,), (sys.executable, "-c", "print('2.0')")) == "2.0"
    with pytest.raises(ConfigError, match="which should print a version, ended with 1"):
        printed_version((sys.executable,), (sys.executable, "-c", "raise SystemExit(1)"))


@pytest.mark.skipif(shutil.which("apertium") is None, reason="apertium is not installed")
def test_apertium_translates_line_by_line_and_keeps_brackets(tmp_path: Path) -> None:
    texts = ["The [Denver Broncos] won the game.", "", "A man is playing a guitar."]
    found = [one and one.text for one in Command(["apertium", "-u", "eng-spa"], tmp_path)(texts)]
    assert found == ["El [Denver Broncos] ganó el juego.", "", "Un hombre está tocando una guitarra."]
