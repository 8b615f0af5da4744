"""The store: key -> directory. A stage is complete or absent, whatever process is killed at whatever time.

STORE.json                 format of this folder
<kind>/<key>/              a finished stage: its files, stage.json with their checksums, and DONE, written last
<kind>/.<key>.<attempt>.partial/  an attempt at one, running or killed; may hold checkpoints
<kind>/.<key>.partial/     an attempt that ended unfinished
<kind>/.<key>.damaged/     a stage with changed files, which a run has set aside
<kind>/.<key>.refused      a reader found the finished stage damaged
<kind>/.<key>.lock         held and signed by the process that computes the stage; unlocked by the kernel if it dies
failures/<key>.txt         why the last attempt at a stage failed
tracking/                  what `--track` keeps
"""

import os
from collections.abc import Container, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from xstilts.core.errors import StoreError
from xstilts.core.files import read_object, write_json
from xstilts.graph.attempts import Attempt, attempts, begin, discard, ended, publish, remove, seal, set_aside
from xstilts.graph.locks import holder, release, try_lock
from xstilts.graph.record import REMEDY, Record
from xstilts.graph.stage import Stage

FORMAT = 1
NOT_STAGES = ("experiments", "failures", "reports", "tracking")
ELSEWHERE = "choose another folder with --store"


