"""Prints the pinned requirements of an environment: `python tools/lock.py ENVIRONMENT/bin/python`."""

from __future__ import annotations

import json
import subprocess
import sys

HEADER = "# What `make setup` installs, pinned. `make lock` regenerates it from pyproject.toml."
BY_PLATFORM = ("nvidia", "cuda", "triton", "pip", "xstilts")
"""Begin the names of what torch itself pins for the platform at hand, and of what is no requirement."""


def main() -> None:
    command = [sys.argv[1], "-m", "pip", "list", "--format", "json", "--disable-pip-version-check"]
    packages = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    lines = [
        f"{package['name']}=={package['version'].partition('+')[0]}"  # +cpu and the like are a choice of platform
        for package in sorted(packages, key=lambda package: package["name"].lower())
        if not package["name"].startswith(BY_PLATFORM)
    ]
    sys.stdout.write("\n".join([HEADER, *lines]) + "\n")


if __name__ == "__main__":
    main()
