"""What all tests share: where official data may be, golden files, commands, one thread, no network."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from xstilts.graph.pool import waiting

REPOSITORY = Path(__file__).parents[1]
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# As in the foreground: what a shell starts in the background ignores Ctrl-C, and so does all that it starts.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Before anything imports transformers or torch.
os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", TOKENIZERS_PARALLELISM="false", OMP_NUM_THREADS="1")
os.environ.update(waiting(os.environ))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--renew-golden", action="store_true", help="write tests/golden anew instead of comparing")


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch = sys.modules.get("torch")
    if torch is not None and torch.get_num_threads() != 1:
        torch.set_num_threads(1)  # sums in another order would be other numbers


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of official data files; tests that need it are skipped where there is none."""
    named = os.environ.get("XSTILTS_DATA")
    folder = Path(named) if named else REPOSITORY.parent / "shared" / "data"
    if named and not folder.is_dir():
        pytest.fail(f"XSTILTS_DATA names {folder}, which is no folder")
    if not folder.is_dir():
        pytest.skip("no official data here: set XSTILTS_DATA to their folder")
    return folder


@pytest.fixture(scope="session")
def tiny_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a tiny microworld; read only."""
    from xstilts.microworld.world import TINY, write_world

    folder = tmp_path_factory.mktemp("tiny_world")
    write_world(folder, 5, TINY)
    return folder


@pytest.fixture
def is_written() -> Callable[[str, str, str], bool]:
    """`is_written(page, part, "tool.function")`: that part of `docs/page` is what the function of tools/ returns."""

    def check(page: str, part: str, function: str) -> bool:
        module = function.partition(".")[0]
        code = f"import sys, {module}, marked; sys.exit(not marked.is_current('{page}', '{part}', {function}()))"
        path = os.environ | {"PYTHONPATH": str(REPOSITORY / "tools")}
        return subprocess.run([sys.executable, "-c", code], env=path, check=False).returncode == 0

    return check


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, Any], None]:
    """`golden(name, value)`: the JSON value equals `tests/golden/<name>.json`; `make golden` writes the files anew."""

    def check(name: str, value: Any) -> None:
        path = REPOSITORY / "tests" / "golden" / f"{name}.json"
        if request.config.getoption("--renew-golden"):
            path.parent.mkdir(exist_ok=True)
            path.write_text(json.dumps(value, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        assert path.exists(), f"{path} is missing: `make golden` writes it"
        expected = json.loads(path.read_text(encoding="utf-8"))
        assert value == expected, f"{path.name} no longer holds: read 'Numbers' in CONTRIBUTING.md"

    return check


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Calls `xstilts WORDS ...`; gives exit code, standard output and standard error."""
    from xstilts.cli import main

    def call(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["xstilts", *map(str, words)])
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        out, err = capsys.readouterr()
        return code, out, err

    return call
