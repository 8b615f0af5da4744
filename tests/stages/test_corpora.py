"""Raw text is prepared as a stream: the same bytes as in memory, in memory that does not grow with the corpus."""

from __future__ import annotations

import tracemalloc
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from backbones.tiny_models import TEXT
from xstilts.backbones.coder import Coder, VocabularyConfig, train_tokenizer
from xstilts.core.errors import DataError
from xstilts.core.files import read_lines, stream_lines
from xstilts.data.examples import PlainText
from xstilts.data.readers.common import lines_in, lines_of
from xstilts.data.readers.text import plain_lines
from xstilts.graph.job import Job
from xstilts.graph.stage import Stage
from xstilts.stages.preparing import run_prepare
from xstilts.task_types import TASK_TYPES, raw_text
from xstilts.task_types.features import Features, FeaturesWriter
from xstilts.tasks import TASKS, Encoding
from xstilts.tasks.base import task_to_json

SENTENCES = [f"{TEXT[i % 6]} . {TEXT[(i * 7) % 5]} {i}" for i in range(400)]
TOKENIZER = train_tokenizer(TEXT * 3, VocabularyConfig(200, sentinels=8))
JOINED, APART = Encoding(max_length=32), Encoding(join=False, paired=0.5)
KINDS = ("masked_lm", "causal_lm", "span_corruption", "simcse")


def lay(root: Path, name: str, lines: list[str]) -> None:
    path = root / "text_common_voice" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def prepare(root: Path, to: Path, kind: str, encoding: Encoding, **changes: Any) -> None:
    TOKENIZER.save_pretrained(to / "tokenizer")
    config: Mapping[str, Any] = {
        "task": "text_common_voice",
        "type": kind,
        "labels": [],
        "split": "train",
        "languages": ["en", "de"],
        "encoding": vars(encoding),
        "holdout": 0,
        "limit": 0,
        "combined": True,
        "labelled": False,
        **changes,
    }
    task = task_to_json(TASKS.get("text_common_voice"), config["languages"])
    stage = Stage("prepare", 1, config, settings={"roots": [str(root)], "task": task})
    run_prepare(Job(stage, to, {"tokenizer": to / "tokenizer"}))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("encoding", [JOINED, APART], ids=["joined", "apart"])
def test_streamed_features_are_those_of_memory_byte_for_byte(
    kind: str, encoding: Encoding, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, coder, shards = tmp_path / "data", Coder(TOKENIZER), {"en": SENTENCES[:250], "de": SENTENCES[250:]}
    monkeypatch.setattr(raw_text, "INSTANCES", 7)
    lay(root, "en/a.txt", ["", *shards["en"][:100], " "])
    lay(root, "en/b.txt", shards["en"][100:])
    lay(root, "de/a.txt", shards["de"])
    prepare(root, tmp_path / "streamed", kind, encoding)
    examples = {code: [PlainText(str(i), line) for i, line in enumerate(lines)] for code, lines in shards.items()}
    with FeaturesWriter(tmp_path / "memory") as writer:
        for number, own in enumerate(examples.values()):
            writer.append(TASK_TYPES.get(kind).encode(own, coder, encoding, ()), number)
    written = {path.name: path.read_bytes() for path in (tmp_path / "streamed" / "all").iterdir()}
    assert written == {path.name: path.read_bytes() for path in (tmp_path / "memory").iterdir()}


def test_a_limit_counts_lines_of_each_language(tmp_path: Path) -> None:
    for code in ("en", "de"):
        lay(tmp_path / "data", f"{code}/a.txt", SENTENCES)
    prepare(tmp_path / "data", tmp_path / "out", "masked_lm", Encoding(join=False), limit=3)
    assert len(Features.load(tmp_path / "out" / "all")) == 6


def test_memory_does_not_grow_with_the_corpus(tmp_path: Path) -> None:
    def peak(times: int) -> int:
        root = tmp_path / str(times)
        lay(root, "en/a.txt", SENTENCES * times)
        tracemalloc.start()
        for _ in TASKS.get("text_common_voice").stream(root, "train", "en"):
            pass
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    assert peak(40) < 1.5 * peak(4)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"one\ntwo \xff", "not UTF-8"),
        (b"one\nt\0o\n", "NUL"),
        (b"one\rtwo\r", "CR only"),
        (b"\n \n", "holds no examples"),
        (b"", "holds no examples"),
    ],
)
def test_a_streamed_file_is_refused_as_a_whole_one(content: bytes, problem: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(DataError, match=problem):
        list(plain_lines(tmp_path / "a.txt", "en"))


@pytest.mark.parametrize("content", ["\ufeffa\r\nb", "a\n\nb\n", "a\rb\nc\u2028d", ""])
def test_streamed_lines_are_those_of_the_whole_file(content: str, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(content.encode())
    assert list(lines_in(path)) == lines_of(path)
    assert [line.removesuffix("\n").removesuffix("\r") for line in stream_lines(path)] == read_lines(path)
