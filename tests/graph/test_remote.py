"""Stores on several machines share one remote: in memory, in a folder, and on a real S3 server."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections import Counter
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import pytest

from graph.toy import RUNNER, run, run_local, stage
from xstilts.graph.events import Cached, Done, Event, Failed, Progress
from xstilts.graph.job import Job, Runner
from xstilts.graph.perform import Work
from xstilts.graph.places import Here, Local
from xstilts.graph.pool import Pool
from xstilts.graph.remote import Remote
from xstilts.graph.sharing import execute_shared
from xstilts.graph.stage import Stage, graph
from xstilts.graph.store import Store

TESTS = Path(__file__).parents[1]
TOP = stage("top")
MIDDLE = stage("middle", TOP)
BOTTOM = stage("bottom", MIDDLE)
CHAIN = [TOP, MIDDLE, BOTTOM]
FILES = 6
"""Number of files of a stage of `deep` on a remote."""


@pytest.fixture(params=["memory", "file", "s3"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    match request.param:
        case "memory":
            return f"memory://{uuid4()}/shared"
        case "file":
            return f"file://{tmp_path}/remote/shared"
    return f"{request.getfixturevalue('s3')}/shared"


def deep(job: Job) -> None:
    """As `toy.run`, with a file in a folder and an empty one."""
    run(job)
    directory = job.directory
    (directory / "in" / "folders").mkdir(parents=True)
    (directory / "in" / "folders" / "file.txt").write_text(job.stage.label)
    (directory / "in" / "empty").touch()


def share(store: Store, url: str, *targets: Stage, runner: str | Runner = deep, workers: int = 0) -> list[Event]:
    """A run as on another machine."""
    store = Store(store.root)
    work = Work(store, runner, {})
    pool = Pool(targets, work, Local(workers)) if workers else Here(work)
    return list(execute_shared(targets, work, pool, Remote(url)))


def compute(store: Store, *targets: Stage) -> None:
    """A run without a remote."""
    list(run_local(targets, store, deep, {}, 0))


def done(events: list[Event]) -> list[str]:
    return [event.stage.label for event in events if isinstance(event, Done)]


def said(events: list[Event]) -> list[str]:
    return [str(event) for event in events if isinstance(event, Progress) and event.fraction is None]


def there(store: Store, *stages: Stage) -> list[str]:
    """Labels of the stages that a store has; nothing is left over."""
    assert [path for path in store.root.glob("add/.*") if path.suffix != ".damaged"] == []
    return [one.label for one in stages if store.finished(one)]


@pytest.fixture
def one(tmp_path: Path) -> Store:
    return Store(tmp_path / "one")


@pytest.fixture
def two(tmp_path: Path) -> Store:
    return Store(tmp_path / "two")


def test_of_two_runs_the_second_fetches_what_it_needs_and_computes_the_rest(url: str, one: Store, two: Store) -> None:
    own = stage("own", MIDDLE)
    assert done(share(one, url, *CHAIN[:2])) == ["top", "middle"]
    events = share(two, url, BOTTOM, own)
    assert said(events) == [f"add middle: fetched from {url}"]
    assert sorted(done(events)) == ["bottom", "own"]
    assert there(two, *CHAIN, own) == ["middle", "bottom", "own"], "what is before a fetched stage is not needed"
    assert (two.directory(MIDDLE) / "in" / "folders" / "file.txt").read_text() == "middle"
    assert (two.directory(BOTTOM) / "value.json").read_text() == "3"
    before, after = (json.loads((store.directory(MIDDLE) / "stage.json").read_text()) for store in (one, two))
    assert before == after
    assert done(share(one, url, BOTTOM, own)) == [], "and back"
    assert said(share(one, url, BOTTOM, own)) == []


def test_worker_processes_compute_and_the_driver_alone_pushes(url: str, one: Store, two: Store) -> None:
    stages = [TOP, *(stage(str(n), TOP) for n in range(6))]
    events = share(one, url, *stages, runner=RUNNER, workers=2)
    assert Counter(done(events)) == Counter(each.label for each in stages)
    assert done(share(two, url, *stages)) == []
    assert len(there(two, *stages)) == 7


def test_what_a_store_had_before_is_pushed_too(url: str, one: Store, two: Store) -> None:
    compute(one, *CHAIN)
    shutil.rmtree(one.directory(TOP))  # as users do with weights
    events = share(one, url, BOTTOM)
    assert [event.stage.label for event in events if isinstance(event, Cached)] == ["top", "middle", "bottom"]
    assert done(share(two, url, *CHAIN)) == ["top"]
    assert there(two, *CHAIN) == ["top", "middle", "bottom"]


def test_weights_that_lie_in_another_stage_are_fetched_with_it(url: str, one: Store, two: Store) -> None:
    adapter = stage("adapter", stage("base", TOP), points=True)
    share(one, url, adapter, runner=RUNNER)
    share(two, url, stage("reader", adapter), runner=RUNNER)
    assert there(two, *graph([stage("reader", adapter)])) == ["base", "adapter", "reader"]
    shutil.rmtree(two.directory(stage("base", TOP)))
    share(two, url, stage("second", adapter), runner=RUNNER)
    assert there(two, stage("base", TOP)) == ["base"]


def test_a_model_that_is_not_on_this_machine_is_not_pointed_to(
    url: str, one: Store, two: Store, tmp_path: Path
) -> None:
    start = stage("start", files={})
    place = tmp_path / "elsewhere"

    def points(job: Job) -> None:
        place.mkdir()
        (job.directory / "pointer.json").write_text(json.dumps({"source": str(place)}))

    assert done(share(one, url, start, runner=points)) == ["start"]
    assert said(share(two, url, start, runner=points)) == [f"add start: fetched from {url}"]
    shutil.rmtree(two.root)
    place.rename(tmp_path / "moved")
    assert done(share(two, url, start, runner=points)) == ["start"]
    manifest = files(Remote(url), "finished")
    share(one, url, start, runner=points)
    assert files(Remote(url), "finished") == manifest, "nobody's copy replaces another's"


def files(remote: Remote, folder: str = "") -> dict[str, bytes]:
    """All files below a folder of a remote, by path; `remote._fs` is what another program would see."""
    root = f"{remote._root}/{folder}".rstrip("/")
    return {path.removeprefix(f"{remote._root}/"): remote._fs.cat_file(path) for path in remote._fs.find(root)}


def place_of(remote: Remote, ends: str) -> str:
    [path] = [path for path in files(remote) if path.endswith(ends)]
    return f"{remote._root}/{path}"


@pytest.mark.parametrize(
    ("url", "damage"),
    [
        ("memory", "flipped"),
        ("s3", "flipped"),
        ("s3", "gone"),
        *(("file", damage) for damage in ("flipped", "gone", "empty", "of another stage", "climbing", "nonsense")),
    ],
    indirect=["url"],
)
def test_what_is_damaged_on_the_remote_is_named_computed_anew_and_replaced(
    url: str, one: Store, two: Store, damage: str
) -> None:
    share(one, url, TOP)
    remote = Remote(url)
    fs, folder = remote._fs, place_of(remote, "value.json").rpartition("/")[0]
    match damage:
        case "flipped":
            fs.pipe_file(f"{folder}/value.json", b"7")
            why = "value.json has changed since it was written"
        case "gone":
            fs.rm_file(f"{folder}/in/folders/file.txt")
            why = "in/folders/file.txt is missing"
        case "empty":
            fs.pipe_file(f"{folder}/stage.json", b"")
            why = "stage.json has changed since it was written"
        case "of another stage":
            share(one, url, stage("other"))
            other = files(remote, f"finished/add/{stage('other').key}").popitem()[1].decode()
            for path, data in files(remote, f"add/{stage('other').key}/{other}").items():
                fs.pipe_file(f"{remote._root}/{path.replace(stage('other').key, TOP.key)}", data)
            fs.pipe_file(f"{remote._root}/finished/add/{TOP.key}", other.encode())
            why = "stage.json describes another stage"
        case "climbing":
            fs.pipe_file(f"{remote._root}/finished/add/{TOP.key}", b"../../../etc")
            why = "its manifest is no checksum"
        case "nonsense":
            fs.pipe_file(f"{remote._root}/finished/add/{TOP.key}", b"")
            why = "its manifest is no checksum"
    events = share(two, url, TOP)
    assert done(events) == ["top"]
    [line] = said(events)
    assert line.startswith(f"add top: {url}/add/{TOP.key} is damaged ({why}): ")
    assert "\n" not in line
    third = Store(two.root.parent / "three")
    assert done(share(third, url, TOP)) == []
    assert there(third, TOP) == ["top"]
    assert said(share(one, url, TOP)) == []
    if damage in ("flipped", "gone", "empty"):  # else nothing says what was there
        assert len([path for path in files(remote) if TOP.key in path]) == FILES + 1, "what was replaced is gone"


def test_a_stage_that_names_files_outside_its_folder_is_refused(one: Store, two: Store, url: str) -> None:
    share(one, url, TOP)
    remote = Remote(url)
    told = json.loads((one.directory(TOP) / "stage.json").read_text())
    told["files"]["../../../evil.txt"] = "0" * 64
    content = json.dumps(told).encode()
    digest = sha256(content).hexdigest()
    folder = f"{remote._root}/add/{TOP.key}/{digest}"
    remote._fs.pipe_file(f"{folder}/stage.json", content)
    remote._fs.pipe_file(f"{remote._root}/finished/add/{TOP.key}", digest.encode())
    remote._sizes = lambda folder: dict.fromkeys(told["files"], 1) | {"stage.json": 1}  # type: ignore[method-assign]
    assert "evil.txt is missing" in remote.fetch(TOP, two)
    assert list(two.root.parent.rglob("evil.txt")) == []


@pytest.mark.parametrize("url", ["file", "s3"], indirect=True)
def test_of_two_that_publish_at_once_one_wins_and_the_other_leaves_nothing(url: str, one: Store, two: Store) -> None:
    for store in (one, two):
        compute(store, TOP)
    remote = Remote(url)
    together = threading.Barrier(2)
    create = remote._create

    def wait(path: str, text: str) -> bool:
        together.wait(60)  # both have uploaded their files
        return create(path, text)

    remote._create = wait  # type: ignore[method-assign]
    threads = [threading.Thread(target=remote.push, args=(TOP, store)) for store in (one, two)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    [digest] = files(remote, "finished").values()
    assert {path.split("/")[2] for path in files(remote, "add")} == {digest.decode()}
    third = Store(two.root.parent / "three")
    assert remote.fetch(TOP, third) == f"fetched from {url}"
    assert there(third, TOP) == ["top"]


MOMENTS = """
import sys
from pathlib import Path
from graph.toy import killed_at, run, stage
from xstilts.graph.perform import Work, perform
from xstilts.graph.remote import Remote
from xstilts.graph.store import Store

