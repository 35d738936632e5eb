"""Room for tars in a folder that processes share: who uses, fetches and removes what.

All is told by locks of the system (flock), which vanish with a process however it ends:

- a shared lock on a tar: it is in use; whoever wants to remove it tries for an exclusive one;
- an exclusive lock on `.NAME.lock` beside it: it is being fetched, and that file is as long as the
  tar will be (without taking room), so that the others count it;
- an exclusive lock on `.room.lock`: somebody counts, removes and reserves.

What nobody has locked, and is no whole tar, was left by a killed process, and is removed.
"""

import os
import shutil
import sys
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from wtours.shards.remote import StoppedError
from wtours.shards.schema import ShardError
from wtours.whole_file import put_in_place

if sys.platform != "win32":
    import fcntl

_ASK_AGAIN_S = 0.05


class NoRoomError(ShardError):
    """The cache is full of tars in use."""


class Held:
    """A tar that nobody removes until it is released, or this process ends."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor: int | None = descriptor

    def release(self) -> None:
        """Let it be removed; it counts as used now."""
        if self._descriptor is not None:
            with suppress(PermissionError):  # another user's file, which only he may touch
                # The system's own stamp for now may be some milliseconds old.
                os.utime(self._descriptor, ns=(time.time_ns(), time.time_ns()))
            os.close(self._descriptor)
            self._descriptor = None


@dataclass(frozen=True, kw_only=True)
class _Tar:
    path: Path
    size_bytes: int
    used_s: float


class CacheRoom:
    """The tars of a cache.

    Args:
        folder: of the cache; made if it is not there.
        limit_bytes: of all tars, those that are being fetched with them.

    Raises:
        ShardError: the folder cannot be made or written to.
    """

    def __init__(self, folder: Path, *, limit_bytes: int) -> None:
        self.folder, self.limit_bytes = folder, limit_bytes
        if sys.platform == "win32":
            raise ShardError(
                "shard sets at addresses need locks that Windows lacks",
                remedy="copy the sets to this machine, and name their folder",
            )
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with self._counting():
                pass
        except OSError as fault:
            raise ShardError(
                f"{folder} cannot keep remote shards ({fault.strerror or fault})",
                remedy="name a folder that can be written to (data.cache)",
            ) from fault

    def hold(self, path: Path, *, size_bytes: int) -> Held | None:
        """Return a tar that is there, in use from now on; None where it is not."""
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        state = os.fstat(descriptor)
        if state.st_nlink and state.st_size == size_bytes:
            return Held(path, descriptor)
        os.close(descriptor)
        if state.st_nlink:
            path.unlink(missing_ok=True)  # cut short by somebody: it was whole when it got its name
        return None

    @contextmanager
    def claim(
        self, path: Path, *, size_bytes: int, spare: Collection[Path], stop: Event
    ) -> Iterator[Path | None]:
        """Yield a name to write a tar to, which gets its own when the block ends without a fault.

        Waits while another process fetches the same tar. Yields None where it is there.

        Args:
            path: its own name.
            size_bytes: room that is made for it; 0 for what does not count.
            spare: tars not to be removed for it.
            stop: ends the wait.

        Raises:
            NoRoomError: too little can be removed.
            ShardError: it would not fit into an empty cache, or on the disk.
            StoppedError: the wait was ended.
        """
        lock, part = _beside(path, "lock"), _beside(path, "partial")
        descriptor = _lock_fetching(lock, path, stop)
        if descriptor is None:
            yield None
            return
        try:
            if path.exists():
                yield None
                return
            if size_bytes:
                self._reserve(descriptor, path, size_bytes, spare)
            yield part
            put_in_place(part, path)
        finally:
            part.unlink(missing_ok=True)
            lock.unlink(missing_ok=True)  # before it is given up: a waiting process sees it
            os.close(descriptor)

    def _reserve(
        self, descriptor: int, path: Path, size_bytes: int, spare: Collection[Path]
    ) -> None:
        """Remove the least recently used tars until there is room, and take it."""
        if size_bytes > self.limit_bytes:
            raise ShardError(
                f"{path.name} has {_gb(size_bytes)}, and the cache {self.folder} may hold "
                f"{_gb(self.limit_bytes)}",
                remedy="raise the cache's limit (data.cache_gb)",
            )
        with self._counting():
            tars, reserved_bytes = self._look()
            used_bytes = reserved_bytes + sum(tar.size_bytes for tar in tars)
            on_disk_bytes = shutil.disk_usage(self.folder).free
            for tar in sorted(tars, key=lambda tar: tar.used_s):
                if used_bytes + size_bytes <= self.limit_bytes and size_bytes <= on_disk_bytes:
                    break
                if tar.path not in spare and _remove(tar.path):
                    used_bytes -= tar.size_bytes
                    on_disk_bytes += tar.size_bytes
            if used_bytes + size_bytes > self.limit_bytes:
                raise NoRoomError(
                    f"the cache {self.folder} is full: {_gb(used_bytes)} of "
                    f"{_gb(self.limit_bytes)} are in use, and {path.name} needs {_gb(size_bytes)}",
                    remedy="raise its limit (data.cache_gb), or let fewer tars be needed at once "
                    "(data.shuffle=blocks, fewer data.workers, a smaller data.batch_clips)",
                )
            if size_bytes > on_disk_bytes:
                raise ShardError(
                    f"the disk of {self.folder} has room for {_gb(on_disk_bytes)}, and {path.name} "
                    f"needs {_gb(size_bytes)}",
                    remedy="make room, or name a folder on another disk (data.cache)",
                )
            os.ftruncate(descriptor, size_bytes)

    def _look(self) -> tuple[list[_Tar], int]:
        """Return all tars, and the bytes that are reserved; remove what killed processes left."""
        while True:
            try:
                return self._look_once()
            except FileNotFoundError:
                continue  # a fetch has ended since the names were read: its tar is not among them

    def _look_once(self) -> tuple[list[_Tar], int]:
        tars, reserved_bytes = [], 0
        for folder in sorted(one for one in self.folder.iterdir() if one.is_dir()):
            for path in sorted(folder.iterdir()):
                if path.suffix == ".tar":
                    state = path.stat()
                    tars.append(_Tar(path=path, size_bytes=state.st_size, used_s=state.st_mtime))
                elif path.suffix == ".lock":
                    size_bytes = path.stat().st_size
                    if not _remove_left(path):
                        reserved_bytes += size_bytes
        return tars, reserved_bytes

    @contextmanager
    def _counting(self) -> Iterator[None]:
        descriptor = os.open(
            self.folder / ".room.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666
        )
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _lock_fetching(lock: Path, path: Path, stop: Event) -> int | None:
    """Return a descriptor with the exclusive lock; None where the tar has come meanwhile."""
    while not path.exists():
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        # One that has lost its name guards nothing any more.
        if _try_exclusive(descriptor) and os.fstat(descriptor).st_nlink:
            return descriptor
        os.close(descriptor)
        if stop.wait(_ASK_AGAIN_S):
            raise StoppedError
    return None


def _remove(tar: Path) -> bool:
    """Remove a tar unless it is in use."""
    try:
        descriptor = os.open(tar, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        if not _try_exclusive(descriptor):
            return False
        if os.fstat(descriptor).st_nlink:  # else another file may have the name by now
            tar.unlink(missing_ok=True)
        return True
    finally:
        os.close(descriptor)


def _remove_left(lock: Path) -> bool:
    """Remove a lock and its partial tar if no living process holds it.

    Raises:
        FileNotFoundError: who held it has just ended with it.
    """
    descriptor = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
    try:
        if not _try_exclusive(descriptor):
            return False
        if not os.fstat(descriptor).st_nlink:  # the name may be another's by now
            raise FileNotFoundError(lock)
        lock.with_name(lock.name.removesuffix("lock") + "partial").unlink(missing_ok=True)
        lock.unlink(missing_ok=True)
        return True
    finally:
        os.close(descriptor)


def _try_exclusive(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _beside(path: Path, kind: str) -> Path:
    return path.with_name(f".{path.name}.{kind}")


def _gb(size_bytes: int) -> str:
    return f"{size_bytes / 1e9:.3g} GB"
