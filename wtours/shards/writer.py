"""Writes a shard set: tars, then tables, the record last, and the folder's name at the end."""

import io
import os
import shutil
import tarfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from wtours.errors import WtoursError
from wtours.shards.changes import set_attribution
from wtours.shards.schema import (
    ATTRIBUTION_FILE,
    CUTS_FILE,
    CUTS_SCHEMA,
    FORMAT,
    INDEX_FILE,
    INDEX_SCHEMA,
    RECORD_FILE,
    VERSION,
    Cut,
    DatasetRecord,
    Picture,
    TarRecord,
    VideoRecord,
)
from wtours.shards.segments import Ints
from wtours.whole_file import file_sha256, put_folder_in_place, write_durably

SOFTWARE = ("wtours", "av", "numpy", "opencv-python-headless", "pillow", "pyarrow", "scenedetect")
BLOCK = 512
"""Tar members start at multiples of this many bytes."""


@dataclass(frozen=True, kw_only=True)
class Stored:
    """Where a picture stands: its row of the index, but for what the joined video adds."""

    picture: Picture
    """Without its bytes, which are in the tar."""
    tar: str
    offset: int
    size: int
    crc32: int


class TarWriter:
    """One tar of pictures, byte for byte the same for the same pictures."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stream = path.open("xb")
        self._pictures = 0

    def add(self, picture: Picture) -> Stored:
        """Append `<key>.jpg` and `<key>.json`; return where the JPEG stands."""
        offset = self._member(f"{picture.key}.jpg", picture.jpeg)
        self._member(f"{picture.key}.json", picture.to_json())
        self._pictures += 1
        return Stored(
            picture=replace(picture, jpeg=b""),
            tar=self._path.name,
            offset=offset,
            size=len(picture.jpeg),
            crc32=zlib.crc32(picture.jpeg),
        )

    def close(self) -> TarRecord:
        """End the tar, put it on the disk, and return its record."""
        self._stream.write(bytes(2 * BLOCK))
        self._sync()
        return TarRecord(
            name=self._path.name,
            sha256=file_sha256(self._path),
            size_bytes=self._path.stat().st_size,
            pictures=self._pictures,
        )

    def abandon(self) -> None:
        """Close the file as it is."""
        self._stream.close()

    def _sync(self) -> None:
        self._stream.flush()
        os.fsync(self._stream.fileno())
        self._stream.close()

    def _member(self, name: str, content: bytes) -> int:
        # A TarInfo has time, owner and group 0 and mode 0644 unless told otherwise.
        header = tarfile.TarInfo(name)
        header.size = len(content)
        self._stream.write(header.tobuf(tarfile.USTAR_FORMAT))
        offset = self._stream.tell()
        self._stream.write(content + bytes(-len(content) % BLOCK))
        return offset


@dataclass(frozen=True, kw_only=True)
class JoinedVideo:
    """One video's record, the rows of its index, and its cuts."""

    record: VideoRecord
    stored: Sequence[Stored]
    """The pictures in the order of time."""
    ticks: Ints
    """(n,) ticks that have a picture."""
    rows: Ints
    """(n,) for each of them, the position of its picture in `stored`."""
    segments: Ints
    """(n,)"""
    motion: np.ndarray[Any, np.dtype[np.float32]]
    """(n,) change since the row before; the first is NaN."""
    cuts: Sequence[Cut]


