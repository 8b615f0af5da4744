"""Finding files by pattern and language, and what is said when there are none."""

from __future__ import annotations

from pathlib import Path

import pytest

from xstilts.core.errors import DataError, UnknownName
from xstilts.data.locate import check_pattern, climbs, languages_there, locate, strangers
from xstilts.tasks import TASKS


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
        f"{tmp_path}: xnli (validation, th): no file XNLI-1.0/xnli.dev.tsv, xnli/dev-th.tsv (compressed or not); "
        "there are files for de, fr"
    )


def test_the_message_names_the_nearest_folder_when_no_language_is_there(tmp_path: Path) -> None:
    touch(tmp_path, "xnli/README", "snli/a")
    with pytest.raises(DataError, match=r"'xnli' holds README$"):
        locate(tmp_path, ["xnli/dev-{language}.tsv"], "th", "xnli")
    with pytest.raises(DataError, match=r"the data folder holds snli, xnli$"):
        locate(tmp_path, ["mnli/dev.tsv"], "en", "mnli")


def test_names_that_look_alike_are_shown_so_that_they_can_be_told_apart(tmp_path: Path) -> None:
    touch(tmp_path, "gro\u0308\u00dfe.csv")
    (tmp_path / "rest.csv").symlink_to("nowhere")
    holds = r"holds 'gro\\u0308\\xdfe.csv', which is not 'gr\\xf6\\xdfe.csv', rest.csv \(a link to a missing file\)"
    with pytest.raises(DataError, match=holds):
        locate(tmp_path, ["gr\u00f6\u00dfe.csv"], "en", "mine")


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
    assert found(tmp_path, ["a/{language}.txt"], "deu") == ["a/de.txt"]


@pytest.mark.parametrize(
    ("name", "code"),
    [
        *(("zh_TW", "zh-Hant"), ("zh-HK", "zh-Hant"), ("zh-Hant-TW", "zh-Hant"), ("zho_Hans", "zh"), ("cmn", "zh")),
        *(("pt_BR", "pt"), ("es-419", "es"), ("iw", "he"), ("no", "nb"), ("ger", "de"), ("DEU", "de"), ("fil", "tl")),
        *(("chr_Latn", "chr-Latn"), ("x-elf", "x-elf")),
    ],
)
def test_a_file_may_spell_its_language_otherwise(name: str, code: str, tmp_path: Path) -> None:
    """They were listed as files that are not read."""
    touch(tmp_path, f"a/t-{name}.csv", f"b/t-{name}-1.csv", f"b/t-{name}-2.csv.gz", "a/t-en.csv")
    for pattern in ("a/t-{language}.csv", "b/t-{language}-*.csv"):
        others = [other for other in ("zh", "zh-Hant") if other != code]
        assert languages_there(tmp_path, [pattern], [*others, code]) == [code]
    assert found(tmp_path, ["a/t-{language}.csv"], code) == [f"a/t-{name}.csv"]
    assert found(tmp_path, ["b/t-{language}-*.csv"], code) == [f"b/t-{name}-1.csv", f"b/t-{name}-2.csv.gz"]
    assert strangers(tmp_path, ["a/t-{language}.csv"]) == ({} if code not in ("chr-Latn", "x-elf") else {name: code})


def test_the_code_itself_wins_and_two_other_spellings_are_refused(tmp_path: Path) -> None:
    touch(tmp_path, "a/pt_BR.csv", "a/pt.csv", "a/es-MX.csv", "a/es_ES.csv")
    assert found(tmp_path, ["a/{language}.csv"], "pt") == ["a/pt.csv"]
    assert strangers(tmp_path, ["a/{language}.csv"]) == {"pt_BR": "pt"}
    with pytest.raises(DataError, match="files for es-MX and es_ES are both in 'es': keep one"):
        locate(tmp_path, ["a/{language}.csv"], "es", "x")


def test_parts_of_a_second_script_are_not_parts_of_the_first(tmp_path: Path) -> None:
    """`zh-*` took `zh-Hant-1` too, and `zh-Hant` had no files."""
    touch(tmp_path, "a/zh-1.csv", "a/zh-Hant-1.csv", "a/zh-part-2.csv", "b/x-zh.csv", "b/x-zh-Hant.csv")
    assert found(tmp_path, ["a/{language}-*.csv"], "zh") == ["a/zh-1.csv", "a/zh-part-2.csv"]
    assert found(tmp_path, ["a/{language}-*.csv"], "zh-Hant") == ["a/zh-Hant-1.csv"]
    assert languages_there(tmp_path, ["b/*-{language}.csv"], ["zh", "zh-Hant"]) == ["zh", "zh-Hant"]
    assert found(tmp_path, ["b/*-{language}.csv"], "zh-Hant") == ["b/x-zh-Hant.csv"]


def test_files_in_languages_that_the_table_lacks_or_calls_otherwise_are_named(tmp_path: Path) -> None:
    touch(tmp_path, "a/chr.txt", "a/swa.txt", "a/de.txt", "a/read_me.txt", "a/jp.txt", "a/sh.txt", "b/swa.txt")
    odd = {"chr": "chr", "jp": "", "sh": ""}
    assert strangers(tmp_path, ["a/{language}.txt", "c/{language}.txt", "a/de.txt"]) == odd
    touch(tmp_path, "a/sw.txt")
    assert strangers(tmp_path, ["a/{language}.txt"]) == {**odd, "swa": "sw"}
    assert strangers(tmp_path, ["b/{iso3}.txt"]) == {}


def test_a_pattern_that_climbs_is_looked_for_beside_the_experiment_file_alone(tmp_path: Path) -> None:
    own, data = tmp_path / "a" / "experiments", tmp_path / "b" / "data"
    touch(tmp_path, "a/mine/en.tsv", "b/secret/en.tsv")
    own.mkdir()
    data.mkdir()
    climbing = ["../mine/{language}.tsv", "x/../../secret/{language}.tsv", "./../secret/en.tsv"]
    assert [climbs(pattern) for pattern in (*climbing, "x/../y.tsv", "/x.tsv", "..x/y.tsv", "a.tsv + ../b.tsv")] == [
        *(True, True, True, False, False, False, True)
    ]
    assert locate((own, data), climbing[:1], "en", "x") == [own / "../mine/en.tsv"]
    for pattern in climbing[1:]:
        assert languages_there((own, data), [pattern], ["en", "de"]) == []
        with pytest.raises(DataError, match=r"x: no file .*secret/en\.tsv") as error:
            locate((own, data), [pattern], "en", "x")
        assert str(data) not in str(error.value)


def test_no_registered_task_leaves_the_data_folder() -> None:
    patterns = [p for task in TASKS for some in (*task.files.values(), *task.gold.values(), task.beside) for p in some]
    assert len(patterns) > 50
    assert [pattern for pattern in patterns if climbs(pattern) or pattern.startswith("/")] == []


def test_a_pattern_of_many_stars_is_refused() -> None:
    check_pattern("uner/UNER_*/{language}_*-*-*.tsv")
    with pytest.raises(ValueError, match=r"'\{language\}\*{5}\.tsv' has more than 4 `\*`"):
        check_pattern("{language}*****.tsv")
