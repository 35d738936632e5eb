"""Reads shard sets: the index in memory, pictures by position, every one checked by its CRC-32."""

import os
import sys
import zlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from wtours.shards.cache import RemoteSet, ShardCache
from wtours.shards.places import as_address, local_sets
from wtours.shards.schema import (
    CUTS_FILE,
    CUTS_SCHEMA,
    GUARD,
    INDEX_FILE,
    INDEX_SCHEMA,
    RECORD_FILE,
    SCORES_FILE,
    SCORES_SCHEMA,
    DatasetRecord,
    ShardError,
    VideoRecord,
)
from wtours.whole_file import file_sha256

AGAIN = "make the set again with `wtours shard --replace`, or copy it again from where it came"


@dataclass(frozen=True, kw_only=True)
class PicturePlaces:
    """Where the pictures of a set's rows stand: 20 bytes a row."""

    tar_names: tuple[str, ...]
    tars: np.ndarray[Any, np.dtype[np.int32]]
    """(rows,) number of the name."""
    offsets: np.ndarray[Any, np.dtype[np.int64]]
    """(rows,) first byte of the JPEG."""
    sizes: np.ndarray[Any, np.dtype[np.int32]]
    """(rows,) bytes."""
    crcs: np.ndarray[Any, np.dtype[np.uint32]]
    """(rows,)"""


