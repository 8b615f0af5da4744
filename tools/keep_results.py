"""Pack what the pages of an experiment are made of: scores and answers of every example, without models or predictions.

The archive is a store that results are read from: `xstilts report`, `claims` and `scores` give the same from it as from
the whole store, without data or training. `make pages` unpacks the archives of docs/ and writes their pages again.

Usage: python tools/keep_results.py STORE EXPERIMENT... ARCHIVE.tar.xz
"""

from __future__ import annotations

import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

from xstilts.core.files import read_json
from xstilts.graph.store import Store
from xstilts.session.loading import load, load_study

WHOLE = ("evaluate", "leaks")
ABOUT = ("DONE", "stage.json", "summary.json", "counts.json")
"""Files kept of other kinds: versions, minutes, what training reached, and what was translated."""


def kept(store: Store, names: list[str]) -> Iterator[Path]:
    """Files of the archive.

    Raises:
        FileNotFoundError: the store does not remember an experiment of that name.
    """
    yield store.root / "STORE.json"
    folders = set()
    for name in names:
        grid = store.root / "experiments" / f"{name}.json"
        yield grid
        folders |= {store.root / row["kind"] / row["key"] for row in read_json(grid)["stages"]}
    for folder in sorted(folders):
        for file in sorted(folder.rglob("*")):
            if file.is_file() and (folder.parent.name in WHOLE or file.name in ABOUT):
                yield file


def _same(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """The same bytes whoever packs, whenever."""
    entry.mtime, entry.uid, entry.gid, entry.uname, entry.gname, entry.mode = 0, 0, 0, "", "", 0o644
    return entry


def main(store: str, *files: str) -> None:
    """Write the archive."""
    *experiments, to = files
    place = Store(Path(store), must_exist=True)
    names = [(load(file) if Path(file).exists() else load_study(file)[0]).name for file in experiments]
    found = [*kept(place, names)]
    with tarfile.open(to, "w:xz") as archive:
        for file in found:
            archive.add(file, str(file.relative_to(place.root)), filter=_same)
    sys.stdout.write(f"{to}: {Path(to).stat().st_size / 2**20:.1f} MiB\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