ONE = stage("one", parts=2)
what, root = sys.argv[1], Path(sys.argv[2])
local = Store(root / "local")
perform(Work(local, run, {}), ONE, lambda message: None)

def look(remote, to):
    "What a machine sees: nothing, or all of it."
    fetched = remote.fetch(ONE, to)
    assert fetched.startswith("fetched") == to.has(ONE), fetched
    assert not to.has(ONE) or to.fault(ONE) == ""

moment, killed, seen = 0, True, set()
while killed:
    moment += 1
    remote, other = Remote(f"file://{root}/{moment}"), Store(root / f"other{moment}")
    if what == "push":
        killed = killed_at(moment, lambda: remote.push(ONE, local))
        look(remote, other)
        seen.add(other.has(ONE))
        assert remote.push(ONE, local) == ""
        remote = Remote(remote.url)
    else:
        remote.push(ONE, local)
        killed = killed_at(moment, lambda: remote.fetch(ONE, other))
        seen.add(other.has(ONE))
    assert other.has(ONE) or "fetched" in remote.fetch(ONE, other), moment
    assert remote.fetch(ONE, other) == ""
    assert {path.name for path in (other.root / "add").iterdir()} == {ONE.key}, moment
    assert (other.directory(ONE) / "parts.txt").read_text() == "0\\n1\\n"
