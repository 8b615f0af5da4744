"""Tags of words: python -m benchmarks.hf.tagging --model M --train_file F ...

The first piece of a word carries its tag; words beyond `--max_length` are cut off and predicted as the first label.
"""

from __future__ import annotations

from typing import Any

from transformers import AutoModelForTokenClassification, DataCollatorForTokenClassification

from benchmarks.hf.common import Row, start

IGNORED = -100


def main() -> None:
    script = start()
    model = script.model(AutoModelForTokenClassification, script.labels if script.given.train_file else ())
    words = [row["words"] for row in script.rows]
    coded = script.tokenizer(words, is_split_into_words=True, truncation=True, max_length=script.given.max_length)
    features: list[Row] = [{name: coded[name][i] for name in coded} for i in range(len(words))]
    firsts = [_firsts(coded.word_ids(i)) for i in range(len(words))]
    if script.given.train_file:
        for feature, row, places in zip(features, script.rows, firsts, strict=True):
            feature["labels"] = [IGNORED] * len(feature["input_ids"])
            for word, place in places.items():
                feature["labels"][place] = model.config.label2id[row["tags"][word]]
    names = model.config.id2label

    def decode(logits: Any) -> list[list[str]]:
        best = logits.argmax(-1)
        return [
            [names[int(row[places[word]])] if word in places else names[0] for word in range(len(sentence))]
            for row, places, sentence in zip(best, firsts, words, strict=True)
        ]

    script.carry_out(model, features, DataCollatorForTokenClassification(script.tokenizer), decode)


def _firsts(word_ids: list[int | None]) -> dict[int, int]:
    """Word -> its first token."""
    found: dict[int, int] = {}
    for place, word in enumerate(word_ids):
        if word is not None:
            found.setdefault(word, place)
    return found


if __name__ == "__main__":
    main()
