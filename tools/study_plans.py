"""Writes docs/studies/plans.md: planned cost of the studies on public models, by `xstilts study NAME --plan`.

Usage: python tools/study_plans.py [NAME ...]
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from xstilts.studies.files import packaged

PAGE = Path(__file__).parent.parent / "docs" / "studies" / "plans.md"
MACHINES = {
    "domain-full": ("--device", "h200", "--micro-batch-tokens", "1024"),
    "scale-full": ("--device", "h200", "--micro-batch-tokens", "4096"),
}
"""Where all stages fit one device; for others an H100 does."""
HEAD = """# Planned cost of the studies on public models

These studies were not run. The command above each plan prints it, without data: sizes are those of the official
releases where known, else assumed ([planning.md](../planning.md)). `make plans` writes this page.
"""


def names() -> list[str]:
    """The packaged studies that are only planned."""
    return sorted(path.stem for path in packaged("table1").parent.glob("*-full.yaml"))


def main(asked: list[str]) -> None:
    parts = [HEAD]
    for name in asked or names():
        words = ["xstilts", "study", name, "--plan", *MACHINES.get(name, ("--device", "h100"))]
        command = [str(Path(sys.executable).with_name("xstilts")), *words[1:]]
        ran = subprocess.run(command, check=True, capture_output=True, text=True)
        parts.append(f"## {name}\n\n```\n{' '.join(words)}\n\n{ran.stdout.rstrip()}\n```\n")
        sys.stdout.write(f"{name}\n")
    PAGE.write_text("\n".join(parts), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
