"""Packed files: told by their first bytes, read in every form, and every damage in one line with the file's name."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import lzma
import zipfile
from pathlib import Path

import pyarrow as pa
import pytest

from xstilts.core import decoding
from xstilts.core.errors import DataError
from xstilts.core.files import kind_of, read_bytes, read_lines, stream_lines
from xstilts.data.examples import TextExample
from xstilts.data.locate import languages_there, locate
from xstilts.data.readers.columns import column_reader
from xstilts.data.readers.dialects import dialect_of

TEXT = "text,label\nGrüße,x\nb,y\n"


def zipped(**files: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name.replace("__", "."), text)
    return stream.getvalue()


def pack(suffix: str, text: str) -> bytes:
    raw = text.encode()
    if suffix == "zst":
        return pa.compress(raw, codec="zstd", asbytes=True)
    return {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress, "zip": lambda _: zipped(a__csv=text)}[
        suffix
    ](raw)


@pytest.mark.parametrize("suffix", decoding.SUFFIXES)
def test_every_packing_is_read_and_found(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"t-de.csv.{suffix}"
    path.write_bytes(pack(suffix, TEXT))
    assert kind_of(path) == "csv"
    assert read_lines(path) == TEXT.splitlines()
    assert list(stream_lines(path)) == TEXT.splitlines(keepends=True)
    assert languages_there(tmp_path, ["t-{language}.csv"], ["de", "en"]) == ["de"]
    for pattern in ("t-{language}.csv", "t-*.csv", "*-{language}.csv", f"t-*.csv.{suffix}"):
        assert locate(tmp_path, [pattern], "de", "t") == [path]
    (tmp_path / "t-de.csv").write_text(TEXT)
    assert locate(tmp_path, ["t-*.csv"], "de", "t") == [tmp_path / "t-de.csv"]
    one, two = column_reader("classification", {})(path, "de")
    assert (one, two) == (TextExample("2", "Grüße", None, "x"), TextExample("3", "b", None, "y"))
    assert dialect_of(path) == ""


@pytest.mark.parametrize("suffix", decoding.SUFFIXES)
def test_the_first_bytes_say_how_a_file_is_packed_whatever_its_name(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(pack(suffix, TEXT))
    assert [example.id for example in column_reader("classification", {})(path, "de")] == ["2", "3"]
    assert dialect_of(path) == suffix
    other = tmp_path / f"b.csv.{'xz' if suffix == 'gz' else 'gz'}"
    other.write_bytes(pack(suffix, TEXT))
    assert read_lines(other) == TEXT.splitlines()
    plain = tmp_path / f"c.csv.{suffix}"
    plain.write_text(TEXT)
    with pytest.raises(DataError, match=rf"c\.csv\.{suffix}: cannot be read \(its name ends in \.{suffix}, but"):
        read_bytes(plain)


@pytest.mark.parametrize("suffix", decoding.SUFFIXES)
def test_what_is_cut_off_or_damaged_is_refused_in_one_line(tmp_path: Path, suffix: str) -> None:
    whole = pack(suffix, "".join(f"row {number} {number * 7919 % 1009}\n" for number in range(2000)))
    path = tmp_path / f"a.csv.{suffix}"
    for length in (len(whole) - 5, len(whole) // 2, 20):
        path.write_bytes(whole[:length])
        for read in (read_bytes, lambda file: list(stream_lines(file))):
            with pytest.raises(DataError) as caught:
                read(path)
            assert str(caught.value).startswith(f"{path}: cannot be read (")
            assert "\n" not in str(caught.value)
    for place in range(0, len(whole), 97):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1 :])
        with contextlib.suppress(DataError):
            read_bytes(path)


def test_archives_of_other_than_one_file_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(zipped(a__csv=TEXT, b__csv=TEXT))
    with pytest.raises(DataError, match=r"a\.zip: is a zip archive of 2 files \('a\.csv, b\.csv'\); expected one"):
        read_bytes(path)
    path.write_bytes(zipped())
    with pytest.raises(DataError, match=r"a\.zip: is a zip archive of no file"):
        read_bytes(path)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.mkdir("in")
        archive.writestr("in/data.CSV", TEXT)
        archive.writestr("__MACOSX/in/._data.CSV", b"\0")
        archive.writestr("in/.DS_Store", b"\0")
    path.write_bytes(stream.getvalue())
    assert (kind_of(path), read_lines(path)) == ("csv", TEXT.splitlines())
    assert len(list(column_reader("classification", {})(path, "de"))) == 2
    raw = bytearray(zipped(a__csv=TEXT))
    raw[6] |= 1
    raw[raw.index(b"PK\1\2") + 8] |= 1
    path.write_bytes(raw)
    with pytest.raises(DataError, match=r"a\.zip: is an encrypted zip archive: unpack it first"):
        read_bytes(path)
    path.write_bytes(zipped(**{"xl/workbook__xml": "", "xl/styles__xml": ""}))
    with pytest.raises(DataError, match=r"a\.zip: is an Excel workbook: save the sheet as 'CSV UTF-8'"):
        read_bytes(path)


@pytest.mark.parametrize("suffix", decoding.SUFFIXES)
def test_a_bomb_is_refused(tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "MOST", 1 << 20)
    path = tmp_path / f"a.txt.{suffix}"
    path.write_bytes(pack(suffix, "a" * (8 << 20)))
    for read in (read_bytes, lambda file: list(stream_lines(file))):
        with pytest.raises(DataError, match=r"unpacks to more than \d+ MiB, over 200 times its packed size: not read"):
            read(path)


def test_large_files_that_are_packed_as_text_is_are_no_bombs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "MOST", 1 << 10)
    path = tmp_path / "a.txt.xz"
    path.write_bytes(pack("xz", "".join(f"{number * 7919 % 10007} words\n" for number in range(5000))))
    assert len(read_lines(path)) == 5000


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"PAR1" + bytes(200) + b"\xff" * 9, "it is a Parquet file"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "it is an old Excel or Word file: save it as CSV in UTF-8"),
        (gzip.compress(gzip.compress(b"a\tO\n", mtime=0), mtime=0), "it is packed twice: unpack it once"),
        (b"a.csv".ljust(257, b"\0") + b"ustar" + b"\xff" * 99, "it is a tar archive: unpack it"),
        (b"\x80\x04\x95" + bytes(8) + b"\x8c", "it is a Python pickle"),
        (b"\xff\xfe\0\0h\0\0\0", "it is UTF-32; save it as UTF-8, e.g. `iconv -f UTF-32 -t UTF-8`"),
        ("Grüße\nProst\n".encode("cp1252"), "looks like Windows-1252"),
        ("Žižkov, Příbram\n".encode("cp1250"), "looks like Windows-1252 (or 1250, 1254 ... by language)"),
        ("Привет, мир! Это проверка.\n".encode("cp1251"), "find out its encoding and save it as UTF-8"),
        ("日本語の文章です\n".encode("shift-jis"), "find out its encoding"),
        ("Grüße, żółć, ελληνικά\n".encode() + b"\xe9\n", "the text around it is UTF-8"),
    ],
)  # fmt: skip
def test_what_is_not_utf8_is_named(tmp_path: Path, raw: bytes, message: str) -> None:
    path = tmp_path / "a.conll"
    path.write_bytes(raw)
    with pytest.raises(DataError) as caught:
        list(column_reader("tagging", {})(path, "en"))
    assert message in str(caught.value)
    assert "not UTF-8 (byte 0x" in str(caught.value)
    with pytest.raises(DataError, match="not UTF-8"):
        list(stream_lines(path))
