"""Count the functions and files of xstilts that run on the way from an own CSV file to the report.

Usage: python tools/trace.py [EXPERIMENT [ARGUMENTS OF xstilts run ...]]

Without an experiment: eight rows of two labels, two languages, a random encoder of one layer, one step. It runs in this
process. Functions called while modules are imported do not count.
"""

from __future__ import annotations

import json
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import xstilts
from xstilts.cli import main as command

ROOT = Path(xstilts.__file__).parent
OWN = {
    "name": "traced",
    "tasks": {
        "mood": {
            "type": "classification",
            "files": {"train": "train.csv", "test": "test-{language}.csv"},
            "languages": ["en", "de"],
            "holdout": 2,
        },
        "text": {"type": "masked_lm", "files": {"train": "text.txt"}, "languages": ["en"]},
    },
    "backbones": [
        {
            "name": "tiny",
            "architecture": "bert",
            "config": {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8},
            "tokenizer": {"tasks": ["text"], "languages": ["en"], "vocabulary": 100, "characters": 1000},
        }
    ],
    "recipes": [[]],
    "targets": ["mood"],
    "seeds": [1],
    "train": {"steps": 1, "batch_size": 2},
}


def write_own(folder: Path) -> Path:
    """The small experiment and its files."""
    rows = [
        f"a {word} day {number},{mood}" for number in range(4) for word, mood in (("fine", "good"), ("grey", "bad"))
    ]
    for name in ("train.csv", "test-en.csv", "test-de.csv"):
        lines = ["text,label", *(f"{name} {row}" for row in rows)]
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "text.txt").write_text(
        "".join(f"a fine or a grey day, number {number}\n" for number in range(50)), encoding="utf-8"
    )
    path = folder / "traced.yaml"
    path.write_text(json.dumps(OWN), encoding="utf-8")
    return path


def traced(arguments: Sequence[str]) -> set[tuple[str, str]]:
    """(file, function) of every call below `xstilts`, in all threads."""
    found: set[tuple[str, str]] = set()

    def note(frame: FrameType, event: str, _: Any) -> None:
        code = frame.f_code
        if event == "call" and code.co_name != "<module>" and code.co_filename.startswith(str(ROOT)):
            found.add((code.co_filename, code.co_qualname))

    sys.argv = ["xstilts", *arguments]
    threading.setprofile(note)
    sys.setprofile(note)
    try:
        command()
    except SystemExit as ended:
        if ended.code:
            raise
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    return found


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path, *more = sys.argv[1:] or [str(write_own(Path(folder)))]
        found = traced(["run", path, *more, "--store", f"{folder}/store", "--workers", "0"])
    own = {call for call in found if not call[1].endswith(">")}  # lambdas and comprehensions
    print(f"{len(own):,} functions in {len({file for file, _ in own}):,} files of {len(list(ROOT.rglob('*.py'))):,}")


if __name__ == "__main__":
    main()
