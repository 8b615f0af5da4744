"""Finding files by pattern and language, and what is said when there are none."""

from __future__ import annotations

from pathlib import Path

import pytest

from xstilts.core.errors import DataError, UnknownName
from xstilts.data.locate import languages_there, locate, strangers


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("x\n")


def found(root: Path, patterns: list[str], code: str) -> list[str]:
    return [path.relative_to(root).as_posix() for path in locate(root, patterns, code, "x")]


def test_the_first_pattern_that_matches_wins_and_its_files_are_sorted(tmp_path: Path) -> None:
    touch(tmp_path, "b/de-2.tsv", "b/de-1.tsv.gz", "c/de.tsv")
    assert found(tmp_path, ["a/{language}.tsv", "b/{language}-*.tsv", "c/{language}.tsv"], "de") == [
        "b/de-1.tsv.gz",
        "b/de-2.tsv",
    ]


@pytest.mark.parametrize(
    ("pattern", "code", "name"),
    [
        ("t/{iso3}.txt", "zh", "t/cmn.txt"),
        ("t/{tatoeba}-eng.{tatoeba}", "sw", "t/swh-eng.swh"),
        ("s/{flores}/dev.tsv", "mn", "s/khk_Cyrl/dev.tsv.gz"),
        ("n/ref.{ntrex}.txt", "tg", "n/ref.tgk-Cyrl.txt"),
        ("n/ref.{ntrex}.txt", "zh-Hant", "n/ref.zho-TW.txt"),
        ("c/{common_voice}/*.txt", "sv", "c/sv-SE/a.txt"),
        ("m/{language}-{language}.json", "de", "m/de-de.json"),
    ],
)
def test_fields_take_the_form_of_the_data_set(pattern: str, code: str, name: str, tmp_path: Path) -> None:
    touch(tmp_path, name)
    assert found(tmp_path, [pattern], code) == [name]
    assert languages_there(tmp_path, [pattern], ["en", code]) == [code]


def test_a_plain_file_is_preferred_to_its_packed_twin(tmp_path: Path) -> None:
    touch(tmp_path, "a/de.txt", "a/de.txt.gz")
    assert found(tmp_path, ["a/{language}.txt"], "de") == ["a/de.txt"]
    assert found(tmp_path, ["a/*.txt"], "de") == ["a/de.txt"]


def test_hidden_files_and_folders_called_like_files_are_not_data(tmp_path: Path) -> None:
    touch(tmp_path, "a/.b.txt", "a/c.txt/inner")
    with pytest.raises(DataError):
        locate(tmp_path, ["a/*.txt"], "de", "x")


def test_a_field_that_occurs_twice_has_one_value(tmp_path: Path) -> None:
    touch(tmp_path, "m/de-hi.json")
    assert languages_there(tmp_path, ["m/{language}-{language}.json"], ["de", "hi"]) == []


def test_a_second_script_does_not_take_the_files_of_the_first(tmp_path: Path) -> None:
    touch(tmp_path, "t/zho.txt")
    assert languages_there(tmp_path, ["t/{iso3}.txt"], ["zh", "zh-Hant"]) == ["zh"]


def test_a_pattern_without_a_field_serves_every_language(tmp_path: Path) -> None:
    touch(tmp_path, "xnli.test.tsv")
    assert languages_there(tmp_path, ["a/{language}", "xnli.test.tsv"], ["de", "fr"]) == ["de", "fr"]
    assert found(tmp_path, ["xnli.test.tsv"], "fr") == ["xnli.test.tsv"]


def test_the_message_names_what_was_looked_for_and_which_languages_are_there(tmp_path: Path) -> None:
    touch(tmp_path, "xnli/dev-de.tsv", "xnli/dev-fr.tsv")
    with pytest.raises(DataError) as caught:
        locate(tmp_path, ["XNLI-1.0/xnli.dev.tsv", "xnli/dev-{language}.tsv"], "th", "xnli (validation, th)")
    assert str(caught.value) == (
        f"{tmp_path}: xnli (validation, th): no file XNLI-1.0/xnli.dev.tsv, xnli/dev-th.tsv (packed or not); "
        "files for de, fr are there"
    )


def test_the_message_names_the_nearest_folder_when_no_language_is_there(tmp_path: Path) -> None:
    touch(tmp_path, "xnli/README", "snli/a")
    with pytest.raises(DataError, match=r"'xnli' holds README$"):
        locate(tmp_path, ["xnli/dev-{language}.tsv"], "th", "xnli")
    with pytest.raises(DataError, match=r"the data folder holds snli, xnli$"):
        locate(tmp_path, ["mnli/dev.tsv"], "en", "mnli")


def test_a_missing_data_folder_and_an_unknown_language_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the data folder does not exist"):
        locate(tmp_path / "none", ["a"], "de", "x")
    with pytest.raises(UnknownName, match="unknown language 'deutsch'"):
        locate(tmp_path, ["a"], "deutsch", "x")


@pytest.mark.parametrize("name", ["a/{language}.txt.gz", "a/{language}.*.gz", "a/{language}.*.gz + b/*.gz"])
def test_a_pattern_may_end_in_gz_and_finds_packed_files_alone(name: str, tmp_path: Path) -> None:
    touch(tmp_path, "a/de.txt", "a/de.txt.gz", "a/fr.txt", "b/x.txt.gz", "b/y.txt")
    assert languages_there(tmp_path, [name], ["en", "de", "fr"]) == ["de"]
    assert found(tmp_path, [name], "de") == ["a/de.txt.gz", *(["b/x.txt.gz"] if "+" in name else [])]


def test_a_language_that_the_table_lacks_is_found_by_its_code_where_it_is_asked_for(tmp_path: Path) -> None:
    touch(tmp_path, "a/chr.txt", "a/chr-Latn.txt.gz", "a/de.txt", "a/read_me.txt")
    asked = ["de", "chr", "chr-Latn"]
    assert languages_there(tmp_path, ["a/{language}.txt"], asked) == asked
    assert found(tmp_path, ["a/{language}.txt"], "chr-Latn") == ["a/chr-Latn.txt.gz"]
    with pytest.raises(UnknownName, match="unknown language 'deu': did you mean de"):
        locate(tmp_path, ["a/{language}.txt"], "deu", "x")


def test_files_in_languages_that_the_table_lacks_or_calls_otherwise_are_named(tmp_path: Path) -> None:
    touch(tmp_path, "a/chr.txt", "a/swa.txt", "a/de.txt", "a/read_me.txt", "b/swa.txt")
    assert strangers(tmp_path, ["a/{language}.txt", "c/{language}.txt", "a/de.txt"]) == {"chr": "chr", "swa": "sw"}
    assert strangers(tmp_path, ["b/{iso3}.txt"]) == {}
