"""The command line: verbs only. It alone reads arguments and the environment."""

from __future__ import annotations

import sys

from xstilts.cli.verbs import app
from xstilts.core.errors import XstiltsError


def main() -> None:
    """Entry point: a user's mistake is one line on stderr and exit code 2, never a traceback."""
    try:
        app()
    except XstiltsError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(2)
    except BrokenPipeError:
        sys.exit(0)


__all__ = ["app", "main"]
