"""A remote that cannot be used is one line that says what to do, before anything is computed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from fsspec.registry import _registry

from graph.s3 import Server
from xstilts.core.errors import ConfigError, StoreError
from xstilts.graph.remote import Remote
from xstilts.graph.store import Store


@pytest.mark.parametrize(
    ("url", "line"),
    [
        ("bucket/folder", "give the URL of a folder, such as s3://BUCKET/FOLDER"),
        ("s3://", "give the URL of a folder, such as s3://BUCKET/FOLDER"),
        ("s4://bucket", "Protocol not known: s4: give a URL such as s3://BUCKET/FOLDER"),
    ],
)
def test_a_url_that_is_none_is_one_line(url: str, line: str) -> None:
    with pytest.raises(ConfigError) as error:
        Remote(url)
    assert str(error.value) == f"--remote {url}: {line}"


def test_the_extra_is_asked_for_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.delitem(sys.modules, "s3fs.core", raising=False)
    monkeypatch.delitem(_registry, "s3", raising=False)
    with pytest.raises(ConfigError, match=r"s3:// is not installed: pip install 'xstilts\[s3\]'$"):
        Remote("s3://bucket/folder")


def test_a_store_is_no_remote_and_one_of_another_format_is_refused(tmp_path: Path) -> None:
    one = Store(tmp_path / "one")
    with pytest.raises(StoreError, match="this folder is a store; use a separate folder for --remote"):
        Remote(f"file://{one.root}")
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "REMOTE.json").write_text('{"format": 2}')
    with pytest.raises(StoreError, match=r"REMOTE\.json is not of format 1, which this xstilts reads: use the xst"):
        Remote(f"file://{tmp_path}/new")


def test_a_bucket_that_is_not_there_or_closed_or_not_reached_is_one_line(
    s3: str, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    from s3fs import S3FileSystem

    def line(url: str) -> str:
        S3FileSystem.clear_instance_cache()
        with pytest.raises(StoreError) as error:
            Remote(url)
        return str(error.value)

    assert line("s3://nobody-has-made-it/x") == (
        "--remote s3://nobody-has-made-it/x: The specified bucket does not exist: create it, or correct its name"
    )
    server.refuse(after=0)
    assert line(f"{s3}/x").endswith(": check the credentials and their permissions")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    assert line(f"{s3}/x") == (
        f"--remote {s3}/x: Unable to locate credentials: "
        "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
    )
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "tests")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    assert line(f"{s3}/x").startswith(f'--remote {s3}/x: Could not connect to the endpoint URL: "http://127.0.0.1:9/')
