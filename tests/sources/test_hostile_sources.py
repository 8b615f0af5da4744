"""Archives, Parquet files and mirrors made to do harm: one line, nothing written, no password shown."""

from __future__ import annotations

import base64
import gzip
import io
import json
import random
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from xstilts.core.errors import DataError
from xstilts.sources import downloads
from xstilts.sources.downloads import class_names, download, mirrored, unpack
from xstilts.sources.forms import written

WANTED = "data/test.tsv"


def _tar(path: Path, *entries: tuple[str, bytes, str]) -> None:
    """(name, kind of tarfile, where a link leads)."""
    with tarfile.open(path, "w:gz") as archive:
        for name, kind, target in entries:
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.size = kind, target, 3 if kind == tarfile.REGTYPE else 0
            archive.addfile(info, io.BytesIO(b"abc") if kind == tarfile.REGTYPE else None)


def _zip(path: Path, *names: str, size: int = 3) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, b"a" * size)


def _encrypted(path: Path) -> None:
    _zip(path, WANTED)
    raw = bytearray(path.read_bytes())
    raw[6] |= 1
    raw[raw.index(b"PK\1\2") + 8] |= 1
    path.write_bytes(bytes(raw))


ARCHIVES: dict[str, tuple[Callable[[Path], None], str]] = {
    "a link to itself": (lambda p: _tar(p, (WANTED, tarfile.SYMTYPE, "test.tsv")), "a damaged archive"),
    "a link out of it": (lambda p: _tar(p, (WANTED, tarfile.SYMTYPE, "/etc/passwd")), "a damaged archive"),
    "a link to nothing": (lambda p: _tar(p, (WANTED, tarfile.LNKTYPE, "gone")), "a damaged archive"),
    "a device": (lambda p: _tar(p, (WANTED, tarfile.CHRTYPE, "")), "data/test.tsv of the archive is not a file"),
    "a folder": (lambda p: _tar(p, (WANTED, tarfile.DIRTYPE, "")), "data/test.tsv of the archive is not a file"),
    "a name that climbs": (
        lambda p: _tar(p, ("../" + WANTED, tarfile.REGTYPE, "")),
        "no file data/test.tsv; it begins",
    ),
    "a password": (_encrypted, "encrypted, password required"),
    "no archive": (lambda p: p.write_bytes(b"abc"), "a damaged archive"),
    "a bomb in a zip": (lambda p: _zip(p, WANTED, size=20_000), "more than 10,000 bytes"),
}


@pytest.mark.parametrize("name", ARCHIVES)
def test_an_archive_made_to_do_harm_is_one_line(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "MOST_BYTES", 10_000)
    make, said = ARCHIVES[name]
    (tmp_path / "in").mkdir()
    make(tmp_path / "in" / "a")
    with pytest.raises(DataError, match=said) as error:
        unpack(tmp_path / "in" / "a", "https://x/a", {WANTED: tmp_path / "out" / "test.tsv"})
    assert str(error.value).startswith("https://x/a: ")
    assert "\n" not in str(error.value)
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file()]


def test_a_tar_that_announces_terabytes_is_damaged(tmp_path: Path) -> None:
    info = tarfile.TarInfo("big")
    info.size = 2**42
    with gzip.open(tmp_path / "a", "wb") as stream:
        stream.write(info.tobuf(tarfile.GNU_FORMAT))
    with pytest.raises(DataError, match="a damaged archive"):
        unpack(tmp_path / "a", "https://x/a", {WANTED: tmp_path / "out"})


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_flipped_bytes_in_an_archive_are_one_line_or_nothing(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "a"
    _zip(path, WANTED, "b") if kind == "zip" else _tar(path, (WANTED, tarfile.REGTYPE, ""))
    whole, rng = path.read_bytes(), random.Random(1)
    refused = 0
    for _ in range(300):
        raw = bytearray(whole)
        for _ in range(rng.choice([1, 1, 3])):
            raw[rng.randrange(len(raw))] = rng.randrange(256)
        path.write_bytes(bytes(raw[: rng.choice([len(raw), len(raw), rng.randrange(len(raw))])]))
        try:
            unpack(path, "https://x/a", {WANTED: tmp_path / "out"})
        except DataError:
            refused += 1
    assert refused > 50


@pytest.fixture
def guarded() -> Iterator[tuple[str, list[str | None]]]:
    """A server with a password that sends on to itself under another name; and the passwords that it was told."""
    told: list[str | None] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told.append(self.headers.get("Authorization"))
            if self.path.endswith("/moved"):
                self.send_response(302)
                self.send_header("Location", f"http://localhost:{self.server.server_port}/elsewhere")  # type: ignore[attr-defined]
                self.end_headers()
            elif self.path.endswith("/gone"):
                self.send_error(404)
            else:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"abc")

        def log_message(self, *words: object) -> None:
            pass

    running = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=running.serve_forever)
    thread.start()
    yield f"127.0.0.1:{running.server_port}", told
    running.shutdown()
    thread.join()
    running.server_close()


def test_a_password_in_a_mirrors_address_goes_to_the_mirror_alone(
    guarded: tuple[str, list[str | None]], tmp_path: Path
) -> None:
    server, told = guarded
    mirror = f"http://ann:s3cr%40t@{server}"
    list(download("https://host/a", tmp_path / "a", mirror))
    list(download("https://host/moved", tmp_path / "b", mirror))
    sent = "Basic " + base64.b64encode(b"ann:s3cr@t").decode()
    assert told == [sent, sent, None]
    for address in ("https://host/gone", "https://host/gone x"):
        with pytest.raises(DataError) as error:
            list(download(address, tmp_path / "c", mirror))
        assert "s3cr" not in str(error.value)
        assert f"http://***@{server}/host/gone" in str(error.value)


@pytest.mark.parametrize(
    "mirror", ["https://ann:s3cr@host:port", "https://ann:s3@cr@[::1", "ann:s3cr@host/x", "nowhere"]
)
def test_a_mirror_that_is_none_is_one_line_without_its_password(mirror: str, tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        list(download("https://host/a", tmp_path / "a", mirror))
    assert "\n" not in str(error.value)
    assert "s3" not in str(error.value)


def test_a_download_without_end_is_cut(
    guarded: tuple[str, list[str | None]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "MOST_BYTES", 2)
    with pytest.raises(DataError, match="more than 2 bytes"):
        list(download("https://host/a", tmp_path / "a", mirrored("http://x", None).replace("x", guarded[0])))
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("note", ["[1]", '{"info": {"features": [1]}}', "[" * 100_000, '{"info": 1}', "{"])
def test_notes_of_class_names_that_are_none(note: str) -> None:
    assert class_names({b"huggingface": note.encode()}) == {}


def test_columns_of_other_kinds_are_one_line() -> None:
    row = {"id": 1, "context": "c", "question": "q", "answers": "none"}
    with pytest.raises(DataError, match="the columns do not hold the values of form squad"):
        written("squad", [row], {}, "en")
    assert json.loads(written("squad", [{**row, "answers": {"text": [], "answer_start": []}}], {}, "en"))