class Store:
    """A folder of finished stages.

    Args:
        root: the folder; made if missing.
        must_exist: do not make one (for commands that only read).

    Raises:
        StoreError: the folder has another format, is not a store, cannot be written to, or is missing though it must
            exist.
    """

    def __init__(self, root: Path, must_exist: bool = False) -> None:
        self.root = root.absolute()
        self._read: dict[Path, Record] = {}
        self._own: dict[Stage, Attempt] = {}
        marker = self.root / "STORE.json"
        # Listed before the marker is looked for: another run may be making the same store at this moment.
        foreign = self.root.is_dir() and any(not path.name.startswith(".") for path in self.root.iterdir())
        if marker.is_file():
            if (number := read_object(marker).get("format")) != FORMAT:
                raise StoreError(
                    f"{self.root} is a store of format {number} and this xstilts reads format {FORMAT}: "
                    "use the xstilts that made it, or choose a new folder with --store"
                )
        elif must_exist:
            raise StoreError(f"no store in {self.root}: `xstilts run` makes one; name another with --store")
        elif foreign or (self.root.exists() and not self.root.is_dir()):
            raise StoreError(f"{self.root} has files and is not a store: choose a new or empty folder with --store")
        else:
            try:
                write_json(marker, {"format": FORMAT})
            except OSError as error:
                raise StoreError(f"cannot make a store in {self.root} ({error.strerror}): {ELSEWHERE}") from None
        if not must_exist and not os.access(self.root, os.W_OK | os.X_OK):
            raise StoreError(f"{self.root} cannot be written to: {ELSEWHERE}")

    def directory(self, stage: Stage) -> Path:
        """The directory of the stage once it is finished."""
        return self.root / stage.kind / stage.key

    def begin(self, stage: Stage, resume: bool = False) -> Path:
        """Make a directory for a new attempt; to `resume`, with what the newest older attempt left.

        Call it while holding the lock. Replace the files that are there, and never write into them: an older attempt
        shares them and may still run.
        """
        self._own[stage] = begin(self.root / stage.kind, stage.key, resume)
        return self._own[stage].path

    def partial(self, stage: Stage) -> Path:
        """The directory of this object's attempt, otherwise of the newest one; it may be missing."""
        if stage in self._own:
            return self._own[stage].path
        folder = self.root / stage.kind
        return next(reversed(attempts(folder, stage.key)), ended(folder, stage.key))

    def is_lost(self, stage: Stage) -> bool:
        """Whether another process has removed our attempt, because it has the lock or has published the stage."""
        return stage in self._own and self._own[stage].is_lost

    def failure(self, stage: Stage) -> Path:
        """The file that says why the last attempt failed."""
        return self.root / "failures" / f"{stage.key}.txt"

    def has(self, stage: Stage) -> bool:
        done = self.directory(stage) / "DONE"
        if not (found := done.is_file()):
            self.look([stage.kind])
            found = done.is_file()
        return found

    def look(self, kinds: Iterable[str]) -> None:
        """Open the folders of these kinds: until then an NFS client may take a new file for missing for 30 seconds."""
        for folder in (self.root, *map(self.root.joinpath, kinds)):
            with suppress(OSError):
                os.close(os.open(folder, os.O_RDONLY))

    def finished(self, stage: Stage) -> Path | None:
        """The directory of a stage, its files compared; None if it is missing. Raises `StoreError` for damage."""
        directory = self.directory(stage)
        if not os.path.lexists(directory):
            return None
        self.sound(self._record(directory))
        return directory

    def existing(self, stage: Stage) -> Path:
        """The directory of a finished stage. Raises `StoreError` if it is missing or damaged."""
        directory = self.finished(stage)
        if directory is None:
            raise StoreError(f"{stage} is not finished in {self.root}: `xstilts run` computes it")
        return directory

    def sound(self, record: Record) -> Record:
        """The record, after its files, and those of the stage whose weights it uses in place, are compared once.

        Raises `StoreError` if one of the two is damaged, or the second is gone.
        """
        try:
            record = self._read.setdefault(record.directory, record).sound()
        except StoreError:
            with suppress(OSError):  # a read-only store
                self._refused(record).touch()
            raise
        if record.base is not None:
            if not record.base.exists():
                raise StoreError(f"{record.directory} uses the weights in {record.base}, which is gone: {REMEDY}")
            self.sound(self._record(record.base))
        return record

    def fault(self, stage: Stage, files: bool = True) -> str:
        """The fault of a finished stage, in one line, or ""; `files`: in its other files too, not only `stage.json`."""
        try:
            record = self._record(self.directory(stage))
            if files:
                record.sound()
        except StoreError as error:
            return str(error)
        return ""

    def lacks_base(self, stage: Stage) -> bool:
        """Whether a stage without fault uses weights of another one that is gone or damaged."""
        try:
            self.existing(stage)
        except StoreError:
            return True
        return False

    def _record(self, directory: Path) -> Record:
        if directory not in self._read:
            self._read[directory] = Record.read(directory)
        return self._read[directory]

    def was_refused(self, stage: Stage) -> bool:
        """Whether a reader found the stage damaged and it has not been computed since."""
        return self._refused(stage).exists()

    def _refused(self, stage: Stage | Record) -> Path:
        return self.root / stage.kind / f".{stage.key}.refused"

    def set_aside(self, stage: Stage) -> None:
        """Rename a damaged stage, so that it is computed again, unless another run holds it."""
        directory = self.directory(stage)
        with self.lock(stage) as ours:
            self._read.pop(directory, None)
            if ours and self.has(stage) and self.fault(stage):  # else another run has computed it again
                set_aside(directory)
                self._read.pop(directory, None)

    def publish(self, stage: Stage, started: datetime) -> bool:
        """Finish our attempt with one rename, under the lock; False if another one was first, or removed this one."""
        partial = self.partial(stage)
        seal(stage, partial, [record.environment for record in self.records(stage.inputs.values())], started)
        return self.accept(stage, partial, self._own[stage].older if stage in self._own else ())

    def accept(self, stage: Stage, sealed: Path, older: Iterable[Path]) -> bool:
        """Publish a directory that is already sealed, and remove the `older` ones."""
        if self.is_lost(stage) or not publish(sealed, self.directory(stage), older):
            discard(sealed)
            return False
        self._refused(stage).unlink(missing_ok=True)
        self.failure(stage).unlink(missing_ok=True)
        self._read.pop(self.directory(stage), None)
        return True

    @contextmanager
    def lock(self, stage: Stage) -> Iterator[bool]:
        """Yields whether this process now holds the stage, without waiting."""
        path = self._lock(stage)
        handle = try_lock(path)
        try:
            yield handle is not None
        finally:
            if handle is not None:
                if stage in self._own:
                    self._own.pop(stage).end()
                release(path, handle)

    def holder(self, stage: Stage) -> str:
        return holder(self._lock(stage))

    def _lock(self, stage: Stage) -> Path:
        return self.root / stage.kind / f".{stage.key}.lock"

    def stages(self) -> list[Record]:
        """All finished stages, oldest first. Raises `StoreError` if a description is damaged."""
        found = [path.parent for path in self.root.glob("*/*/DONE") if not path.parent.name.startswith(".")]
        return sorted(map(Record.read, found), key=lambda record: (record.finished, record.key))

    def records(self, stages: Iterable[Stage]) -> list[Record]:
        """The finished ones of these stages, in their order. Raises `StoreError` if a description is damaged."""
        return [Record.read(self.directory(stage)) for stage in stages if self.has(stage)]

    def find(self, key: str) -> Record:
        """The finished stage whose key begins with `key`. Raises `StoreError` if there is none or several."""
        found = [record for record in self.stages() if record.key.startswith(key)]
        if len(found) == 1:
            return found[0]
        if not found:
            raise StoreError(f"no finished stage '{key}' in {self.root}: `xstilts list models` prints keys of models")
        near = ", ".join(f"{record.key} ({record.kind})" for record in found[:3])
        raise StoreError(f"'{key}' begins {len(found)} keys in {self.root}: {near} ...; give more digits")

    def sizes(self) -> dict[str, int]:
        """Bytes by kind of stage, with `unfinished` for what is not finished."""
        sizes: dict[str, int] = {}
        for folder in self.root.glob("*/*"):
            if folder.is_dir():
                name = "unfinished" if folder.name.startswith(".") else folder.parent.name
                sizes[name] = sizes.get(name, 0) + _size(folder)
        return sizes

    def unneeded(self, needed: Container[str]) -> dict[Path, int]:
        """Folder -> bytes, for stages whose keys are not `needed` and for what is left over beside finished ones."""
        found = {}
        for path in sorted(self.root.glob("*/*")):
            if path.is_dir() and path.parent.name not in NOT_STAGES:
                finished = path.with_name(_key(path))
                left_over = path.suffix == ".damaged" or (path != finished and (finished / "DONE").is_file())
                if left_over or finished.name not in needed:
                    found[path] = _size(path)
        return found

    def remove(self, folders: Iterable[Path]) -> list[Path]:
        """Remove folders of stages, finished or not; returns those that are in use, which stay."""
        used = []
        for folder in folders:
            path = folder.with_name(f".{_key(folder)}.lock")
            if (handle := try_lock(path)) is not None:
                remove(folder / "DONE")  # first, so that a kill leaves nothing that looks finished
                remove(folder)
                release(path, handle)
            else:
                used.append(folder)
        return used


def _key(folder: Path) -> str:
    return folder.name.removeprefix(".").partition(".")[0]


def _size(folder: Path) -> int:
    total = 0
    for place, _, names in os.walk(folder):  # ignores folders that vanish: a run may be renaming them
        for name in names:
            with suppress(FileNotFoundError):
                total += Path(place, name).lstat().st_size
    return total
