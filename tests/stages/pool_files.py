"""Made-up official files of BUCC 2018, LAReQA and Mewsli-X."""

from __future__ import annotations

import json
from pathlib import Path

from xstilts.microworld.world import TINY, write_world

WORDS = ("ka", "lo", "mi", "nu", "pe", "ra", "so", "tu", "ve", "zi")


def sentences(n: int, seed: int) -> list[str]:
    return [f"{WORDS[(i * 3 + seed) % 10]} {WORDS[(i // 10 + seed) % 10]} {i}." for i in range(n)]


def squad(language: str, n: int = 8) -> str:
    paragraphs = []
    for i in range(n):
        first, second = sentences(2, i)
        qas = [
            {
                "id": f"q{i}",
                "question": f"{second} {language}?",
                "answers": [{"answer_start": len(first) + 1, "text": second[0]}],
            }
        ]
        breaks = [[0, len(first)], [len(first) + 1, len(first) + 1 + len(second)]]
        paragraphs.append({"context": f"{first} {second}", "sentence_breaks": breaks, "qas": qas})
    return json.dumps({"data": [{"paragraphs": paragraphs}]})


def pair(i: int, language: str) -> dict[str, object]:
    text = f"We saw {WORDS[i]} there."
    span = {"start": 7, "end": 9, "text": WORDS[i]}
    context = {"language": language, "text": text, "sentence_spans": []}
    mention = {"example_id": f"{language}{i}", "entity_id": f"Q{i}", "mention_span": span}
    entity = {"entity_id": f"Q{i}", "title": WORDS[i], "description": f"{WORDS[i]} is a thing"}
    return {"contextual_mention": {"context": context, "mention": mention}, "entity": entity}


def write(path: Path, words: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(words, encoding="utf-8")


def lines(rows: list[dict[str, object]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def write_pools(folder: Path) -> Path:
    """The files of a tiny microworld, and of the three data sets beside them."""
    write_world(folder, 5, TINY)
    for split, seed in (("training", 1), ("sample", 2)):
        for side, first in (("zh", 0), ("en", 5)):
            rows = [f"{side}-{i}\t{text}" for i, text in enumerate(sentences(25, seed)[first : first + 20])]
            write(folder / f"bucc2018/zh-en.{split}.{side}", "\n".join(rows) + "\n")
        write(folder / f"bucc2018/zh-en.{split}.gold", "".join(f"zh-{i}\ten-{i - 5}\n" for i in range(5, 20)))
    for language in ("de", "el", "en"):
        write(folder / f"lareqa/xquad-r/{language}.json", squad(language))
    write(folder / "squad_v1.1/train-v1.1.json", squad("en"))
    write(folder / "squad_v1.1/dev-v1.1.json", squad("en", 4))
    rows = [pair(i, "en") for i in range(10)]
    write(folder / "mewslix/wikipedia_pairs-train.jsonl", lines(rows))
    write(folder / "mewslix/wikipedia_pairs-dev.jsonl", lines(rows[:4]))
    entities = [row["entity"] for row in rows]
    write(folder / "mewslix/candidate_set_entities.jsonl", lines(entities))  # type: ignore[arg-type]
    news = [pair(i, language)["contextual_mention"] for language in ("de", "tr") for i in range(10)]
    nested = [{"context": one["context"], "mentions": [one["mention"]]} for one in news]  # type: ignore[index]
    write(folder / "mewslix/wikinews_mentions-test.jsonl", lines(nested))
    return folder
