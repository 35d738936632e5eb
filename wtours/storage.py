"""Shard sets on other machines: whole sets go to any address that fsspec knows (s3, gs, hf, ...).

Such stores have no renaming that is all or nothing, so the order of the files does it: everything
else first, the dataset record last. A folder without a record is no set (FORMAT.md), here as there.
"""

import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, TypeVar

import fsspec

from wtours.errors import WtoursError
from wtours.shards.schema import RECORD_FILE, DatasetRecord
from wtours.store_faults import lasting_remedy
from wtours.whole_file import write_whole

Answer = TypeVar("Answer")

_SENT_FILE = "sent.json"
_TRIES, _FIRST_WAIT_S = 5, 1.0
_LOCAL = ("file", "local")


@dataclass(frozen=True, kw_only=True)
class Store:
    """A place for shard sets, by its address.

    Sets are made in `staging` on this machine, sent when they are whole, and removed there.
    """

    address: str
    staging: Path

    def place(self, name: str) -> str:
        """Return the address of a set."""
        return f"{self.address.rstrip('/')}/{name}"

    def record(self, name: str) -> DatasetRecord | None:
        """Return the record of a set that is there, or None where one can be sent.

        Raises:
            WtoursError: the store cannot be asked or written to, or holds a record of another
                format.
        """
        path = f"{self._root}/{name}/{RECORD_FILE}"
        if not self._ask(path, lambda: self._system.exists(path)):
            self.require_writable()
            return None
        self.staging.mkdir(parents=True, exist_ok=True)  # another machine may have made the set
        copy = self.staging / f"{name}.there.json"
        try:
            copy.write_bytes(self._ask(path, lambda: self._system.cat_file(path)))
            return DatasetRecord.read(copy)
        finally:
            copy.unlink(missing_ok=True)

    def require_writable(self) -> None:
        """Write an empty file and remove it, so that hours of work do not end before a closed door.

        Raises:
            WtoursError: its bucket is not there, or may not be written to by this user.
        """
        _ = self._writable  # once for all sets

    def send(self, folder: Path, record: DatasetRecord) -> None:
        """Send a whole set; what an earlier run has sent of the same set is not sent again.

        Args:
            folder: of the set, on this machine.
            record: its record.

        Raises:
            WtoursError: the store refuses, or fails too often in a row; the set stays in `folder`.
        """
        there = f"{self._root}/{folder.name}"
        hashes = {tar.name: tar.sha256 for tar in record.tars}
        hashes |= dict(record.tables) | dict(record.documents)
        note = self.staging / f".{folder.name}.{_SENT_FILE}"
        lie_bytes = self._sizes(there)
        if RECORD_FILE in lie_bytes:
            note.unlink(missing_ok=True)  # somebody finished a set since the note was written
            self._remove(f"{there}/{RECORD_FILE}")  # from here on the old set is none
        sent = _read(note)
        for name, digest in hashes.items():
            whole = lie_bytes.get(name) == (folder / name).stat().st_size
            if not whole or sent.get(name) != digest:
                self._put(folder / name, f"{there}/{name}")
                sent[name] = digest
                write_whole(note, json.dumps(sent))
        self._put(folder / RECORD_FILE, f"{there}/{RECORD_FILE}")
        for name in lie_bytes.keys() - hashes.keys() - {RECORD_FILE}:
            self._remove(f"{there}/{name}")  # an earlier, larger set has left it
        note.unlink(missing_ok=True)

    @cached_property
    def _opened(self) -> tuple[Any, str]:
        try:
            system, root = fsspec.core.url_to_fs(self.address)
        except (ImportError, ValueError) as fault:
            raise WtoursError(
                f"{self.address} cannot be written to ({fault})",
                remedy="install what fsspec asks for (s3fs, gcsfs, ...), or name a folder",
            ) from fault
        system.invalidate_cache()  # what it remembers may be of an earlier run in this process
        return system, str(root).rstrip("/")

    @property
    def _system(self) -> Any:
        return self._opened[0]

    @property
    def _root(self) -> str:
        return self._opened[1]

    @cached_property
    def _writable(self) -> bool:
        """True, once an empty file has been written, and removed where that is allowed."""
        self.staging.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=self.staging, prefix=".wtours-") as empty:
            path = f"{self._root}/{Path(empty.name).name}"  # a name that no other run has
            self._put(Path(empty.name), path)

        def remove() -> None:
            with suppress(PermissionError):  # who may only add can send, and leaves an empty file
                self._system.rm_file(path)

        self._ask(path, remove)
        return True

    def _put(self, file: Path, path: str) -> None:
        size_bytes = file.stat().st_size

        def send() -> None:
            # Makes folders where a store has them. `makedirs` would make a mistyped bucket, too.
            self._system.put_file(str(file), path)
            came_bytes = self._system.size(path)
            if came_bytes != size_bytes:
                raise OSError(f"{came_bytes} of {size_bytes} bytes arrived")

        self._ask(path, send)

    def _remove(self, path: str) -> None:
        def remove() -> None:
            if self._system.exists(path):
                self._system.rm_file(path)

        self._ask(path, remove)

    def _sizes(self, folder: str) -> dict[str, int]:
        """Return the size in bytes of every file of a folder that may not be there."""

        def ask() -> list[dict[str, Any]]:
            self._system.invalidate_cache()
            try:
                return list(self._system.ls(folder, detail=True))
            except FileNotFoundError:
                return []

        found = [entry for entry in self._ask(folder, ask) if entry["type"] == "file"]
        return {str(entry["name"]).rpartition("/")[2]: int(entry["size"]) for entry in found}

    def _ask(self, path: str, ask: Callable[[], Answer]) -> Answer:
        """Ask the store, a few times with growing waits.

        Stores raise errors of their own libraries, which are no `OSError` (botocore's, for one).
        """
        for number in range(1, _TRIES + 1):
            try:
                return ask()
            except Exception as fault:
                if (remedy := _lasting(fault)) is not None:
                    raise WtoursError(
                        f"{self.address} cannot be used: {path}: {fault}", remedy=remedy
                    ) from fault
                if number == _TRIES:
                    raise WtoursError(
                        f"{self.address}: {path} failed {number} times ({fault})",
                        remedy="run the same command again when the store can be reached: what "
                        "was made stays, and goes on from there",
                    ) from fault
                time.sleep(_FIRST_WAIT_S * 2 ** (number - 1))
        raise AssertionError("the last try returns or raises")


def _lasting(fault: Exception) -> str | None:
    """Return what to do about a fault that another try does not cure, or None."""
    remedy = lasting_remedy(fault)
    if remedy is None:
        return None
    return f"{remedy}; then run the same command again: what was made stays"


def open_store(out: str | Path) -> Store | None:
    """Return the store that an address names, or None where `out` is a folder of this machine.

    Sets on their way to an address are made in a folder of the user's cache that belongs to it.
    """
    scheme, found, _ = str(out).partition("://")
    if not found or scheme in _LOCAL or len(scheme) < 2:
        return None
    address = str(out)
    staging = Path.home() / ".cache" / "wtours" / sha256(address.encode()).hexdigest()[:16]
    return Store(address=address, staging=staging)


def local_folder(out: str | Path) -> Path:
    """Return the folder that a path, or an address such as `file:///data`, names."""
    scheme, found, rest = str(out).partition("://")
    return Path(rest) if found and scheme in _LOCAL else Path(out)


def _read(note: Path) -> dict[str, str]:
    try:
        sent = json.loads(note.read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return {}  # nothing was sent yet
    return sent if isinstance(sent, dict) else {}
