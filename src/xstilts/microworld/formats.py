"""Writers of the official file formats, so that the ordinary readers read the microworld.

The formats are XTREME's XNLI and PAWS-X (no header, CRLF, csv quoting; labels in all splits), HellaSwag's JSON lines,
CoNLL-U, XTREME's PAN-X, SIB-200, SQuAD 1.1, LASER's Tatoeba pairs, and plain text with one document a line.
"""

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from xstilts.core.files import write_json, write_jsonl, write_text
from xstilts.microworld.concepts import Item, Utterance
from xstilts.microworld.grammar import Grammar
from xstilts.microworld.items import ENDINGS

Items = Sequence[Item]


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """One line each, with LF."""
    write_text(path, "".join(line + "\n" for line in lines))


def write_pairs(path: Path, grammar: Grammar, items: Items, split: str) -> None:
    """XNLI and PAWS-X: sentence, sentence, label."""
    stream = io.StringIO(newline="")
    csv.writer(stream, delimiter="\t").writerows((*map(grammar.text, item.said), item.label) for item in items)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(stream.getvalue().encode())


def write_topics(path: Path, grammar: Grammar, items: Items, split: str) -> None:
    """SIB-200: `index_id`, `category`, `text` with header."""
    rows = [f"{number}\t{item.about}\t{grammar.text(*item.said)}" for number, item in enumerate(items)]
    write_lines(path, ["index_id\tcategory\ttext", *rows])


def write_choices(path: Path, grammar: Grammar, items: Items, split: str) -> None:
    """HellaSwag's JSON lines."""
    rows = []
    for number, item in enumerate(items):
        context = grammar.text(*item.said[:-ENDINGS])
        told = {"ind": number, "activity_label": item.about, "ctx_a": context, "ctx_b": "", "ctx": context}
        told |= {"split": split, "split_type": "indomain", "label": item.label}
        endings = [grammar.text(ending) for ending in item.said[-ENDINGS:]]
        rows.append({**told, "endings": endings, "source_id": f"microworld~{number}"})
    write_jsonl(path, rows)


def write_conllu(path: Path, grammar: Grammar, items: Items, split: str) -> None:
    """CoNLL-U with forms and UPOS; other columns are `_`."""
    blocks = []
    for number, item in enumerate(items, start=1):
        words = grammar.written_words(item.said)
        lines = [f"# sent_id = {number}", f"# text = {' '.join(word.form for word in words)}"]
        lines += [f"{i}\t{word.form}\t_\t{word.upos}\t_\t_\t_\t_\t_\t_" for i, word in enumerate(words, start=1)]
        blocks.append("\n".join(lines) + "\n\n")
    write_text(path, "".join(blocks))


def write_panx(path: Path, grammar: Grammar, items: Items, split: str) -> None:
    """PAN-X: word, tab, tag; a blank line between sentences."""
    blocks = ["".join(f"{w.form}\t{w.entity}\n" for w in grammar.written_words(item.said)) for item in items]
    write_text(path, "\n".join(blocks))


def locate_answer(grammar: Grammar, item: Item) -> tuple[str, str, int] | None:
    """Passage, answer and its offset in code points; None if the answer does not occur exactly once."""
    phrases = grammar.phrases(item.said[item.label])
    answer = " ".join(word.form for role, words in phrases if role == item.about for word in words)
    passage = grammar.text(*item.said[:-1])
    return (passage, answer, passage.index(answer)) if passage.count(answer) == 1 else None


def write_squad(path: Path, grammar: Grammar, items: Items, split: str) -> None:
    """SQuAD 1.1; ids are the same in all languages, as in XQuAD."""
    paragraphs = []
    for number, item in enumerate(items):
        found = locate_answer(grammar, item)
        assert found is not None, "readings are chosen so that the answer is unique in every language"
        passage, answer, start = found
        asked = {"id": f"microworld-{split}-{number}", "question": grammar.text(item.said[-1])}
        answers = [{"answer_start": start, "text": answer}]
        paragraphs.append({"context": passage, "qas": [{**asked, "answers": answers}]})
    write_json(path, {"version": "1.1", "data": [{"title": "Microworld", "paragraphs": paragraphs}]})


def write_parallel(
    folder: Path, name: str, target: Grammar, english: Grammar, texts: Sequence[Sequence[Utterance]]
) -> None:
    """LASER's Tatoeba files `name.qaa-eng.qaa` and `name.qaa-eng.eng`, aligned line by line."""
    stem = f"{name}.{target.language.code}-eng"
    write_lines(folder / f"{stem}.{target.language.code}", (target.text(*text) for text in texts))
    write_lines(folder / f"{stem}.eng", (english.text(*text) for text in texts))
