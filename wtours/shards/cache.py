"""Shard sets at an address: their tables on this machine, their tars in a cache of limited size."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

from wtours.shards.cache_room import CacheRoom, Held
from wtours.shards.remote import (
    Patience,
    RemoteFolder,
    Traffic,
    find_sets,
    matching,
    split_pattern,
)
from wtours.shards.schema import RECORD_FILE, DatasetRecord, ShardError
from wtours.shards.tar_fetching import RemoteTar, TarFetcher

LIMIT_BYTES = 50_000_000_000
"""Of the tars of a cache, unless told otherwise: some 500 of them."""
FETCHES = 4
"""Tars fetched at a time."""


def default_cache() -> Path:
    """Return the folder of this user's cache."""
    return Path.home() / ".cache" / "wtours" / "shards"


class ShardCache:
    """Tars of sets at addresses, fetched whole, checked, and removed least recently used first.

    Processes of a machine share a folder: a tar is fetched once, and stays as long as any of them
    uses it. Nothing is made or asked before the first set at an address is opened.

    Args:
        folder: where tables and tars are kept; None: in the user's cache folder.
        limit_bytes: of all tars; tables, which stay, are not counted.
        fetches: tars fetched at a time.
        patience: with the failures of a store; None: six tries.
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        limit_bytes: int = LIMIT_BYTES,
        fetches: int = FETCHES,
        patience: Patience | None = None,
    ) -> None:
        self.folder = default_cache() if folder is None else folder
        self.limit_bytes, self._fetches = limit_bytes, fetches
        self._patience = patience or Patience()
        self._parts: CacheParts | None = None

    def open_sets(self, address: str) -> list["RemoteSet"]:
        """Return the set at an address, or those directly inside it, or all that match a pattern.

        Raises:
            ShardError: there is none, it cannot be read, or the cache's folder cannot be used.
        """
        base, pattern = split_pattern(address)
        parts = self.parts
        opened = RemoteFolder(base, patience=self._patience, traffic=parts.traffic, stop=parts.stop)
        remedy = "check the address: of a set, or of a folder of sets as `wtours shard` makes them"
        places = matching(opened, pattern) if pattern else [opened]
        found = [one for place in places for one in find_sets(place)]
        if not found:
            what = "matches no shard set" if pattern else f"holds no shard set (no {RECORD_FILE})"
            raise ShardError(f"{address} {what}", remedy=remedy)
        return [RemoteSet(folder, record, self) for folder, record in found]

    @property
    def traffic(self) -> Traffic:
        """What was asked of stores so far."""
        return self.parts.traffic

    def ahead(self, tars: Sequence[RemoteTar]) -> None:
        """Fetch these as long as there is room, the first ones first, in place of those before."""
        self.parts.fetcher.ahead(tars)

    def hold(self, tar: RemoteTar) -> Held:
        """Return a tar, in use from now on, once it is there.

        Raises:
            NoRoomError: the cache is full of tars in use.
            ShardError: it cannot be fetched.
        """
        return self.parts.fetcher.hold(tar)

    def close(self) -> None:
        """End the threads; a transfer ends at its next piece."""
        if self._parts is not None:
            self._parts.stop.set()
            self._parts = None

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_parts": None}

    @property
    def parts(self) -> "CacheParts":
        """What works for it in this process."""
        if self._parts is None:
            room = CacheRoom(self.folder, limit_bytes=self.limit_bytes)
            self._parts = CacheParts(room, fetches=self._fetches)
        return self._parts


class CacheParts:
    """What works for a cache in one process.

    Args:
        room: the cache's folder.
        fetches: tars fetched at a time.
    """

    def __init__(self, room: CacheRoom, *, fetches: int) -> None:
        self.room, self.traffic, self.stop = room, Traffic(), Event()
        self.fetcher = TarFetcher(room, threads=fetches, traffic=self.traffic, stop=self.stop)


class RemoteSet:
    """One set at an address: its record and tables here, its tars in the cache.

    Its folder here is named by the record's own hash, so that a set that was made again is another.

    Args:
        source: where it is.
        record: the bytes of its dataset record.
        cache: where it is kept.

    Raises:
        ShardError: the record is none, or cannot be kept.
    """

    def __init__(self, source: RemoteFolder, record: bytes, cache: ShardCache) -> None:
        self.source, self.cache, self.address = source, cache, source.address
        name = re.sub(r"[^A-Za-z0-9._-]", "_", self.address.rpartition("/")[2]).lstrip(".") or "set"
        digest = hashlib.sha256(record).hexdigest()
        self.folder = cache.parts.room.folder / f"{name}-{digest[:16]}"
        self.record = self._keep(record)
        self._tars = {
            tar.name: RemoteTar(source=source, record=tar, path=self.folder / tar.name)
            for tar in self.record.tars
        }

    def bring(self, name: str) -> Path:
        """Return a table or document on this machine, fetched if it is not there.

        Raises:
            ShardError: the set has none of that name, or it cannot be fetched.
        """
        path = self.folder / name
        if path.exists():
            return path
        digest = {**self.record.tables, **self.record.documents}.get(name)
        if digest is None:
            raise self._fault(f"has no {name}")
        parts = self.cache.parts
        with parts.room.claim(path, size_bytes=0, spare=(), stop=parts.stop) as partial:
            if partial is not None:
                self.source.copy(name, partial, sha256=digest)
        return path

    def tar(self, name: str) -> RemoteTar:
        """Return a tar of the set, for the cache.

        Raises:
            ShardError: the set has none of that name.
        """
        if name not in self._tars:
            raise self._fault(f"has no {name}")
        return self._tars[name]

    @contextmanager
    def held(self, name: str) -> Iterator[Path]:
        """Yield a tar on this machine, which stays until the block ends.

        Raises:
            ShardError: it cannot be fetched.
        """
        held = self.cache.hold(self.tar(name))
        try:
            yield held.path
        finally:
            held.release()

    def _keep(self, content: bytes) -> DatasetRecord:
        """Write the record, whole or not at all, and return what it says."""
        path, parts = self.folder / RECORD_FILE, self.cache.parts
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with parts.room.claim(path, size_bytes=0, spare=(), stop=parts.stop) as partial:
                if partial is not None:
                    partial.write_bytes(content)
                    self._read(partial)
            return self._read(path)
        except OSError as fault:
            raise ShardError(
                f"{path} cannot be kept ({fault.strerror or fault})",
                remedy="make room, or name another folder (data.cache)",
            ) from fault

    def _read(self, path: Path) -> DatasetRecord:
        try:
            record = DatasetRecord.read(path)
        except ShardError as fault:
            told = fault.message.replace(str(path), f"{self.address}/{RECORD_FILE}")
            raise ShardError(told, remedy=fault.remedy) from None
        names = [*(tar.name for tar in record.tars), *record.tables, *record.documents]
        for name in names:
            # They come from somebody else, and become names of files here.
            if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]*", name) or name == RECORD_FILE:
                raise self._fault(f"names a file {name!r}, which is not in it")
        return record

    def _fault(self, what: str) -> ShardError:
        return ShardError(
            f"{self.address} {what}", remedy="make the set again with `wtours shard`, or send it"
        )