class ShardSetWriter:
    """Writes one shard set beside its final name, and renames the folder when it is whole.

    Use as a context: leaving it by an exception removes what was written.

    Args:
        folder: the set's final folder.
        replace: put the new set in the place of an old one when it is whole.

    Raises:
        WtoursError: the folder exists and is not to be replaced, or the disk is full.
    """

    def __init__(self, folder: Path, *, replace: bool = False) -> None:
        settle(folder)
        if folder.exists() and not replace:
            raise WtoursError(
                f"{folder} exists already",
                remedy="give another --out, or --replace to make it anew",
            )
        self.folder = folder
        self.partial, self._retired = _partial(folder), _retired(folder)
        self.partial.mkdir(parents=True)
        self._open: TarWriter | None = None
        self._tars: list[TarRecord] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if self._open is not None:
                self._open.abandon()
        finally:
            # Closing writes what is buffered, which fails where the disk is full.
            shutil.rmtree(self.partial, ignore_errors=True)

    def start_tar(self) -> None:
        """End the open tar, if any: the next picture begins another one."""
        if self._open is not None:
            self._tars.append(self._open.close())
            self._open = None

    def add(self, picture: Picture) -> Stored:
        """Store a picture in the open tar; return where, without the bytes of the picture."""
        if self._open is None:
            name = f"{self.folder.name}-{len(self._tars):06d}.tar"
            self._open = TarWriter(self.partial / name)
        return self._open.add(picture)

    def finish(
        self, videos: Sequence[JoinedVideo], *, settings: Mapping[str, Any]
    ) -> DatasetRecord:
        """Write tables, attribution and record, and give the folder its final name."""
        self.start_tar()
        records = tuple(video.record for video in videos)
        _write_table(self.partial / INDEX_FILE, _index_table(videos))
        _write_table(self.partial / CUTS_FILE, _cuts_table(videos))
        page = set_attribution(records, settings).encode()
        write_durably(self.partial / ATTRIBUTION_FILE, page)
        record = DatasetRecord(
            videos=records,
            settings=settings,
            tars=tuple(self._tars),
            tables={name: file_sha256(self.partial / name) for name in (INDEX_FILE, CUTS_FILE)},
            documents={ATTRIBUTION_FILE: sha256(page).hexdigest()},
            software={name: version(name) for name in SOFTWARE},
        )
        write_durably(self.partial / RECORD_FILE, record.to_json().encode())
        if self.folder.exists():
            self.folder.rename(self._retired)
        put_folder_in_place(self.partial, self.folder)
        shutil.rmtree(self._retired, ignore_errors=True)
        return record


def settle(folder: Path) -> None:
    """Put right what a killed run left beside a set: the old set, or nothing, stands in its place.

    Args:
        folder: the set's final folder.
    """
    if _retired(folder).exists() and not folder.exists():
        # A replacement was cut off between its two renames.
        _retired(folder).rename(folder)
    for left in (_partial(folder), _retired(folder)):
        shutil.rmtree(left, ignore_errors=True)


def _partial(folder: Path) -> Path:
    """Where a set stands while it is written."""
    return folder.with_name(f".{folder.name}.partial")


def _retired(folder: Path) -> Path:
    """Where an old set stands while a new one takes its name."""
    return folder.with_name(f".{folder.name}.retired")


def _index_table(videos: Sequence[JoinedVideo]) -> pa.Table:
    columns: dict[str, list[Any]] = {name: [] for name in INDEX_SCHEMA.names}
    for video in videos:
        for tick, row, segment, motion in zip(
            video.ticks, video.rows, video.segments, video.motion, strict=True
        ):
            for name, value in _row(video.stored[row]).items():
                columns[name].append(value)
            columns["tick"].append(int(tick))
            columns["segment"].append(int(segment))
            columns["motion"].append(None if np.isnan(motion) else float(motion))
    return pa.table(columns, schema=INDEX_SCHEMA.with_metadata(_metadata()))


def _row(stored: Stored) -> dict[str, Any]:
    picture = stored.picture
    lightness = picture.lightness
    return {
        "video": picture.video,
        "key": picture.key,
        "pts": picture.pts,
        "time_s": picture.time_s,
        "tar": stored.tar,
        "offset": stored.offset,
        "size": stored.size,
        "crc32": stored.crc32,
        "lightness_mean": lightness.mean,
        "lightness_p5": lightness.p5,
        "lightness_p50": lightness.p50,
        "lightness_p95": lightness.p95,
        "sharpness": picture.sharpness,
        "phash": picture.phash,
        "boxes": [vars(box) for box in picture.boxes],
    }


def _cuts_table(videos: Sequence[JoinedVideo]) -> pa.Table:
    rows = [{"video": video.record.name, **vars(cut)} for video in videos for cut in video.cuts]
    columns = {name: [row[name] for row in rows] for name in CUTS_SCHEMA.names}
    return pa.table(columns, schema=CUTS_SCHEMA.with_metadata(_metadata()))


def _metadata() -> dict[str, str]:
    return {"format": FORMAT, "version": str(VERSION)}


def _write_table(path: Path, table: pa.Table) -> None:
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    write_durably(path, buffer.getvalue())
