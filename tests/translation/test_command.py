"""Translation by a program that reads and writes lines."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from xstilts.core.errors import ConfigError, DataError
from xstilts.graph.job import Job
from xstilts.graph.stage import Stage
from xstilts.stages.translating import run_translate
from xstilts.tasks import TASKS
from xstilts.tasks.base import task_to_json
from xstilts.translation.engine import Command, printed_version
from xstilts.translation.project import Translated
from xstilts.translation.spec import EngineSpec

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


def test_a_lost_line_is_not_translated(tmp_path: Path) -> None:
    engine = Command(program(tmp_path, LOSES), tmp_path)
    assert engine(["a", "b", "lost", "c", "d"]) == [*map(Translated, "ab"), None, *map(Translated, "cd")]


def test_an_engine_that_writes_nothing_fails_for_one_line_too(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"sent\.txt:1: .* wrote 0 lines for 1"):
        Command(program(tmp_path, LOSES), tmp_path)(["lost"])


def test_many_lost_lines_are_an_error_that_names_the_first(tmp_path: Path) -> None:
    engine = Command(program(tmp_path, LOSES), tmp_path)
    with pytest.raises(DataError, match=r"sent\.txt:3: .* wrote 3 lines for 5, and more than 1 lines still fail"):
        engine(["a", "b", "lost", "lost too", "d"])
    assert (tmp_path / "sent.txt").read_text().splitlines()[2] == "lost"


def test_a_program_that_fails_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"ended with 3: no dictionary for it$"):
        Command(program(tmp_path, FAILS), tmp_path)(["a"])
    with pytest.raises(DataError, match=r"did not write its output file \(\{out\}\)"):
        Command(program(tmp_path, "", "{in}", "{out}"), tmp_path)(["a"])
    with pytest.raises(ConfigError, match=r"nowhere cannot be run \(No such file.*install it"):
        Command(["nowhere", "en"], tmp_path)(["a"])


def test_the_version_is_what_the_program_or_another_prints(tmp_path: Path) -> None:
    assert printed_version((sys.executable, "x"), None).startswith("Python 3")
    assert printed_version((sys.executable,), (sys.executable, "-c", "print('2.0')")) == "2.0"
    with pytest.raises(ConfigError, match="which should print a version, ended with 1"):
        printed_version((sys.executable,), (sys.executable, "-c", "raise SystemExit(1)"))


def test_one_translation_for_different_examples_is_refused(tmp_path: Path) -> None:
    (tmp_path / "nli.jsonl").write_text(
        "".join(f'{{"premise": "a man {n}", "hypothesis": "it {n}", "label": "neutral"}}\n' for n in range(9))
    )
    task = replace(TASKS.get("snli"), files={"train": ("nli.jsonl",)})
    argv = program(tmp_path, "import sys\nfor _ in sys.stdin: print('Ein Satz.')\n")
    quality = {"length_ratio": 99.0, "copied": 1.0, "identify": False, "min_score": None}
    config = {"task": "snli", "engine": "command", "language": "de", "command": argv, "quality": quality}
    settings = {"roots": [str(tmp_path)], "task": task_to_json(task, ["en"])}
    job = Job(Stage("translate", 1, config, settings=settings), tmp_path / "out", {}, {}, lambda told: None)
    (tmp_path / "out").mkdir()
    with pytest.raises(DataError, match="9 different examples have only 1 different translations into de: does the"):
        run_translate(job)


@pytest.mark.parametrize("given", [{"command": ["apertium", "-u", "eng-spa"]}, {"tasks": {"mnli": "xnli_mt"}}])
def test_an_engine_is_the_same_with_its_defaults_written_out(given: dict[str, Any]) -> None:
    """A store writes them all out, to remember an experiment by."""
    spec = EngineSpec(**given | ({} if "command" in given else {"engine": "files"}))
    assert EngineSpec(**spec.model_dump(mode="json")) == spec


@pytest.mark.skipif(shutil.which("apertium") is None, reason="apertium is not installed")
def test_apertium_translates_line_by_line_and_keeps_brackets(tmp_path: Path) -> None:
    texts = ["The [Denver Broncos] won the game.", "", "A man is playing a guitar."]
    found = [one and one.text for one in Command(["apertium", "-u", "eng-spa"], tmp_path)(texts)]
    assert found == ["El [Denver Broncos] ganó el juego.", "", "Un hombre está tocando una guitarra."]
