"""Writes the table of docs/export.md: what loads each head of each architecture, or why nothing does."""

from __future__ import annotations

from marked import write

from xstilts.export.forms import table

if __name__ == "__main__":
    write("export.md", "table", table())
