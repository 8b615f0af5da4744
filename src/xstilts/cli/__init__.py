"""The command line: verbs only. It alone reads arguments and the environment."""

from __future__ import annotations

import os
import sys

from xstilts.cli.verbs import app
from xstilts.core.errors import XstiltsError
from xstilts.core.files import disk_fault
from xstilts.graph.pool import waiting


def main() -> None:
    """Entry point: a user's mistake is one line on stderr and exit code 2, never a traceback."""
    os.environ.update(waiting(os.environ))  # for what computes here: before anything loads torch
    try:
        app()
    except XstiltsError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(2)
    except BrokenPipeError:
        sys.exit(0)
    except OSError as error:
        if not (fault := disk_fault(error)):
            raise
        sys.stderr.write(f"error: {fault}\n")
        sys.exit(2)


__all__ = ["app", "main"]
