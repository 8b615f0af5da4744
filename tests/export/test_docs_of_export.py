"""docs/export.md says what the code does."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from export.exported import KINDS, REFUSED, TOKENIZER_OF
from xstilts.backbones.families import FAMILIES

TOOLS = Path(__file__).parents[2] / "tools"


def test_the_table_says_what_is_exported_and_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(TOOLS))
    import export_table
    import marked

    assert marked.is_current("export.md", "table", export_table.table()), "`make docs` writes the table"
    assert set(export_table.ARCHITECTURES) == set(TOKENIZER_OF), "every line of the table is tested"
    unread = [family.name for family in FAMILIES if not set(family.model_types) & set(export_table.ARCHITECTURES)]
    assert unread == ["canine"], "every family that tasks can be encoded for has a line"
    for line in re.findall("^\\| `[a-z0-9-]+`: .*$", export_table.table(), re.MULTILINE):
        architecture, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        (name,) = re.findall("`(.*?)`", architecture)
        for kind, cell in zip(KINDS, cells, strict=True):
            assert (cell == "no") == ((name, kind) in REFUSED), f"{name} {kind}: {cell}"
    del sys.modules["marked"], sys.modules["export_table"]
