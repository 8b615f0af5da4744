"""Files of one's own: every form, every type, and every fault with file and line."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from xstilts.core.errors import DataError
from xstilts.data.examples import (
    Answer,
    ChoiceExample,
    Example,
    ParallelExample,
    PlainText,
    SpanExample,
    TaggedExample,
    TextExample,
)
from xstilts.data.readers.columns import ColumnReader, column_reader, labels_in
from xstilts.data.readers.tables import Header, languages_told

PASSAGE = "Łódź is a city. Łódź has 🙂 trams."


def lines(*rows: Any) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def read(folder: Path, name: str, content: str, kind: str, spoken: str = "en", /, **more: Any) -> list[Example]:
    labels, no_answer, first = more.pop("labels", ()), more.pop("no_answer", False), more.pop("count_from", None)
    reader = column_reader(kind, more, labels, no_answer, first)
    assert ColumnReader.from_json(json.loads(json.dumps(reader.to_json()))) == reader
    (folder / name).write_bytes(gzip.compress(content.encode()) if name.endswith(".gz") else content.encode())
    return list(reader(folder / name, spoken))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.jsonl", lines({"body": 'My "card"\nis lost', "queue": "x"}, {"body": "ü", "queue": "y"})),
        ("a.csv", 'body,queue\r\n"My ""card""\nis lost",x\r\n\r\nü,y\r\n'),
        ("a.csv.gz", '\ufeffqueue,other,body\nx,1,"My ""card""\nis lost"\ny,2,ü\n'),
    ],
)
def test_one_table_in_each_form(tmp_path: Path, name: str, text: str) -> None:
    one, two = read(tmp_path, name, text, "classification", text="body", label="queue")
    assert (one, two) == (TextExample(one.id, 'My "card"\nis lost', None, "x"), TextExample(two.id, "ü", None, "y"))


def test_tabs_have_no_quotes(tmp_path: Path) -> None:
    text = 'text\tpair\tlabel\n"a\tb"\tx\n\n c \td\ty\n'
    assert read(tmp_path, "a.tsv", text, "classification") == [
        TextExample("2", '"a', 'b"', "x"),
        TextExample("4", " c ", "d", "y"),
    ]


def test_ids_and_labels_may_be_numbers_in_json(tmp_path: Path) -> None:
    text = lines({"id": 7, "text": "a", "label": 0}, {"id": "q", "text": "b", "label": True})
    found = read(tmp_path, "a.jsonl", text, "classification", labels=("0", "true"))
    assert [(e.id, e.label) for e in found if isinstance(e, TextExample)] == [("7", "0"), ("q", "true")]


def test_what_the_language_column_says_is_counted(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("lang,text\npt,a\npt_BR,b\nund,c\n,d\nzh-TW,e\npt,f\n")
    header = Header({"language": ("lang",), "text": ("text",)})
    both, none = ("pt", "zh-Hant"), "2 rows are in none of the task's languages and left out: 'und' (1), '' (1)"
    spelled = "'pt' (2), 'pt_BR' (1) are read as one language, 'pt'"
    assert languages_told(tmp_path / "a.csv", header, both, both) == [none, spelled]
    unread = "1 row is left out, since the file is read in pt only: 'zh-TW' (1)"
    assert languages_told(tmp_path / "a.csv", header, both, ("pt",)) == [none, unread, spelled]
    assert languages_told(tmp_path / "a.csv", header, ("pt",), ("pt",))[0].endswith("'und' (1), '' (1), 'zh-TW' (1)")
    assert languages_told(tmp_path / "a.csv", Header({"text": ("text",)}), ("pt",), ("pt",)) == []


def test_rows_of_other_languages_are_left_out_where_a_column_says_so(tmp_path: Path) -> None:
    text = "lang,text,label\nen,a,x\nGerman,b,y\nde,c,x\n"
    found = read(tmp_path, "a.csv", text, "classification", "de", language="lang")
    assert [e.id for e in found] == ["3", "4"]
    assert len(read(tmp_path, "a.csv", text, "classification", "de")) == 3
    with pytest.raises(DataError, match=r"a\.csv: holds no examples for language 'sw'"):
        read(tmp_path, "a.csv", text, "classification", "sw", language="lang")


def test_choices_in_a_list_and_in_columns(tmp_path: Path) -> None:
    text = lines({"question": "Q?", "choices": ["u", "v", "w"], "label": 2})
    found = read(tmp_path, "a.jsonl", text, "multiple_choice", count_from=0)
    assert found == [ChoiceExample("1", "", "Q?", ("u", "v", "w"), 2)]
    text = "context,a,b,key\nC,u,v,B\n"
    found = read(tmp_path, "a.csv", text, "multiple_choice", choices=["a", "b"], label="key", labels=("A", "B"))
    assert found == [ChoiceExample("2", "C", "", ("u", "v"), 1)]


@pytest.mark.parametrize(
    "gold",
    [
        {"answers": [{"text": "Łódź", "start": 16}]},
        {"answers": [{"text": "Łódź", "answer_start": 16}]},
        {"answers": {"text": ["Łódź"], "answer_start": [16]}},
        {"answer": "Łódź", "answer_start": 16},
    ],
)
def test_answers_in_every_form(tmp_path: Path, gold: dict[str, Any]) -> None:
    text = lines({"question": "Where?", "context": PASSAGE, **gold})
    assert read(tmp_path, "a.jsonl", text, "span_qa") == [SpanExample("1", "Where?", PASSAGE, (Answer("Łódź", 16),))]


def test_answers_in_columns_and_none(tmp_path: Path) -> None:
    text = f"question,passage,answer,answer_start\nWhat?,{PASSAGE},trams,27\nWhy?,{PASSAGE},,\n"
    one, two = read(tmp_path, "a.csv", text, "span_qa", no_answer=True)
    assert isinstance(one, SpanExample)
    assert isinstance(two, SpanExample)
    assert (one.answers, two.answers) == ((Answer("trams", 27),), ())
    named = text.replace("answer,answer_start", "a,at")
    assert read(tmp_path, "b.csv", named, "span_qa", no_answer=True, answer="a", answer_start="at") == [one, two]


@pytest.mark.parametrize(
    ("name", "text", "columns"),
    [
        ("a.tsv", "Jo\tB-PER\nin New York\tO\n \n\nLa\tO\n", {}),
        ("a.conll", "-DOCSTART- -X- O\n\nJo  NNP B-PER\nin NN O\n\n\nLa NN O", {"words": 1, "tags": 3}),
        ("a.conllu.gz", "# text = Jo in\n1-2\tJoin\t_\n1\tJo\tB-PER\n2\tin\tO\n\n1\tLa\tO\n", {"words": 2, "tags": 3}),
        (
            "a.jsonl",
            lines({"tokens": ["Jo", "in"], "t": ["B-PER", "O"]}, {"tokens": ["La"], "t": ["O"]}),
            {"tags": "t"},
        ),
    ],
)
def test_words_and_tags(tmp_path: Path, name: str, text: str, columns: dict[str, Any]) -> None:
    one, two = read(tmp_path, name, text, "tagging", **columns)
    assert isinstance(one, TaggedExample)
    assert (one.words[0], one.tags) == ("Jo", ("B-PER", "O"))
    assert two == TaggedExample("2", ("La",), ("O",))


def test_parallel_and_raw_text(tmp_path: Path) -> None:
    pair = [ParallelExample("2", "Hallo", "Hello")]
    assert read(tmp_path, "a.tsv", "source\ttarget\nHallo\tHello\n", "retrieval") == pair
    assert read(tmp_path, "a.tsv", "de\ten\nHallo\tHello\n", "contrastive", source="de", target="en") == pair
    plain = [PlainText("1", "one"), PlainText("3", "two, three")]
    assert read(tmp_path, "a.txt", "one\n\ntwo, three\n", "masked_lm") == plain
    assert read(tmp_path, "a.csv", 'text\n"two, three"\n" "\n', "masked_lm") == [PlainText("2", "two, three")]


TABLE = "text,label\n"
SPAN = {"question": "q", "passage": PASSAGE}
FAULTS: dict[str, tuple[str, str, str, dict[str, Any], str]] = {
    "a missing column": ("a.csv", "body,quue\nx,y\n", "classification", {"text": "body", "label": "queue"},
        "a.csv:1: no column 'queue' for label; columns here: body, quue; did you mean 'quue'?"),
    "a missing column without a near one": ("a.jsonl", lines({"body": "x", "label": "y"}), "classification", {},
        "a.jsonl:1: no column 'text' for text; columns here: body, label; say `columns: {text: ...}`"),
    "a named column is needed": ("a.csv", TABLE + "x,y\n", "classification", {"pair": "pair"},
        "a.csv:1: no column 'pair' for pair"),
    "a column that stops": ("a.jsonl", lines({"text": "x", "label": "y", "pair": "z"}, {"text": "x", "label": "y"}),
        "classification", {}, "a.jsonl:2: 'pair' (pair) is in some rows and not in others"),
    "a column that begins late": ("a.jsonl",
        lines({"text": "x", "label": "y"}, {"text": "x", "label": "y", "pair": "z"}), "classification", {},
        "a.jsonl:2: 'pair' (pair) is in some rows and not in others"),
    "a column twice": ("a.tsv", "text\ttext\n", "classification", {}, "a.tsv:1: column 'text' occurs twice"),
    "a short row": ("a.csv", TABLE + "x,y\n\nx\n", "classification", {},
        "a.csv:4: expected 2 columns as in the header"),
    "a column that looks like the right one": ("a.csv", "text,label\u00a0\nx,y\n", "classification", {},
        "a.csv:1: no column 'label' for label; columns here: text, label\u00a0; did you mean 'label\\xa0'?"),
    "one column": ("a.csv", "text\nx,y\n", "masked_lm", {"text": "text"},
        "a.csv:2: expected 1 column as in the header, found 2"),
    "no table": ("a.txt", TABLE, "classification", {},
        "a.txt: columns are read from .jsonl, .json, .csv, .tsv and .parquet files; if its first line is a header"),
    "columns of plain text": ("a.txt", "x\n", "masked_lm", {"text": "body"}, "a.txt: columns are read from"),
    "an unknown label": ("a.csv", TABLE + "a,x\nb,z\n", "classification", {"labels": ("x", "y")},
        "a.csv:3: unknown label 'z'; labels are x, y"),
    "no label": ("a.csv", TABLE + "a,\n", "classification", {}, "a.csv:2: 'label' is empty: leave out rows"),
    "a label of no kind": ("a.jsonl", lines({"text": "a", "label": 0.5}), "classification", {},
        "a.jsonl:1: 'label' should be a name"),
    "a text that is none": ("a.jsonl", lines({"text": None, "label": 0}), "classification", {},
        "a.jsonl:1: 'text' should be text, found None"),
    "an id twice": ("a.csv", "id,text,label\n1,a,x\n1,b,x\n", "classification", {},
        "a.csv:3: id '1' occurs twice (first in line 2)"),
    "a choice too far": ("a.jsonl", lines({"context": "c", "choices": ["a", "b"], "label": 2}), "multiple_choice", {},
        "a.jsonl:1: label should be a number from 0 to 1, found"),
    "a named choice too far": ("a.jsonl", lines({"context": "c", "choices": ["a", "b"], "label": "C"}),
        "multiple_choice", {"labels": ("A", "B", "C")}, "a.jsonl:1: unknown label 'C'; labels are A, B"),
    "choices in one column": ("a.csv", "context,choices,label\nc,u,0\n", "multiple_choice", {},
        "a.csv:2: 'choices' should be a list of texts, found 'u'"),
    "an empty choice": ("a.csv", "context,a,b,label\nc,u,,0\n", "multiple_choice", {"choices": ["a", "b"]},
        "a.csv:2: choices should be two or more texts"),
    "a choice column missing": ("a.csv", "context,one,two,label\nc,u,v,0\n", "multiple_choice",
        {"choices": ["one", "twoo"]},
        "a.csv:1: no column 'twoo' for choices; columns here: context, one, two, label; did you mean 'two'?"),
    "nothing to choose by": ("a.jsonl", lines({"choices": ["a", "b"], "label": 0}), "multiple_choice", {},
        "a.jsonl:1: the row has neither context nor"),
    "an answer elsewhere": ("a.jsonl", lines({**SPAN, "answers": [{"text": "trams", "start": 28}]}), "span_qa", {},
        "a.jsonl:1: answer 'trams' is not at 28 of the passage; it is at 27"),
    "an answer nowhere": ("a.jsonl", lines({**SPAN, "answers": [{"text": "Tram", "start": -1}]}), "span_qa", {},
        "a.jsonl:1: answer 'Tram' is not at -1 of the passage; the passage does not have it"),
    "an answer without start": ("a.jsonl", lines({**SPAN, "answers": [{"text": "trams"}]}), "span_qa", {},
        "a.jsonl:1: an answer is text and a st"),
    "answers of no kind": ("a.jsonl", lines({**SPAN, "answers": "trams"}), "span_qa", {},
        "a.jsonl:1: answers should be a list of {text"),
    "no answers": ("a.jsonl", lines(SPAN), "span_qa", {},
        "a.jsonl:1: no column 'answers' or 'answer' or 'answer_start'"),
    "a question without answer": ("a.jsonl", lines({**SPAN, "answers": []}), "span_qa", {},
        "a.jsonl:1: a question without answer; `metric: squad"),
    "another number of columns": ("a.bio", "a O\nb c O\n", "tagging", {},
        "a.bio:2: expected 2 columns, found 3, separated by"),
    "a column behind the last": ("a.bio", "a O\n", "tagging", {"tags": 4},
        "a.bio:1: expected 4 columns, found 2, separated by blanks"),
    "tags in a table": ("a.csv", "words,tags\nA dog,O O\n", "tagging", {},
        "a.csv: tagging reads JSON, Parquet or tagged words (one per line), not CSV"),
    "an unknown tag": ("a.bio", "a O\n\nb X\n", "tagging", {"labels": ("O", "Y")}, "a.bio:3: unknown label 'X'"),
    "a header of tagged words": ("a.tsv", "Token\tpos\nJo\tNOUN\n", "tagging", {},
        "a.tsv:1: the first line is a header (Token, pos): remove it"),
    "a label that looks like another": ("a.csv", TABLE + "a,y\u0435s\n", "classification", {"labels": ("yes", "no")},
        r"a.csv:2: unknown label 'y\u0435s', which looks like 'yes' but is another text; labels are yes, no"),
    "no answer with a place": ("a.csv", f"question,passage,answer,answer_start\nq,{PASSAGE},,3\n", "span_qa",
        {"no_answer": True}, "a.csv:2: the answer is empty, but it starts at 3: leave both empty if there is no"),
    "no answer with a place that pandas wrote": ("a.csv", f"question,passage,answer,answer_start\nq,{PASSAGE},,3.0\n",
        "span_qa", {"no_answer": True}, "a.csv:2: the answer is empty, but it starts at 3.0: leave both empty"),
    "a pointer of Git LFS": ("a.txt", "version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "masked_lm", {},
        "a.txt: is a pointer of Git LFS, not the file itself: run `git lfs pull`"),
    "an empty word": ("a.bio", "a\tO\n\tO\n", "tagging", {}, "a.bio:2: an empty word or tag"),
    "names for numbers": ("a.bio", "a O\n", "tagging", {"tags": "ner"},
        "a.bio: columns of words and tags have numbers"),
    "numbers for names": ("a.jsonl", lines({"words": ["a"], "tags": ["O"]}), "tagging", {"tags": 2},
        "a.jsonl:1: no column 2 for tags"),
    "a language of lines": ("a.bio", "a O\n", "tagging", {"language": "l"},
        "a.bio: lines of words and tags have no column for language"),
    "a tag too few": ("a.jsonl", lines({"words": ["a", "b"], "tags": ["O"]}), "tagging", {},
        "a.jsonl:1: expected a tag for every word"),
    "an unknown tag in a list": ("a.jsonl", lines({"words": ["a"], "tags": ["X"]}), "tagging", {"labels": ("O", "Y")},
        "a.jsonl:1: unknown label 'X'"),
    "an empty sentence": ("a.tsv", "source\ttarget\n \tb\n", "retrieval", {}, "a.tsv:2: an empty sentence"),
    "half a character": ("a.jsonl", lines({"text": "a", "label": "x"}).replace('"a"', r'"\ud800"'), "classification",
        {}, "a.jsonl:1: 'text' holds '\\ud800', which is not text"),
    "UTF-16": ("a.bio", "a\0 \0O\0", "tagging", {}, "a.bio:1: holds a NUL byte"),
    "nothing": ("a.csv", "", "classification", {}, "a.csv: holds no examples"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_is_one_line_with_its_place(tmp_path: Path, fault: str) -> None:
    name, text, kind, more, message = FAULTS[fault]
    with pytest.raises(DataError) as raised:
        read(tmp_path, name, text, kind, **more)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_labels_are_found_and_sorted(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(TABLE + "x,b\ny,a\nz,b\n")
    (tmp_path / "b.csv").write_text(TABLE + "x,c\n")
    reader = column_reader("classification", {}, labels=("other",))
    assert labels_in(reader, [tmp_path / "a.csv", tmp_path / "b.csv"], "en") == ("a", "b", "c")
    (tmp_path / "a.bio").write_text("x O\ny B-X\n")
    assert labels_in(column_reader("tagging", {}), [tmp_path / "a.bio"], "en") == ("B-X", "O")
    with pytest.raises(DataError, match="only one label, 'c'"):
        labels_in(reader, [tmp_path / "b.csv"], "en")
    (tmp_path / "a.csv").write_text(TABLE + "".join(f"x,{number}\n" for number in range(500)))
    with pytest.raises(DataError, match=r"a\.csv: more than 200 different labels"):
        labels_in(reader, [tmp_path / "a.csv"], "en")