assert seen == {False, True}, seen
print(moment)
"""


def script(text: str, *words: object) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(TESTS), *filter(None, sys.path)])
    command = [sys.executable, "-c", text, *map(str, words)]
    return subprocess.run(command, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("what", ["push", "fetch"])
def test_killed_at_every_call_to_the_file_system_nothing_half_is_seen(what: str, tmp_path: Path) -> None:
    ran = script(MOMENTS, what, tmp_path)
    assert ran.stderr == ""
    assert int(ran.stdout.split()[-1]) > 8


KILLED = """
import os, signal, sys
from pathlib import Path
from graph.toy import stage
from s3fs import S3FileSystem
from xstilts.graph.remote import Remote
from xstilts.graph.store import Store

remote, puts, call = Remote(sys.argv[1]), [], S3FileSystem._call_s3

async def kill(self, method, *rest, **named):
    answer = await call(self, method, *rest, **named)
    if method == "put_object":
        puts.append(named["Key"])
        if len(puts) == int(sys.argv[3]):
            os.kill(os.getpid(), signal.SIGKILL)
    return answer

S3FileSystem._call_s3 = kill
remote.push(stage("top"), Store(Path(sys.argv[2])))
"""


@pytest.mark.parametrize("puts", [1, FILES])
def test_killed_in_the_middle_of_a_push_to_s3_the_next_run_completes_it(
    s3: str, one: Store, two: Store, puts: int
) -> None:
    compute(one, TOP)
    assert script(KILLED, s3, one.root, puts).returncode == -signal.SIGKILL
    assert puts <= len(files(Remote(s3), "add")) <= FILES
    assert Remote(s3).fetch(TOP, two) == ""
    assert there(two, TOP) == []
    assert done(share(one, s3, TOP)) == []
    assert done(share(two, s3, TOP)) == []
    assert there(two, TOP) == ["top"]


@pytest.mark.parametrize("fault", ["in the way", "full"])
def test_a_push_that_fails_is_the_stages_failure_and_the_same_run_pushes_it_later(
    one: Store, two: Store, tmp_path: Path, fault: str
) -> None:
    place = tmp_path / "disk"
    place.mkdir()
    if full := fault == "full":
        mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)]
        if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
            pytest.skip("only root can mount a small disk")
        why = "No space left on device: .*: free some space, then run the same command again"
    else:
        why = "Not a directory: .*"
    try:
        url = f"file://{place}"
        Remote(url)
        in_the_way = place / ("fill" if full else "add")
        with suppress(OSError), in_the_way.open("wb", buffering=0) as file:
            while full:
                file.write(b"0" * 4096)
        failed = [event for event in share(one, url, BOTTOM) if isinstance(event, Failed)]
        assert [event.stage for event in failed] == CHAIN
        [error] = {event.error for event in failed}
        assert re.fullmatch(
            rf"pushing to {url} failed: .*{why}; it is finished and kept, and the same command.*", error
        )
        in_the_way.unlink()
        assert done(share(one, url, BOTTOM)) == []
        assert done(share(two, url, BOTTOM)) == []
        assert there(two, BOTTOM) == ["bottom"]
    finally:
        if full:
            subprocess.run(["umount", place], check=True)


def test_what_another_run_pushes_meanwhile_is_fetched_when_its_turn_comes(url: str, one: Store, two: Store) -> None:
    def beside(job: Job) -> None:
        if job.stage == TOP:
            share(one, url, MIDDLE)
        run(job)

    events = share(two, url, BOTTOM, runner=beside)
    assert done(events) == ["top", "bottom"]
    assert said(events) == [f"add middle: fetched from {url}"]
    assert there(two, *CHAIN) == ["top", "middle", "bottom"]


def test_a_remote_that_is_lost_during_a_run_stops_no_computing(one: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"memory://{uuid4()}"

    def lost(*_: object, **__: object) -> None:
        raise ConnectionError("Could not connect to the server")

    remote = Remote(url)
    monkeypatch.setattr(type(remote._fs), "cat_file", lost)
    work = Work(one, RUNNER, {})
    events = list(execute_shared([BOTTOM], work, Here(work), remote))
    assert said(events) == [
        f"add top: fetching from {url} failed: Could not connect to the server: check the network, and "
        "AWS_ENDPOINT_URL if the server is not Amazon's; this run computes what is missing"
    ]
    assert [type(event) for event in events if isinstance(event, Done | Failed)] == [Failed] * 3
    assert there(one, *CHAIN) == ["top", "middle", "bottom"]
