"""A store on NFSv4.2 between two kernels of one machine, one of which is cut off from the file server for a minute.

User-mode Linux boots each kernel as a process, on the machine's own files; nfs-ganesha serves the store. Not part of
the usual tests, since it needs root and three minutes:

    apt-get install --no-install-recommends user-mode-linux nfs-ganesha nfs-ganesha-vfs kmod iproute2 nfs-common
    XSTILTS_TWO_KERNELS=1 pytest tests/graph/test_two_kernels.py
"""

from __future__ import annotations

import ast
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

PROGRAMS = ("linux.uml", "ganesha.nfsd", "ip", "insmod", "mount.nfs4")
LEASE, PARTITION = 20, 60
GANESHA = """
NFS_CORE_PARAM {{ Protocols = 4; NFS_Port = 2049; Enable_NLM = false; Enable_RQUOTA = false; Enable_UDP = false; }}
NFSv4 {{ Graceless = true; Lease_Lifetime = {lease}; Grace_Period = {lease}; Minor_Versions = 1,2;
         RecoveryBackend = fs; }}
EXPORT {{ Export_Id = 1; Path = {folder}/share; Pseudo = /share; Access_Type = RW; Squash = No_Root_Squash;
          SecType = sys; Protocols = 4; Transports = TCP; FSAL {{ Name = VFS; }} }}
"""
INIT = """#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc none /proc; mount -t sysfs none /sys; mount -t tmpfs none /mnt
mkdir /mnt/out /mnt/nfs
mount -t hostfs none /mnt/out -o {folder}
hostname kernel$kernel
ip link set lo up; ip addr add 10.78.$kernel.2/24 dev vec0; ip link set vec0 up
for module in sunrpc netfs fscache grace lockd dns_resolver nfs nfsv4; do
    insmod $(find /usr/lib/uml/modules -name $module.ko) 2>/dev/null
done
server=10.78.$kernel.1
until mount -i -t nfs4 -o vers=4.2,addr=$server,clientaddr=10.78.$kernel.2 $server:/share /mnt/nfs; do sleep 1; done
cd /mnt
exec {python} {folder}/agent.py $kernel
"""
AGENT = """
import sys, threading, time, traceback
sys.path[:] = {path}
from pathlib import Path
from graph.toy import stage
from xstilts.core.files import write_text
from xstilts.graph.locks import check_reach, release, running, try_lock
from xstilts.graph.perform import Work, perform
from xstilts.graph.store import Store

STORE, WHO = Store(Path("/mnt/nfs/store")), sys.argv[1]
outcomes = {{}}

def write_parts(job):
    begin, parts = len(list(job.directory.glob("part*"))), job.config["parts"]
    for part in range(begin, parts):
        time.sleep(job.settings["seconds"] / parts)
        write_text(job.directory / f"part{{part:02d}}", WHO)

def apart(name, call, *arguments):
    "Call in a thread; outcomes[name] is what it returns, or the traceback."
    def tell():
        try:
            outcomes[name] = call(*arguments)
        except BaseException:
            outcomes[name] = traceback.format_exc()
    threading.Thread(target=tell, daemon=True).start()

def work(name, seconds, resumable=()):
    one = stage(name, parts=20)
    while True:
        end = perform(Work(STORE, write_parts, {{"seconds": seconds}}, resumable), one, lambda message: None)
        if "busy" not in end:
            return next(iter(end)), end.get("failed", "")
        time.sleep(0.5)

def hammer(path, seconds):
    taken, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        if (handle := try_lock(path)) is not None:
            release(path, handle)
            taken += 1
    return taken

names, folder, number = globals(), Path("/mnt/out", WHO), 0
(folder / "up").touch()
while True:
    asked = folder / f"{{number}}.asked"
    if asked.exists():
        try:
            answer = eval(asked.read_text(), names)
        except BaseException:
            answer = traceback.format_exc()
        write_text(folder / f"{{number}}.answer", repr(answer))
        number += 1
    time.sleep(0.02)
"""


