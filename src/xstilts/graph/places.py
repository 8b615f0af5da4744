"""Workers, which carry out stages, and the places where they run: this process, this machine with its GPUs, SLURM."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self

from xstilts.core.errors import ConfigError
from xstilts.graph.perform import Message, Work, perform
from xstilts.graph.stage import Stage

WORKER = ("-P", "-m", "xstilts.graph.worker")
END_SECONDS = 10.0
"""Time for `srun` to end by itself. After SIGKILL, SLURM would clean up what it started, which may take minutes."""


class Workers(AbstractContextManager[object], Protocol):
    """Carry out stages, several at a time. Open inside a `with` block; leaving it ends the stages that still run."""

    def fits(self, stage: Stage) -> bool:
        """Whether the stage can be given now; the same for all stages of a kind."""

    def give(self, stage: Stage) -> None:
        """Start a stage that `fits`."""

    def receive(self, timeout: float) -> Iterator[tuple[Stage, Message]]:
        """New messages, within `timeout` seconds. Raises `StageError` if a worker cannot start or see the store."""


@dataclass(frozen=True)
class Needs:
    """Resources of a stage while it runs. They depend on its kind and are never in its key.

    Attributes:
        gpus: devices for this stage alone.
        cpus: cores; None: its share of this machine's cores.
        memory: bytes at the peak; 0 if unknown. Stages that differ in it alone can share a worker.
    """

    gpus: int = 0
    cpus: int | None = None
    memory: float = field(default=0.0, compare=False)


class Here(AbstractContextManager["Here"]):
    """Workers that run one stage at a time in this process. Messages arrive when the stage has ended."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._given: list[Stage] = []

    def __exit__(self, *error: Any) -> None:
        self._given.clear()

    def fits(self, stage: Stage) -> bool:
        return not self._given

    def give(self, stage: Stage) -> None:
        self._given.append(stage)

    def receive(self, timeout: float) -> Iterator[tuple[Stage, Message]]:
        if not self._given:
            time.sleep(timeout)
            return
        stage, messages = self._given.pop(), list[Message]()
        messages.append(perform(self._work, stage, messages.append))
        yield from ((stage, message) for message in messages)


class Seat(Protocol):
    """A worker process, seen by the process that started it."""

    def fileno(self) -> int:
        """Non-blocking descriptor from which the worker's messages are read, one JSON value per line."""

    def send(self, message: Message) -> None:
        """Send a message to the worker; does nothing if it has ended."""

    def ask(self) -> None:
        """Ask it to end, after its stage has saved its work."""

    def ended(self) -> bool:
        """Whether it has ended."""

    def end(self) -> Message:
        """Kill it and its children. Returns `{"died": how}` or `{"lost": how}`."""
        ...


class Places(AbstractContextManager[object], Protocol):
    """Where workers can be started; open inside a `with` block.

    Attributes:
        size: number of stages at a time.
        gpus: one value of CUDA_VISIBLE_DEVICES for each stage at a time that needs GPUs. None: the cluster assigns
            GPUs, and a worker without work returns its place and its GPUs.
    """

    @property
    def size(self) -> int: ...

    @property
    def gpus(self) -> Sequence[str] | None: ...

    def start(self, needs: Needs) -> Seat:
        """Start a worker, or queue for a place for one."""


def how_it_ended(code: int) -> Message:
    """The message for an exit code, negative for a signal. A cluster sends SIGTERM when it takes a place back."""
    return {"lost" if code == -signal.SIGTERM else "died": name_of_end(code)}


def name_of_end(code: int) -> str:
    """`SIGKILL`, or `signal 40` for one without a name; `exit code 1`."""
    named = {one.value: one.name for one in signal.Signals}
    return f"exit code {code}" if code >= 0 else named.get(-code, f"signal {-code}")


def code_path() -> dict[str, str]:
    """The environment variable by which another process finds this package."""
    path = os.pathsep.join(filter(None, [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH")]))
    return {"PYTHONPATH": path}


class Process:
    """A `Seat` whose process this one starts, directly or through a launcher. It leads a process group.

    Args:
        launch: the launcher's words before the command, such as `srun -n1`.
        variables: added to this process's environment.
    """

    def __init__(self, launch: Sequence[str] = (), variables: Mapping[str, str] | None = None) -> None:
        self._launch = launch
        self._process = subprocess.Popen(
            [*launch, sys.executable, *WORKER, *(["--watched"] if launch else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | code_path() | dict(variables or {}),
            start_new_session=True,  # Ctrl-C reaches this process alone, which ends the workers
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._input, self._output = self._process.stdin, self._process.stdout
        os.set_blocking(self.fileno(), False)

    def fileno(self) -> int:
        return self._output.fileno()

    def send(self, message: Message) -> None:
        with suppress(BrokenPipeError):  # it died, which shows when its output is read
            self._input.write(json.dumps(message).encode() + b"\n")
            self._input.flush()

    def ask(self) -> None:
        """See `Seat`: closes its input."""
        with suppress(BrokenPipeError):
            self._input.close()

    def ended(self) -> bool:
        # WNOWAIT keeps a zombie, so that no other process or group gets its number before `end`.
        return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def end(self) -> Message:
        """See `Seat`. With a launcher, the exit code is the launcher's; the worker has reported its own end."""
        if self._launch and not self.ended():
            self.ask()
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(END_SECONDS)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        code = self._process.wait()
        self.ask()
        self._output.close()
        return {"lost": f"{self._launch[0]} ended with {code}"} if self._launch else how_it_ended(code)


@dataclass(frozen=True)
class Local(AbstractContextManager["Local"]):
    """`Places` on this machine."""

    size: int
    gpus: Sequence[str] | None = ()

    def __exit__(self, *error: Any) -> None: ...

    def start(self, needs: Needs) -> Process:
        return Process()


@dataclass(frozen=True)
class Slurm:
    """`Places` on SLURM: steps of the allocation that this process is in, otherwise one job per worker.

    `options` are further words for `srun`, such as `--partition gpu --time 8:00:00`.
    Raises `ConfigError` if `srun` is not installed, or the options have an unclosed quote.
    """

    size: int
    options: str = ""
    gpus: None = None

    def __enter__(self) -> Self:
        if shutil.which("srun") is None:
            raise ConfigError("--executor slurm: `srun` is not installed here: run this on a machine that submits jobs")
        self.launch(Needs())
        return self

    def __exit__(self, *error: Any) -> None: ...

    def launch(self, needs: Needs) -> list[str]:
        words = ["srun", "-Q", "-n1", f"-c{needs.cpus or 1}", "--unbuffered"]
        inside = "SLURM_JOB_ID" in os.environ
        words += ["-N1", "--exact"] if inside else ["--job-name=xstilts"]
        if needs.gpus:
            words.append(f"--gpus-per-task={needs.gpus}")
        elif inside:
            words.append("--gres=none")  # otherwise it gets all GPUs of the allocation
        try:
            return [*words, *shlex.split(self.options)]
        except ValueError as error:
            raise ConfigError(f"--slurm-options {self.options!r}: {error}") from None

    def start(self, needs: Needs) -> Process:
        """See `Places`; a job may wait in the queue."""
        return Process(self.launch(needs))