class ShardSet:
    """Tars with their index, in a folder or at an address; safe to hand to worker processes.

    Args:
        folder: a folder with a dataset record.
        origin: where the set comes from, if that folder only holds copies of some of its files.

    Raises:
        ShardError: it is no shard set of this format version, or a tar is missing or cut short.
    """

    def __init__(self, folder: Path, *, origin: RemoteSet | None = None) -> None:
        self.folder, self.origin = folder, origin
        self.record = DatasetRecord.read(folder / RECORD_FILE)
        self._descriptors: dict[str, int] = {}
        self._owner = os.getpid()
        if origin is None:
            self._require_tars()

    def _require_tars(self) -> None:
        for tar in self.record.tars:
            path = self.folder / tar.name
            if not path.is_file():
                raise ShardError(f"{path} is missing", remedy=AGAIN)
            if path.stat().st_size != tar.size_bytes:
                raise ShardError(
                    f"{path} has {path.stat().st_size} bytes instead of {tar.size_bytes}",
                    remedy=AGAIN,
                )

    @property
    def address(self) -> str:
        """Where the set is, as a user would name it: its folder, or its address."""
        return str(self.folder) if self.origin is None else self.origin.address

    @property
    def videos(self) -> tuple[VideoRecord, ...]:
        """The records of the set's videos."""
        return self.record.videos

    def table(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Return the index, or some of its columns: one row a tick (FORMAT.md)."""
        return _read_table(self._file(INDEX_FILE), INDEX_SCHEMA, columns)

    def cuts(self) -> pa.Table:
        """Return the table of cuts."""
        return _read_table(self._file(CUTS_FILE), CUTS_SCHEMA, None)

    def scores(self) -> pa.Table | None:
        """Return the change of every frame since the one before; None where it was not measured."""
        if SCORES_FILE not in self.record.tables:
            return None
        return _read_table(self._file(SCORES_FILE), SCORES_SCHEMA, None)

    @cached_property
    def places(self) -> PicturePlaces:
        """Where the picture of every row stands.

        Raises:
            ShardError: the index is missing or is none.
        """
        table = self.table(["tar", "offset", "size", "crc32"])
        names = table["tar"].combine_chunks().dictionary.to_pylist()
        tars, offsets, sizes, crcs = (column_values(table[name]) for name in table.column_names)
        del table
        # What was needed to unpack indices goes back to the system: for 16 hours at 60 a second it
        # is as much as what is kept.
        pa.default_memory_pool().release_unused()
        return PicturePlaces(
            tar_names=tuple(names), tars=tars, offsets=offsets, sizes=sizes, crcs=crcs
        )

    def read_jpeg(self, row: int) -> bytes:
        """Return the JPEG of a row of the index.

        Raises:
            ShardError: its bytes are not those that were written.
        """
        places = self.places
        name = places.tar_names[places.tars[row]]
        size = int(places.sizes[row])
        with self._opened(name) as descriptor:
            jpeg = os.pread(descriptor, size, int(places.offsets[row]))
        if zlib.crc32(jpeg) != places.crcs[row]:
            raise ShardError(
                f"{self.folder / name} was altered: the picture of row {row} has another checksum",
                remedy=AGAIN,
            )
        return jpeg

    def verify(self) -> list[str]:
        """Compare every file with the record; return a sentence for each that differs.

        Of a set at an address, all files are fetched for it.

        Raises:
            ShardError: one cannot be fetched.
        """
        record = self.record
        expected = {tar.name: tar.sha256 for tar in record.tars}
        others = {**record.tables, **record.documents}
        faults = []
        for name, digest in {**expected, **others}.items():
            with self._tar(name) if name in expected else nullcontext(self._file(name)) as path:
                if not path.is_file():
                    faults.append(f"{path} is missing")
                elif (found := file_sha256(path)) != digest:
                    faults.append(f"{path} has SHA-256 {found} instead of {digest}")
        return faults

    def close(self) -> None:
        """Close the tars that were opened."""
        if self._owner == os.getpid():
            for descriptor in self._descriptors.values():
                os.close(descriptor)
        self._descriptors = {}

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_descriptors": {}}

    def __del__(self) -> None:
        # When the interpreter ends, its modules are empty and descriptors close by themselves.
        if hasattr(self, "_descriptors") and not sys.is_finalizing():
            self.close()

    def _file(self, name: str) -> Path:
        """Return a table or document, fetched if it is not here."""
        return self.folder / name if self.origin is None else self.origin.bring(name)

    def _tar(self, name: str) -> AbstractContextManager[Path]:
        """Give a tar for the length of a block, fetched if it is not here."""
        return nullcontext(self.folder / name) if self.origin is None else self.origin.held(name)

    @contextmanager
    def _opened(self, name: str) -> Iterator[int]:
        """Give a descriptor of a tar for the length of a block."""
        if self.origin is None:
            yield self._descriptor(name)
            return
        with self.origin.held(name) as path:
            # Opened anew: it is closed as soon as the cache may remove the tar.
            descriptor = os.open(path, os.O_RDONLY)
            try:
                yield descriptor
            finally:
                os.close(descriptor)

    def _descriptor(self, name: str) -> int:
        if self._owner != os.getpid():
            # A forked worker shares its parent's descriptors, which are the parent's to close.
            self._descriptors, self._owner = {}, os.getpid()
        if name not in self._descriptors:
            self._descriptors[name] = os.open(self.folder / name, os.O_RDONLY)
        return self._descriptors[name]


def open_shards(*paths: Path | str, cache: ShardCache | None = None) -> tuple[ShardSet, ...]:
    """Open shard sets: folders, folders of them, patterns, addresses, in the order of their names.

    Args:
        paths: `data/shards`, `data/shards/ven*`, `s3://bucket/shards`, `https://host/shards/venice`
            and whatever else fsspec knows; an address names a set, a folder of sets, or a pattern.
        cache: where the files of sets at addresses are kept; None: in the user's cache folder.

    Raises:
        ShardError: a path does not exist or holds no shard set, or a video occurs twice.
    """
    cache = cache or ShardCache()
    sets: list[ShardSet] = []
    for path in paths:
        if (address := as_address(path)) is not None:
            found = cache.open_sets(address)
            sets += [ShardSet(origin.folder, origin=origin) for origin in found]
        else:
            sets += [ShardSet(folder) for folder in local_sets(path)]
    owners: dict[str, str] = {}
    for shard_set in sets:
        for video in shard_set.videos:
            if video.name in owners:
                raise ShardError(
                    f"video {video.name} is in {owners[video.name]} and in {shard_set.address}",
                    remedy="leave one of them out",
                )
            owners[video.name] = shard_set.address
    return tuple(sets)


def column_values(column: pa.ChunkedArray) -> np.ndarray[Any, Any]:
    """Return the numbers of a column without nulls, or the codes of one of names.

    As pyarrow's `to_numpy` does, which imports pandas for it.
    """
    whole = column.combine_chunks()
    return np.from_dlpack(whole.indices if pa.types.is_dictionary(whole.type) else whole)


def count_found(boxes: pa.ChunkedArray) -> pa.Array:
    """Return how many boxes were found in each picture itself, guards left out.

    Args:
        boxes: the column of that name.

    Returns:
        (n,) int64.
    """
    whole = boxes.combine_chunks()
    kinds = pc.struct_field(pc.list_flatten(whole), "kind")
    pictures = pc.list_parent_indices(whole).filter(pc.invert(pc.ends_with(kinds, GUARD)))
    return pa.array(np.bincount(np.from_dlpack(pictures), minlength=len(whole)))


def _read_table(path: Path, schema: pa.Schema, columns: Sequence[str] | None) -> pa.Table:
    wanted = list(columns) if columns is not None else schema.names
    try:
        # A single buffer keeps the table independent of the file, and of threads. (`read_table`
        # does the same and imports pandas, which takes a second.)
        with pq.ParquetFile(path, memory_map=False) as file:
            table = file.read(columns=wanted, use_threads=False)
    except FileNotFoundError:
        raise ShardError(f"{path} is missing", remedy=AGAIN) from None
    except (pa.ArrowInvalid, OSError) as fault:
        raise ShardError(f"{path} cannot be read ({fault})", remedy=AGAIN) from None
    expected = pa.schema([schema.field(name) for name in wanted])
    if set(wanted) <= set(table.column_names):
        table = table.select(wanted)
    if not table.schema.equals(expected):
        raise ShardError(
            f"{path} does not have the columns of format version 1: {table.schema.names}",
            remedy=AGAIN,
        )
    return table.combine_chunks()