def lacking() -> str:
    if os.environ.get("XSTILTS_TWO_KERNELS") != "1":
        return "takes three minutes and root: XSTILTS_TWO_KERNELS=1 asks for it"
    if os.geteuid() != 0 or not Path("/dev/net/tun").exists():
        return "needs root and /dev/net/tun"
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    return f"needs {', '.join(missing)}" if missing else ""


pytestmark = pytest.mark.skipif(bool(lacking()), reason=lacking() or "everything is there")


class Machines:
    """Two kernels and a file server, each kernel with its own connection."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.space = folder, f"xstilts{os.getpid()}"
        self._asked = {1: 0, 2: 0}
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        self._ip("netns", "add", self.space)
        self._inside("link", "set", "lo", "up")
        for kernel in (1, 2):
            self._inside("tuntap", "add", f"tap{kernel}", "mode", "tap")
            self.connect(kernel)
            self._inside("link", "set", f"tap{kernel}", "up")
        for name in ("share", "1", "2"):
            (self.folder / name).mkdir()
        path = [str(Path(__file__).parents[1]), *filter(None, sys.path)]
        self._write("ganesha.conf", GANESHA.format(folder=self.folder, lease=LEASE))
        self._write("init.sh", INIT.format(folder=self.folder, python=sys.executable)).chmod(0o755)
        self._write("agent.py", AGENT.format(path=path))
        own = f"{self.folder}/ganesha."
        self._run("ganesha.nfsd", "-F", "-f", f"{own}conf", "-L", f"{own}log", "-p", f"{own}pid")
        for kernel in (1, 2):
            self._run(
                *("linux.uml", "mem=384M", "root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro", "quiet"),
                *(f"init={self.folder}/init.sh", f"kernel={kernel}", f"umid={self.space}-{kernel}"),
                *(f"vec0:transport=tap,ifname=tap{kernel},depth=64", "con=null", "con0=null,fd:1"),
            )
            self._wait(self.folder / str(kernel) / "up", 300)

    def stop(self) -> None:
        for process in reversed(self._processes):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        subprocess.run(["ip", "netns", "del", self.space], check=False)

    def ask(self, kernel: int, what: str, seconds: float = 60) -> Any:
        """The value of an expression on one of the kernels."""
        place, number = self.folder / str(kernel), self._asked[kernel]
        self._asked[kernel] += 1
        (place / "asked").write_text(what)
        (place / "asked").rename(place / f"{number}.asked")
        self._wait(place / f"{number}.answer", seconds)
        answer = ast.literal_eval((place / f"{number}.answer").read_text())
        assert "Traceback (" not in str(answer), answer
        return answer

    def outcomes(self, kernel: int, names: Sequence[str], seconds: float) -> dict[str, Any]:
        """Results of `apart` on a kernel, once those of all `names` are there."""
        end = time.monotonic() + seconds
        while set(names) - set(found := self.ask(kernel, "outcomes", seconds)):
            if time.monotonic() > end:
                frames = "[''.join(traceback.format_stack(one)) for one in sys._current_frames().values()]"
                pytest.fail(f"kernel {kernel} has {found} and is at " + "\n".join(self.ask(kernel, frames)))
            time.sleep(0.5)
        return dict(found)

    def cut_off(self, kernel: int) -> None:
        # Setting the device down would end it for good.
        self._inside("addr", "del", f"10.78.{kernel}.1/24", "dev", f"tap{kernel}")

    def connect(self, kernel: int) -> None:
        self._inside("addr", "add", f"10.78.{kernel}.1/24", "dev", f"tap{kernel}")

    def _ip(self, *words: str) -> None:
        subprocess.run(["ip", *words], check=True)

    def _inside(self, *words: str) -> None:
        self._ip("-n", self.space, *words)

    def _write(self, name: str, text: str) -> Path:
        (self.folder / name).write_text(text)
        return self.folder / name

    def _run(self, *words: str) -> None:
        with (self.folder / f"said{len(self._processes)}").open("wb") as said:
            command = ["ip", "netns", "exec", self.space, *words]
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True
            )
        self._processes.append(process)

    def _wait(self, path: Path, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not path.exists():
            assert time.monotonic() < end, (path, [p.read_bytes()[-2000:] for p in self.folder.glob("said*")])
            time.sleep(0.02)


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    made = Machines(tmp_path_factory.mktemp("two_kernels"))
    try:
        made.start()
        yield made
    finally:
        made.stop()


def hands(machines: Machines, name: str) -> str:
    """Who wrote the parts of a finished stage, in order; its files are those that it lists, and no attempt is left."""
    found = [path.parent for path in (machines.folder / "share/store/add").glob("*/stage.json")]
    told = {row["config"]["name"]: path for path in found if (row := json.loads((path / "stage.json").read_text()))}
    directory = told[name]
    files = json.loads((directory / "stage.json").read_text())["files"]
    assert set(files) == {path.name for path in directory.iterdir()} - {"DONE", "stage.json"}
    assert machines.ask(2, f"STORE.fault(stage({name!r}, parts=20))") == ""
    assert [path.name for path in directory.parent.glob(f".{directory.name}*.partial")] == []
    return "".join((directory / file).read_text() for file in sorted(files))


def test_locks_reach_from_one_kernel_to_the_other(machines: Machines) -> None:
    machines.ask(1, "[run := running(STORE.root / '.running.lock'), globals().update(run=run), run.__enter__()] and 1")
    assert machines.ask(2, "check_reach(STORE.root / '.running.lock')") is None
    for kernel in (1, 2):
        machines.ask(kernel, "apart('taken', hammer, STORE.root / 'a.lock', 10)")
    taken = [machines.outcomes(kernel, ["taken"], 60)["taken"] for kernel in (1, 2)]
    assert min(taken) > 10, taken


def test_what_one_kernel_finishes_the_other_sees_at_once(machines: Machines) -> None:
    one = "stage('seen', parts=20)"
    assert machines.ask(1, f"STORE.has({one})") is False
    machines.ask(2, "apart('seen', work, 'seen', 0.1)")
    began = time.monotonic()
    while not machines.ask(2, f"STORE.has({one})"):
        assert time.monotonic() - began < 20
    finished = time.monotonic()
    while not machines.ask(1, f"STORE.has({one})"):  # was half a minute
        assert time.monotonic() - finished < 5
    assert time.monotonic() - finished < 5


def test_a_holder_that_is_cut_off_for_a_minute_publishes_nothing_mixed(machines: Machines) -> None:
    def begin(kernel: int, name: str, seconds: int) -> None:
        machines.ask(kernel, f"apart({name!r}, work, {name!r}, {seconds}, {('add',) if name == 'resumed' else ()})")

    names = ("during", "after", "resumed")
    for name in names:
        begin(1, name, PARTITION + 20)
    time.sleep(12)
    machines.cut_off(1)
    cut = time.monotonic()
    for name, seconds in (("during", 2), ("resumed", 2), ("after", 2 * PARTITION)):
        begin(2, name, seconds)
    said = machines.outcomes(2, ["during", "resumed"], PARTITION)
    assert [said[name] for name in ("during", "resumed")] == [("done", "")] * 2
    time.sleep(max(0.0, cut + PARTITION - time.monotonic()))
    machines.connect(1)
    healed = machines.outcomes(1, names, 3 * PARTITION)
    assert {name: healed[name] for name in names} == {
        "during": ("cached", ""),
        "resumed": ("cached", ""),
        "after": ("done", ""),
    }
    assert machines.outcomes(2, ["after"], 3 * PARTITION)["after"] == ("cached", "")
    assert hands(machines, "during") == "2" * 20
    assert hands(machines, "after") == "1" * 20
    parts = hands(machines, "resumed")
    assert parts == "1" * parts.count("1") + "2" * parts.count("2")
    assert 0 < parts.count("1") < 20
