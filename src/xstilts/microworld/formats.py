"""Writers of the official file formats, so that the ordinary readers read the microworld.

XTREME's XNLI and PAWS-X (no header, CRLF, csv quoting, here always with labels), HellaSwag's JSON lines, CoNLL-U,
XTREME's PAN-X, SIB-200, SQuAD 1.1, LASER's Tatoeba pairs, and plain text with one document a line.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from xstilts.core.files import write_json, write_jsonl, write_text
from xstilts.microworld.grammar import Grammar
from xstilts.microworld.meaning import Utterance
from xstilts.microworld.pairs import PairItem
from xstilts.microworld.stories import ChoiceItem, ReadingItem, TopicItem


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """One line each, ended by LF."""
    write_text(path, "".join(line + "\n" for line in lines))


def write_pairs(path: Path, grammar: Grammar, items: Sequence[PairItem], split: str) -> None:
    """XTREME's form of XNLI and PAWS-X: sentence, sentence, label."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, delimiter="\t")
    writer.writerows((grammar.text(item.first), grammar.text(item.second), item.label) for item in items)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(stream.getvalue().encode())


def write_topics(path: Path, grammar: Grammar, items: Sequence[TopicItem], split: str) -> None:
    """SIB-200: `index_id`, `category`, `text` with header."""
    rows = [f"{number}\t{item.topic}\t{grammar.text(*item.said)}" for number, item in enumerate(items)]
    write_lines(path, ["index_id\tcategory\ttext", *rows])


def write_choices(path: Path, grammar: Grammar, items: Sequence[ChoiceItem], split: str) -> None:
    """HellaSwag's JSON lines."""
    rows = []
    for number, item in enumerate(items):
        context, endings = grammar.text(*item.context), [grammar.text(ending) for ending in item.endings]
        row = {
            "ind": number,
            "activity_label": item.topic,
            "ctx_a": context,
            "ctx_b": "",
            "ctx": context,
            "split": split,
        }
        row |= {"split_type": "indomain", "label": item.label, "endings": endings, "source_id": f"microworld~{number}"}
        rows.append(row)
    write_jsonl(path, rows)


def write_conllu(path: Path, grammar: Grammar, items: Sequence[Utterance], split: str) -> None:
    """CoNLL-U with forms and UPOS; what the world does not know is `_`."""
    blocks = []
    for number, sentence in enumerate(items, start=1):
        words = grammar.words([sentence])
        lines = [f"# sent_id = {number}", f"# text = {' '.join(word.form for word in words)}"]
        lines += [f"{i}\t{word.form}\t_\t{word.upos}\t_\t_\t_\t_\t_\t_" for i, word in enumerate(words, start=1)]
        blocks.append("\n".join(lines) + "\n\n")
    write_text(path, "".join(blocks))


def write_panx(path: Path, grammar: Grammar, items: Sequence[Utterance], split: str) -> None:
    """XTREME's PAN-X: word, tab, tag; a blank line between sentences."""
    blocks = ["".join(f"{w.form}\t{w.entity}\n" for w in grammar.words([sentence])) for sentence in items]
    write_text(path, "\n".join(blocks))


def locate_answer(grammar: Grammar, item: ReadingItem) -> tuple[str, str, int] | None:
    """Passage, answer and its offset in code points; None when the answer occurs more than once."""
    phrases = grammar.phrases(item.passage[item.sentence])
    answer = [word.form for role, words in phrases if role == item.role for word in words]
    passage = grammar.text(*item.passage)
    text = " ".join(answer)
    if passage.count(text) != 1:
        return None
    return passage, text, passage.index(text)


def write_squad(path: Path, grammar: Grammar, items: Sequence[ReadingItem], split: str) -> None:
    """SQuAD 1.1; ids are the same in all languages, as in XQuAD."""
    articles = []
    for number, item in enumerate(items):
        found = locate_answer(grammar, item)
        assert found is not None, "readings are chosen so that the answer is unique in every language"
        passage, answer, start = found
        asked = {
            "id": f"microworld-{split}-{number}",
            "question": grammar.text(item.question),
            "answers": [{"answer_start": start, "text": answer}],
        }
        articles.append({"context": passage, "qas": [asked]})
    write_json(path, {"version": "1.1", "data": [{"title": "Microworld", "paragraphs": articles}]})


def write_parallel(
    folder: Path, name: str, target: Grammar, english: Grammar, texts: Sequence[Sequence[Utterance]]
) -> None:
    """LASER's Tatoeba files `name.qaa-eng.qaa` and `name.qaa-eng.eng`, aligned line by line."""
    stem = f"{name}.{target.language.code}-eng"
    write_lines(folder / f"{stem}.{target.language.code}", (target.text(*text) for text in texts))
    write_lines(folder / f"{stem}.eng", (english.text(*text) for text in texts))
