"""A real S3 server (moto's) on this machine, in its own process."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from urllib.request import Request, urlopen

PACKAGES = ("s3fs", "moto", "flask", "flask_cors")
VARIABLES = {
    "AWS_ACCESS_KEY_ID": "tests",
    "AWS_SECRET_ACCESS_KEY": "tests",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}


def missing() -> list[str]:
    """Missing packages of the server."""
    return [name for name in PACKAGES if find_spec(name) is None]


class Server:
    """Takes requests until it is closed.

    Attributes:
        variables: of the environment, with which S3 is this server.
    """

    def __init__(self, log: Path) -> None:
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
        with log.open("w") as told:
            self._process = subprocess.Popen(command, stderr=told)
        while (found := re.search(r"Running on (http://\S+)", log.read_text())) is None:
            assert self._process.poll() is None, log.read_text()
            time.sleep(0.05)
        self.address = found[1]
        self.variables = VARIABLES | {"AWS_ENDPOINT_URL": self.address}

    def refuse(self, after: int) -> None:
        """Answer this number of further requests, then refuse."""
        asked = Request(f"{self.address}/moto-api/reset-auth", b"%d" % after, {"Content-Type": "text/plain"})
        urlopen(asked).close()

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
