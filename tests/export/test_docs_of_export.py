"""docs/export.md says what the code does."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from export.exported import KINDS, REFUSED, TOKENIZER_OF
from xstilts.backbones.families import FAMILIES
from xstilts.export.forms import ARCHITECTURES, FORMS, table

REPOSITORY = Path(__file__).parents[2]


def test_the_table_is_up_to_date(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(REPOSITORY / "tools"))
    import marked

    assert marked.is_current("export.md", "table", table()), "`make docs` writes the table"
    del sys.modules["marked"]


def test_the_table_and_the_tests_agree_on_what_is_refused() -> None:
    assert tuple(FORMS) == KINDS
    assert set(ARCHITECTURES) == set(TOKENIZER_OF), "every line of the table is tested"
    unread = [family.name for family in FAMILIES if not set(family.model_types) & set(ARCHITECTURES)]
    assert unread == ["canine"], "every family that tasks can be encoded for has a line"
    page = (REPOSITORY / "docs" / "export.md").read_text(encoding="utf-8")
    rows = re.findall("^\\| `[a-z0-9-]+`: .*$", page, re.MULTILINE)
    assert len(rows) == len(ARCHITECTURES)
    for line in rows:
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        (name,) = re.findall("`(.*?)`", cells[0])
        for kind, cell in zip(KINDS, cells[1:], strict=True):
            assert cell.startswith("no: ") == ((name, kind) in REFUSED), f"{name} {kind}: {cell}"
