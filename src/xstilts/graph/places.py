"""Where worker processes are: on this machine with its GPUs leased to them, or on SLURM's through `srun`."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from xstilts.core.errors import ConfigError
from xstilts.graph.workers import Message, Needs

WORKER = ("-P", "-m", "xstilts.graph.worker")
END_SECONDS = 10.0
"""How long `srun` may take to end by itself. SIGKILL would leave what it started to SLURM, which may take minutes."""


class Seat(Protocol):
    """One worker process, as its caller has it."""

    def fileno(self) -> int:
        """A descriptor that does not block: what the worker says, in lines of JSON."""
        ...

    def send(self, message: Message) -> None:
        """Tell the worker something; nothing happens where it has ended."""
        ...

    def ask(self) -> None:
        """Have it end by itself, once its stage has saved what it can."""
        ...

    def ended(self) -> bool:
        """Whether it has."""
        ...

    def end(self) -> Message:
        """Kill it and its children; returns `{"died": how}` or `{"lost": how}`."""
        ...


class Places(Protocol):
    """Where workers can be started; open inside the block.

    Attributes:
        size: stages at a time.
        gpus: values of CUDA_VISIBLE_DEVICES, one for each stage at a time that needs GPUs. None: whoever gives places
            also gives GPUs, and takes both back from a worker that has nothing to do.
    """

    @property
    def size(self) -> int: ...

    @property
    def gpus(self) -> Sequence[str] | None: ...

    def __enter__(self) -> object: ...

    def __exit__(self, *error: Any) -> None: ...

    def start(self, needs: Needs) -> Seat:
        """Start a worker, or ask for a place for one."""
        ...


def how_it_ended(code: int) -> Message:
    """What an exit code says of a worker, negative for a signal. SIGTERM is what a place is taken back with."""
    how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    return {"lost" if code == -signal.SIGTERM else "died": how}


def code_path() -> dict[str, str]:
    """The variable by which another process finds this code."""
    path = os.pathsep.join(filter(None, [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH")]))
    return {"PYTHONPATH": path}


class Process:
    """A process that this one starts, itself or by a command that starts it elsewhere. It leads a process group.

    Args:
        launch: words before the command, as `srun -n1`.
        variables: of its environment, besides those of this process.
    """

    def __init__(self, launch: Sequence[str] = (), variables: Mapping[str, str] | None = None) -> None:
        self._launch = launch
        self._process = subprocess.Popen(
            [*launch, sys.executable, *WORKER, *(["--watched"] if launch else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | code_path() | dict(variables or {}),
            start_new_session=True,  # Ctrl-C reaches us alone, and we end the workers
        )
        os.set_blocking(self.fileno(), False)

    def fileno(self) -> int:
        """Of its output."""
        assert self._process.stdout is not None
        return self._process.stdout.fileno()

    def send(self, message: Message) -> None:
        """As of `Seat`."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # it died; reading its output tells
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()

    def ask(self) -> None:
        """As of `Seat`: its input ends."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()

    def ended(self) -> bool:
        """As of `Seat`."""
        # WNOWAIT keeps the process a zombie, so that its number, and its group's, stay ours until `end`.
        return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def end(self) -> Message:
        """As of `Seat`. What a launcher's exit code says is not of the worker, which then has told how it ended."""
        if self._launch and not self.ended():
            self.ask()
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(END_SECONDS)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        code = self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            with suppress(BrokenPipeError):
                stream.close()
        if self._launch:
            return {"lost": f"{self._launch[0]} ended with {code}"}
        return how_it_ended(code)


@dataclass(frozen=True)
class Local:
    """This machine.

    Attributes:
        size: stages at a time.
        gpus: as of `Places`.
    """

    size: int
    gpus: Sequence[str] | None = ()

    def __enter__(self) -> Local:
        return self

    def __exit__(self, *error: Any) -> None: ...

    def start(self, needs: Needs) -> Process:
        """A process."""
        return Process()


@dataclass(frozen=True)
class Slurm:
    """What SLURM gives: steps of the allocation that this process is in, else a job for each worker.

    Attributes:
        size: stages at a time.
        options: more words for `srun`, as `--partition gpu --time 8:00:00`.
        gpus: as of `Places`: SLURM gives them.

    Raises:
        ConfigError: there is no `srun`, or the options have an open quote.
    """

    size: int
    options: str = ""
    gpus: None = None

    def __enter__(self) -> Slurm:
        if shutil.which("srun") is None:
            raise ConfigError("--executor slurm: `srun` is not installed here: run this on a machine that submits jobs")
        self.launch(Needs())
        return self

    def __exit__(self, *error: Any) -> None: ...

    def launch(self, needs: Needs) -> list[str]:
        """What comes before a worker's command."""
        words = ["srun", "-Q", "-n1", f"-c{needs.cpus or 1}", "--unbuffered"]
        inside = "SLURM_JOB_ID" in os.environ
        words += ["-N1", "--exact"] if inside else ["--job-name=xstilts"]
        if needs.gpus:
            words.append(f"--gpus-per-task={needs.gpus}")
        elif inside:
            words.append("--gres=none")  # else it has all GPUs of the allocation
        try:
            return [*words, *shlex.split(self.options)]
        except ValueError as error:
            raise ConfigError(f"--slurm-options {self.options!r}: {error}") from None

    def start(self, needs: Needs) -> Process:
        """A job or a step, which may have to wait."""
        return Process(self.launch(needs))
