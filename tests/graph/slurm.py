"""A real SLURM of two nodes on this machine, without systemd, munge or root."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

CONF = """\
ClusterName=here
SlurmctldHost=localhost(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
SlurmctldPort={ports[0]}
AuthType=auth/none
CredType=cred/none
AuthInfo=cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/ctld.pid
SlurmdPidFile={folder}/%n.pid
SlurmctldLogFile={folder}/log/ctld.log
SlurmdLogFile={folder}/log/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0,bf_interval=1
ReturnToService=2
SlurmdTimeout=10
KillWait=2
InactiveLimit=10
JobRequeue=1
SlurmdParameters=config_overrides
GresTypes=gpu
NodeName=n1 NodeHostname=localhost NodeAddr=127.0.0.1 Port={ports[1]} CPUs=2 RealMemory=1000 Gres=gpu:2 State=UNKNOWN
NodeName=n2 NodeHostname=localhost NodeAddr=127.0.0.1 Port={ports[2]} CPUs=2 RealMemory=1000 Gres=gpu:2 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""
GRES = """\
NodeName=n[1-2] Name=gpu File=/dev/null
NodeName=n[1-2] Name=gpu File=/dev/zero
"""
PROGRAMS = ("slurmctld", "slurmd", "srun", "sbatch", "scontrol", "sinfo", "squeue")


def find(program: str) -> str | None:
    """Debian installs the daemons outside a user's PATH."""
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin")


class Slurm:
    """Two nodes, `n1` and `n2`, of two cores and two pretended GPUs each.

    Attributes:
        environment: by which SLURM's commands find it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for name in ("state", "spool", "log"):
            (folder / name).mkdir()
        probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
        ports = [probe.getsockname()[1] for probe in probes]
        for probe in probes:
            probe.close()
        conf = folder / "slurm.conf"
        conf.write_text(CONF.format(folder=folder, ports=ports, user=getpass.getuser()))
        (folder / "gres.conf").write_text(GRES)
        self.environment = {"SLURM_CONF": str(conf)}
        self._start("slurmctld")
        for node in ("n1", "n2"):
            self._start("slurmd", "-N", node)
        self.wait_until_idle()

    def _start(self, program: str, *words: str) -> None:
        command = [find(program) or program, *words]
        subprocess.run(command, env=os.environ | self.environment, check=True, capture_output=True, timeout=60)

    def say(self, *command: str) -> str:
        """The output of one of SLURM's commands."""
        done = subprocess.run(command, env=os.environ | self.environment, text=True, capture_output=True, timeout=60)
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout

    def jobs(self) -> list[str]:
        """Waiting and running jobs, as `id state node`."""
        return self.say("squeue", "-h", "-o", "%A %T %N").splitlines()

    def wait_until_idle(self, seconds: float = 60) -> None:
        end = time.monotonic() + seconds
        while self.jobs() or set(self.say("sinfo", "-h", "-N", "-o", "%T").split()) != {"idle"}:
            assert time.monotonic() < end, (self.say("sinfo", "-N", "-l"), self.jobs(), self.log())
            time.sleep(0.1)

    def log(self) -> str:
        return "\n".join(path.read_text()[-2000:] for path in (self._folder / "log").iterdir())

    def kill_node(self, node: str) -> None:
        """Kill slurmd, its steps and their tasks, as in a power cut."""
        daemon = int((self._folder / f"{node}.pid").read_text())
        tasks = [pid for pid, variables in _environments() if f"SLURMD_NODENAME={node}".encode() in variables]
        steps = {parent for pid in tasks if (parent := _parent(pid)) and b"slurmstepd" in _command(parent)}
        for pid in (daemon, *steps, *tasks):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def revive_node(self, node: str) -> None:
        self._start("slurmd", "-N", node)
        self.wait_until_idle()

    def close(self) -> None:
        for name in ("ctld", "n1", "n2"):
            with suppress(FileNotFoundError, ProcessLookupError):
                os.kill(int((self._folder / f"{name}.pid").read_text()), signal.SIGTERM)


def _environments() -> list[tuple[int, list[bytes]]]:
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            found.append((int(path.parent.name), path.read_bytes().split(b"\0")))
    return found


def _parent(pid: int) -> int:
    with suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return 0


def _command(pid: int) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""
