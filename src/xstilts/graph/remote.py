"""A remote: finished stages on an object store or another file system of fsspec, shared by stores on many machines.

REMOTE.json               format of this remote
<kind>/<key>/<digest>/    the files of a finished stage; the digest is the SHA-256 of its `stage.json`, which has theirs
finished/<kind>/<key>     its manifest: that digest, written after the files by one conditional PUT

A stage is there if its manifest is. Folders are named by their content: two processes that push the same stage never
write different content to one file, and the next push continues from the files of a killed one.
"""

import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex

from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from xstilts.core.errors import ConfigError, StoreError, XstiltsError
from xstilts.core.files import disk_fault
from xstilts.graph.attempts import attempts, discard, new
from xstilts.graph.record import Record, damaged
from xstilts.graph.stage import Stage
from xstilts.graph.store import Store

FORMAT = 1
_DIGEST = re.compile("[0-9a-f]{64}")
_HINTS = {
    "bucket does not exist": "create it, or correct its name",
    "redentials": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE",
    "onnect": "check the network, and AWS_ENDPOINT_URL if the server is not Amazon's",
}
"""What to do, by words in the message, since each file system has its own exceptions."""


class Remote:
    """A folder of finished stages, given by its URL.

    Args:
        url: `s3://BUCKET/FOLDER`, or another URL that fsspec reads. The folder is made if missing.

    Attributes:
        known: keys of the stages that were there when it was opened.

    Raises:
        ConfigError: not a URL, or the package that reads it is not installed.
        StoreError: it cannot be reached or written to, or has another format.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        protocol, _, place = url.partition("://")
        if not place.strip("/"):
            raise ConfigError(f"--remote {url}: give the URL of a folder, such as s3://BUCKET/FOLDER")
        options = {"auto_mkdir": True} if protocol in ("file", "local") else {}
        try:
            self._fs, path = url_to_fs(url, use_listings_cache=False, **options)
        except ImportError as error:
            needed = "pip install 'xstilts[s3]'" if protocol in ("s3", "s3a") else str(error)
            reason = f"the package that reads {protocol}:// is not installed: {needed}"
            raise ConfigError(f"--remote {url}: {reason}") from None
        except ValueError as error:
            raise ConfigError(f"--remote {url}: {error}: give a URL such as s3://BUCKET/FOLDER") from None
        self._root = str(path).rstrip("/")
        self._damaged: dict[Stage, str] = {}  # their manifests; the files are not what was written
        with self._faults(f"--remote {self.url}"):
            self.known = frozenset(path.rpartition("/")[2] for path in self._fs.find(f"{self._root}/finished"))
            self._check_format()

    def lacks(self, stage: Stage) -> bool:
        """Whether the stage was missing when this was opened, or has been found damaged since."""
        return stage.key not in self.known or stage in self._damaged

    def fetch(self, stage: Stage, store: Store) -> str:
        """Finish a stage of `store` with the files of the remote. Returns what happened, for people; empty: nothing.

        Nothing happens if the remote lacks the stage or has it damaged, if the store has it or another process holds
        it, or if it points to a model that is not on this machine. Damage is returned as a line, not raised; raises
        `StoreError` if the remote cannot be read.
        """
        with self._faults(f"fetching from {self.url} failed", stage), store.lock(stage) as ours:
            digest = self._digest(stage) if ours and not store.has(stage) else None
            if digest is None or digest == self._damaged.get(stage):
                return ""
            folder = store.directory(stage).parent
            older, made = attempts(folder, stage.key), new(folder, stage.key)
            try:
                usable = not self._filled(made, stage, digest).astray
                return f"fetched from {self.url}" if usable and store.accept(stage, made, older) else ""
            except StoreError as error:
                self._damaged[stage] = digest
                return str(error).replace(str(made), f"{self.url}/{stage.kind}/{stage.key}")
            finally:
                discard(made)  # an accepted one has another name by now

    def _filled(self, made: Path, stage: Stage, digest: str) -> Record:
        """Download the files of a stage into `made` and compare them. Raises `StoreError` for damage."""
        if not _DIGEST.fullmatch(digest):
            raise damaged(made, "its manifest is not a checksum")
        source = self._folder(stage, digest)
        there = self._sizes(source)

        def get(names: Sequence[str]) -> None:
            for name in names:
                if name not in there or not (made / name).resolve().is_relative_to(made.resolve()):
                    raise damaged(made, f"{name} is missing")
            self._fs.get([f"{source}/{name}" for name in names], [str(made / name) for name in names])

        get(["stage.json"])
        (made / "DONE").write_text(digest, encoding="ascii")
        record = Record.read(made, stage.key)
        get(list(record.files))
        return record if record.astray else record.sound()

    def push(self, stage: Stage, store: Store) -> str:
        """Upload a finished stage unless it is there; returns why it cannot be pushed, or "". Raises `StoreError`."""
        with self._faults(f"pushing to {self.url} failed", stage):
            before = self._digest(stage)
            if before is not None and _DIGEST.fullmatch(before) and before != self._damaged.get(stage):
                return ""
            if fault := store.fault(stage):
                return f"not pushed: {fault}"
            directory = store.directory(stage)
            record, digest = Record.read(directory), (directory / "DONE").read_text(encoding="ascii")
            target = self._folder(stage, digest)
            there = self._sizes(target)
            names = [n for n in ("stage.json", *record.files) if there.get(n) != (directory / n).stat().st_size]
            self._fs.put([str(directory / name) for name in names], [f"{target}/{name}" for name in names])
            if before is not None:
                self._fs.pipe_file(self._manifest(stage), digest.encode())
                self._drop(stage, before, kept=digest)
            elif not self._create(self._manifest(stage), digest):  # another process has pushed it first
                self._drop(stage, digest, kept=self._digest(stage) or "")
            return ""

    def _manifest(self, stage: Stage) -> str:
        return f"{self._root}/finished/{stage.kind}/{stage.key}"

    def _folder(self, stage: Stage, digest: str) -> str:
        return f"{self._root}/{stage.kind}/{stage.key}/{digest}"

    def _digest(self, stage: Stage) -> str | None:
        try:
            return str(self._fs.cat_file(self._manifest(stage)), "ascii", "replace")
        except FileNotFoundError:
            return None

    def _sizes(self, folder: str) -> dict[str, int]:
        """Relative path -> bytes of all files below a folder."""
        found = self._fs.find(folder, detail=True)
        return {path.removeprefix(f"{folder}/"): about["size"] for path, about in found.items()}

    def _create(self, path: str, text: str) -> bool:
        """Write a small file as a whole; False if it exists. On S3 this is one PUT with `If-None-Match: *`."""
        if isinstance(self._fs, LocalFileSystem):  # whose mode "xb" first shows others an empty file
            scratch, final = Path(self._root, f".{token_hex(8)}.part"), Path(path)
            final.parent.mkdir(parents=True, exist_ok=True)
            scratch.write_text(text, encoding="utf-8")
            try:
                os.link(scratch, final)
            except FileExistsError:
                return False
            finally:
                scratch.unlink()
            return True
        try:
            with self._fs.open(path, "xb") as file:
                file.write(text.encode())
        except OSError:  # FileExistsError, but not all libraries make that of HTTP 412
            if not self._fs.exists(path):
                raise
            return False
        return True

    def _drop(self, stage: Stage, digest: str, kept: str) -> None:
        """Remove a folder unless it is `kept`, which the manifest names; it stays if removing is not allowed."""
        if digest != kept and _DIGEST.fullmatch(digest) and _DIGEST.fullmatch(kept):
            with suppress(OSError):
                self._fs.rm(self._folder(stage, digest), recursive=True)

    def _check_format(self) -> None:
        marker = f"{self._root}/REMOTE.json"
        try:
            found = json.loads(self._fs.cat_file(marker))
        except FileNotFoundError:
            if self._fs.exists(f"{self._root}/STORE.json"):
                raise StoreError(
                    f"--remote {self.url}: this folder is a store; use a separate folder for --remote"
                ) from None
            self._create(marker, json.dumps({"format": FORMAT}))
            return
        except ValueError:
            found = None
        if not isinstance(found, dict) or found.get("format") != FORMAT:
            raise StoreError(
                f"--remote {self.url}: REMOTE.json is not of format {FORMAT}, which this xstilts reads: "
                "use the xstilts that made it, or another folder"
            )

    @contextmanager
    def _faults(self, doing: str, stage: Stage | None = None) -> Iterator[None]:
        """Turn every exception of a file system into a `StoreError` of one line, the same for all stages."""
        try:
            yield
        except XstiltsError:
            raise
        except Exception as error:  # each library has its own
            text = " ".join(str(error).split()) or type(error).__name__
            if stage is not None:
                text = re.sub(rf"(/finished)?/{stage.kind}/{stage.key}[^\s\"']*", "", text)
            hints = [hint for words, hint in _HINTS.items() if words in text]
            if isinstance(error, PermissionError):
                hints = ["check the credentials and their permissions"]
            raise StoreError(f"{doing}: {disk_fault(OSError(text)) or ': '.join([text, *hints[:1]])}") from error
