"""Text classification, of one text or a pair: python -m benchmarks.hf.classification --model M --train_file F ..."""

from __future__ import annotations

from transformers import AutoModelForSequenceClassification, DataCollatorWithPadding

from benchmarks.hf.common import start


def main() -> None:
    script = start()
    tokenizer, rows = script.tokenizer, script.rows
    model = script.model(AutoModelForSequenceClassification, script.labels if script.given.train_file else ())
    texts = ([row["text"] for row in rows], *([[row["pair"] for row in rows]] if rows[0]["pair"] is not None else []))
    given = script.given
    coded = tokenizer(*texts, truncation=True, max_length=given.max_length, padding=given.padding)
    features = [{name: coded[name][i] for name in coded} for i in range(len(rows))]
    if script.given.train_file:
        for feature, row in zip(features, rows, strict=True):
            feature["labels"] = model.config.label2id[row["label"]]
    names = model.config.id2label
    collator = DataCollatorWithPadding(tokenizer)
    script.carry_out(model, features, collator, lambda logits: [names[int(best)] for best in logits.argmax(-1)])


if __name__ == "__main__":
    main()
