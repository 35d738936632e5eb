"""A folder at an address that fsspec knows (s3, gs, hf, http, memory): read, listed, copied from.

A web server lists nothing by any standard: where its pages have links to the folders (as those of
nginx, Apache and `python -m http.server`), they are found; else the address of one set works.
"""

import errno
from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from threading import Event, Lock
from typing import Any, TypeVar

from wtours.shards.schema import RECORD_FILE, ShardError
from wtours.store_faults import lasting_remedy
from wtours.whole_file import file_sha256

Answer = TypeVar("Answer")
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
_MAGIC = "*?["


class StoppedError(Exception):
    """Nobody wants the bytes any more."""


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How a store's failures are met."""

    tries: int = 6
    """How often one thing is asked for before it is an error."""
    first_wait_s: float = 0.5
    """Wait after the first failure; each further wait is twice as long."""
    longest_wait_s: float = 30.0
    timeout_s: float = 60.0
    """How long a web server may be silent; other stores' libraries have their own bounds."""

    def wait_s(self, failures: int) -> float:
        """Return how long to wait after so many failures in a row."""
        return min(self.longest_wait_s, self.first_wait_s * 2.0 ** (failures - 1))


@dataclass(kw_only=True)
class Traffic:
    """What was asked of stores; several threads add to it."""

    tars: int = 0
    """Tars fetched."""
    size_bytes: int = 0
    """Bytes of them."""
    failures: int = 0
    """Tries that failed."""
    waited_s: float = 0.0
    """Time that a reader waited for tars."""
    lock: Any = field(default_factory=Lock, repr=False)

    def add(
        self, *, tars: int = 0, size_bytes: int = 0, failures: int = 0, waited_s: float = 0.0
    ) -> None:
        """Count."""
        with self.lock:
            self.tars += tars
            self.size_bytes += size_bytes
            self.failures += failures
            self.waited_s += waited_s

    def __str__(self) -> str:
        tries = f", {self.failures} tries failed and were repeated" if self.failures else ""
        return (
            f"{self.tars} tars ({self.size_bytes / 1e9:.3g} GB) fetched, "
            f"{self.waited_s:.0f} s spent waiting for them{tries}"
        )


