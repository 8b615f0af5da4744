"""Lines of words and tags: CoNLL-U is told by what is in it, and what only looks like it is left alone."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from xstilts.core.errors import DataError
from xstilts.data.examples import TaggedExample
from xstilts.data.readers.columns import column_reader, labels_in
from xstilts.data.readers.tagging import is_conllu, treebank, udpos
from xstilts.data.readers.text import conllu_text


def row(number: str, form: str, tag: str) -> str:
    return "\t".join([number, form, form, tag, *"______"]) + "\n"


SEA = row("1", "vamos", "VERB") + row("2-3", "al", "_") + row("2", "a", "ADP") + row("3", "el", "DET")
SEA += row("4", "mar", "NOUN") + row("4.1", "voy", "VERB")
TEXT = f"# sent_id = 1\n# text = vamos\tal mar\n#tight\tcomment\n{SEA}\n# newpar\n{row('1', '#', 'SYM')}"
WORDS = [("vamos", "a", "el", "mar"), ("#",)]
TAGS = [("VERB", "ADP", "DET", "NOUN"), ("SYM",)]


def read(path: Path, text: str, words: int = 2, tags: int = 4) -> tuple[list[tuple[str, ...]], list[tuple[str, ...]]]:
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    found = list(column_reader("tagging", {"words": words, "tags": tags})(path, "en"))
    assert all(isinstance(one, TaggedExample) for one in found)
    return [one.words for one in found], [one.tags for one in found]  # type: ignore[union-attr]


@pytest.mark.parametrize("name", ["g.conllu", "g.conll", "g.txt", "g.tsv", "g.conllu.gz", "g.iob2", "g"])
@pytest.mark.parametrize("end", ["\n", "", "\n\n\n"])
def test_ranges_and_empty_nodes_are_no_words_whatever_the_file_is_called(tmp_path: Path, name: str, end: str) -> None:
    assert read(tmp_path / name, TEXT.rstrip("\n") + end) == (WORDS, TAGS)
    assert is_conllu(tmp_path / name)


def test_comments_with_tabs_are_comments(tmp_path: Path) -> None:
    plain = "# text = a\tb c d\nJo\tNNP\tB-PER\nin\tIN\tO\n\n# id = 2\nLa\tX\tO\n"
    assert read(tmp_path / "a.tsv", plain, 1, 3) == ([("Jo", "in"), ("La",)], [("B-PER", "O"), ("O",)])
    hashes = "#\tSYM\n1\tNUM\n\n#love\tX\n"
    assert read(tmp_path / "a.tsv", hashes, 1, 2) == ([("#", "1"), ("#love",)], [("SYM", "NUM"), ("X",)])
    blanks = "# text = a b\nJo B-PER\n# O\n"
    assert read(tmp_path / "a.bio", blanks, 1, 2) == ([("Jo", "#")], [("B-PER", "O")])


def test_columns_at_blanks_and_fewer_columns_have_ranges_too(tmp_path: Path) -> None:
    assert (
        read(tmp_path / "a.conll", TEXT.replace("text = vamos\tal", "text = vamos al").replace("\t", " "))[0] == WORDS
    )
    few = "1-2 Join _\n1 Jo B-PER\n2 in O\n2.1 x O\n\n1 La O\n"
    assert read(tmp_path / "a.bio", few, 2, 3) == ([("Jo", "in"), ("La",)], [("B-PER", "O"), ("O",)])


@pytest.mark.parametrize(
    ("first", "words"),
    [
        (["Jo", "2-3", "4.1", "won"], 1),  # scores are words
        (["1", "2", "3", "4"], 2),  # numbered without ranges
        (["7", "8", "9", "10"], 2),  # numbered through the file
        (["0.5", "1.5", "2.5", "3"], 2),  # times
        (["doc", "doc", "2-3", "doc"], 2),
        (["1", "day", "2-3", "times"], 1),
    ],
)
def test_ten_columns_that_are_not_conllu_keep_every_row(tmp_path: Path, first: list[str], words: int) -> None:
    text = "".join(row(one, form, "O") for one, form in zip(first, "abcd", strict=True))
    expected = tuple(first) if words == 1 else tuple("abcd")
    assert read(tmp_path / "a.txt", text, words)[0] == [expected]


def test_sentences_without_text_are_left_out_of_conllu(tmp_path: Path) -> None:
    hidden = row("1", "_", "NOUN") + row("2", "_", "VERB")
    assert read(tmp_path / "a.txt", f"{hidden}\n{SEA}") == (WORDS[:1], TAGS[:1])
    assert read(tmp_path / "b.txt", "_ NOUN\n_ VERB\n", 1, 2)[0] == [("_", "_")]


@pytest.mark.parametrize(
    ("text", "columns", "message"),
    [
        (SEA, (1, 2), r"a\.conll:1: column 1 numbers the words, as in CoNLL-U: .*`columns: \{words: 2, tags: 4\}`"),
        (SEA.replace("4\tmar", "5\tmar"), (2, 4), r"a\.conll:5: expected word 4, found .5."),
        (SEA.replace("4\tmar", "x\tmar"), (2, 4), r"a\.conll:5: expected word 4, found .x."),
        (SEA.replace("mar\tmar\t", "mar\t"), (2, 4), r"a\.conll:5: expected 10 columns, found 9"),
    ],
)
def test_damaged_conllu_is_named_with_its_line(
    tmp_path: Path, text: str, columns: tuple[int, int], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read(tmp_path / "a.conll", text, *columns)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (SEA + SEA, 7),
        (f"{SEA}\n{SEA}# sent_id = 3\n{SEA}", 15),
        (SEA + row("1-2", "al", "_") + SEA, 7),
        ("1\tJo\t_\tB-PER\n2\tin\t_\tO\n1\tLa\t_\tO\n1\tLe\t_\tO\n", 3),
    ],
)
def test_numbers_that_begin_again_within_a_sentence_are_refused(tmp_path: Path, text: str, line: int) -> None:
    again = rf"a\.txt:{line}: the words are numbered from 1 again: put an empty line after each sentence"
    with pytest.raises(DataError, match=again):
        read(tmp_path / "a.txt", text)
    if text.startswith(SEA):
        with pytest.raises(DataError, match=again):
            list(udpos(tmp_path / "a.txt", "es"))


def test_a_file_without_empty_lines_is_refused(tmp_path: Path) -> None:
    assert len(read(tmp_path / "a.tsv", "\nJo\tO\n" * 1001, 1, 2)[0]) == 1001
    with pytest.raises(DataError, match=r"a\.tsv:1: a sentence of 1,001 words: put an empty line after each sentence"):
        read(tmp_path / "a.tsv", "Jo\tO\n" * 1001, 1, 2)
    (tmp_path / "b.conllu").write_text(f"# text = a\n{SEA}# text = b\n{SEA}")
    with pytest.raises(DataError, match=r"b\.conllu:8: a second '# text =' in a sentence: put an empty line"):
        list(conllu_text(tmp_path / "b.conllu", "es"))


def test_an_underscore_is_no_class(tmp_path: Path) -> None:
    text = SEA + "\n" + row("1", "xyz", "_") + "\n" + row("1", "otro", "NOUN")
    (tmp_path / "a.conll").write_text(text)
    with pytest.raises(DataError, match=r"a\.conll:8: label '_' \(1\) looks like a marker of missing gold"):
        labels_in(column_reader("tagging", {"words": 2, "tags": 4}), [tmp_path / "a.conll"], "en")
    (tmp_path / "a.conll").write_text(SEA)
    assert "_" not in labels_in(column_reader("tagging", {"words": 2, "tags": 4}), [tmp_path / "a.conll"], "en")


@pytest.mark.parametrize("name", ["a.conll", "a.tsv"])
def test_the_reader_of_parts_of_speech_takes_treebanks_by_any_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(TEXT)
    assert [one.tags for one in udpos(tmp_path / name, "es")] == TAGS  # type: ignore[union-attr]


def test_treebanks_are_read_as_the_official_reader_does(data_dir: Path) -> None:
    released = sorted((data_dir / "ud").rglob("*-test.conllu.gz"), key=lambda path: path.stat().st_size)[:4]
    if not released:
        pytest.skip("no treebanks here")
    own = column_reader("tagging", {"words": 2, "tags": 4})
    for path in released:
        official = [(one.words, one.tags) for one in treebank(path, "en")]  # type: ignore[union-attr]
        assert [(one.words, one.tags) for one in own(path, "en")] == official  # type: ignore[union-attr]