class RemoteFolder:
    """A folder of a store.

    Args:
        address: such as s3://bucket/shards, without a slash at its end.
        patience: with failures.
        traffic: where failures are counted.
        stop: ends waits and transfers, which then raise StoppedError.

    Raises:
        ShardError: the package for this kind of address is missing, or there is none.
    """

    def __init__(
        self, address: str, *, patience: Patience, traffic: Traffic, stop: Event | None = None
    ) -> None:
        self.address = address.rstrip("/")
        self._patience, self._traffic, self._stop = patience, traffic, stop or Event()
        import fsspec  # here, because sets on this machine need none of it

        self._ends = fsspec.callbacks.Callback(hooks={"stop": self._end_if_stopped})
        try:
            self._system, root = fsspec.core.url_to_fs(self.address, **_options(address, patience))
        except (ImportError, ValueError) as fault:
            raise ShardError(
                f"{address} cannot be read ({fault})",
                remedy="install what fsspec asks for (wtours[s3], wtours[http], wtours[gs]), "
                "or name a folder",
            ) from fault
        self._root = str(root).rstrip("/")

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel to another process, which opens the store anew."""
        return _reopen, (self.address, self._patience)

    def read(self, name: str) -> bytes | None:
        """Return the bytes of a small file, or None where there is none.

        Raises:
            ShardError: the store refuses, or failed too often.
        """

        def ask() -> bytes | None:
            try:
                content: bytes = self._system.cat_file(f"{self._root}/{name}")
            except (FileNotFoundError, IsADirectoryError):
                return None
            return content

        return self._ask(name, ask)

    def folders(self) -> list["RemoteFolder"]:
        """Return the folders in it, in the order of their names.

        Raises:
            ShardError: it cannot be listed.
        """

        def ask() -> list[dict[str, Any]]:
            self._system.invalidate_cache()
            place = f"{self._root}/" if self._is_web else self._root
            return list(self._system.ls(place, detail=True))

        entries = [entry for entry in self._ask("", ask) if entry["type"] == "directory"]
        names = {str(entry["name"]).rstrip("/").rpartition("/")[2] for entry in entries}
        return [self._within(name) for name in sorted(names) if name and name[0] not in ".?"]

    def copy(self, name: str, to: Path, *, sha256: str) -> None:
        """Copy a file of it to this machine, and check it.

        Raises:
            ShardError: the store refuses, failed too often, or has another file; or the disk here
                has no room.
            StoppedError: nobody wants it any more.
        """

        def ask() -> None:
            self._system.get_file(f"{self._root}/{name}", str(to), callback=self._ends)
            found = file_sha256(to)
            if found != sha256:
                raise OSError(f"{to.stat().st_size} bytes with SHA-256 {found} came, not {sha256}")

        self._ask(name, ask)

    def _end_if_stopped(self, size: int | None, value: int) -> None:
        """End a transfer between two of its pieces."""
        if self._stop.is_set():
            raise StoppedError

    @property
    def _is_web(self) -> bool:
        return self.address.startswith(("http://", "https://"))

    def _within(self, name: str) -> "RemoteFolder":
        return RemoteFolder(
            f"{self.address}/{name}",
            patience=self._patience,
            traffic=self._traffic,
            stop=self._stop,
        )

    def _ask(self, name: str, ask: Callable[[], Answer]) -> Answer:
        """Ask the store, a few times with growing waits.

        Stores raise errors of their own libraries, which are no `OSError` (botocore's, for one).
        """
        place = f"{self.address}/{name}".rstrip("/")
        for number in range(1, self._patience.tries + 1):
            try:
                return ask()
            except StoppedError:
                raise
            except Exception as fault:
                if isinstance(fault, OSError) and fault.errno in _NO_ROOM:
                    raise ShardError(
                        f"{place} cannot be kept on this machine ({fault})",
                        remedy="make room, lower the cache's limit, or give it another folder",
                    ) from fault
                if (remedy := lasting_remedy(fault)) is not None:
                    raise ShardError(f"{place} cannot be read ({fault})", remedy=remedy) from fault
                self._traffic.add(failures=1)
                if number == self._patience.tries:
                    raise ShardError(
                        f"{place} failed {number} times ({_said(fault)})",
                        remedy="run the same command again when the store can be reached",
                    ) from fault
                if self._stop.wait(self._patience.wait_s(number)):
                    raise StoppedError from fault
        raise AssertionError("the last try returns or raises")


def matching(folder: RemoteFolder, pattern: str) -> list[RemoteFolder]:
    """Return the folders below one whose paths match a pattern such as `walks/ven*`."""
    found = [folder]
    for part in pattern.strip("/").split("/"):
        found = [
            inner
            for outer in found
            for inner in outer.folders()
            if fnmatchcase(inner.address.rpartition("/")[2], part)
        ]
    return found


def split_pattern(address: str) -> tuple[str, str]:
    """Return the part of an address before its first wildcard's folder, and the rest or ''."""
    scheme, _, path = address.partition("://")
    parts = path.split("/")
    # `?` begins a query in a web address, and is no wildcard there.
    magic = "*[" if scheme in ("http", "https") else _MAGIC
    for number, part in enumerate(parts):
        if number and any(letter in part for letter in magic):
            return f"{scheme}://{'/'.join(parts[:number])}", "/".join(parts[number:])
    return address, ""


def find_sets(folder: RemoteFolder) -> list[tuple[RemoteFolder, bytes]]:
    """Return a set, or the sets directly inside a folder, each with its record.

    Raises:
        ShardError: there is none, or the store cannot be asked.
    """
    record = folder.read(RECORD_FILE)
    if record is not None:
        return [(folder, record)]
    inner = [(one, one.read(RECORD_FILE)) for one in folder.folders()]
    return [(one, record) for one, record in inner if record is not None]


def _reopen(address: str, patience: Patience) -> RemoteFolder:
    return RemoteFolder(address, patience=patience, traffic=Traffic())


def _options(address: str, patience: Patience) -> dict[str, Any]:
    if not address.startswith(("http://", "https://")):
        return {}
    import aiohttp

    # Its own bound of five minutes for a whole file is too short for a tar on a slow line.
    timeout = aiohttp.ClientTimeout(
        total=None, sock_connect=patience.timeout_s, sock_read=patience.timeout_s
    )
    return {"client_kwargs": {"timeout": timeout}}


def _said(fault: BaseException) -> str:
    return str(fault) or type(fault).__name__
