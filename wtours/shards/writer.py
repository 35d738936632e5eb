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
from typing import Any

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
    SCORES_FILE,
    SCORES_SCHEMA,
    VERSION,
    Cut,
    DatasetRecord,
    LeftOut,
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
        self._stream = path.open("wb")
        self._pictures = 0

    def add(self, picture: Picture) -> Stored:
        """Append `<key>.jpg` and `<key>.json`; return where the JPEG stands."""
        offset = self.add_member(f"{picture.key}.jpg", picture.jpeg)
        self.add_member(f"{picture.key}.json", picture.to_json())
        self._pictures += 1
        return Stored(
            picture=replace(picture, jpeg=b""),
            tar=self._path.name,
            offset=offset,
            size=len(picture.jpeg),
            crc32=zlib.crc32(picture.jpeg),
        )

    def mark(self) -> tuple[int, int]:
        """Return where the tar ends now, for `back_to`."""
        return self._stream.tell(), self._pictures

    def back_to(self, mark: tuple[int, int]) -> None:
        """Take away what was appended since a mark."""
        end, self._pictures = mark
        if self._stream.tell() != end:
            self._stream.seek(end)
            self._stream.truncate()

    def close(self) -> TarRecord:
        """End the tar, put it on the disk, and return its record."""
        self.end()
        return TarRecord(
            name=self._path.name,
            sha256=file_sha256(self._path),
            size_bytes=self._path.stat().st_size,
            pictures=self._pictures,
        )

    def abandon(self) -> None:
        """Close the file as it is."""
        self._stream.close()

    def end(self) -> None:
        """End the tar, and put it on the disk."""
        self._stream.write(bytes(2 * BLOCK))
        self._stream.flush()
        os.fsync(self._stream.fileno())
        self._stream.close()

    def add_member(self, name: str, content: bytes) -> int:
        """Append a file; return where its content stands."""
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
    scores: tuple[Ints, np.ndarray[Any, np.dtype[np.float64]]] | None = None
    """(F,) time stamps of all its frames, and the change of each since the one before; None where
    cuts were not sought."""


class PartialSet:
    """A shard set while it is made: a folder beside its final name, which it gets when it is whole.

    Args:
        folder: the set's final folder.
        replace: put the new set in the place of an old one when it is whole.

    Raises:
        WtoursError: the folder exists and is not to be replaced.
    """

    def __init__(self, folder: Path, *, replace: bool = False) -> None:
        settle(folder)
        if folder.exists() and not replace:
            raise WtoursError(
                f"{folder} exists already",
                remedy="give another --out, or --replace to make it anew",
            )
        self.folder = folder
        self.path = partial_folder(folder)
        self.path.mkdir(parents=True, exist_ok=True)

    def tar(self, number: int) -> Path:
        """Return where a tar stands, now and in the whole set."""
        return self.path / f"{self.folder.name}-{number:06d}.tar"

    def finish(
        self,
        videos: Sequence[JoinedVideo],
        tars: Sequence[TarRecord],
        *,
        settings: Mapping[str, Any],
        left_out: Sequence[LeftOut] = (),
    ) -> DatasetRecord:
        """Write tables, attribution and record, and give the folder its final name.

        Args:
            videos: what stands in the index.
            tars: those in the folder, in order; whatever else is in it is removed.
            settings: for the record.
            left_out: videos that are not in it although they were asked for.
        """
        records = tuple(video.record for video in videos)
        tables = {INDEX_FILE: _index_table(videos), CUTS_FILE: _cuts_table(videos)}
        if any(video.scores is not None for video in videos):
            tables[SCORES_FILE] = _scores_table(videos)
        for name, table in tables.items():
            _write_table(self.path / name, table)
        page = set_attribution(records, settings).encode()
        write_durably(self.path / ATTRIBUTION_FILE, page)
        record = DatasetRecord(
            videos=records,
            settings=settings,
            tars=tuple(tars),
            tables={name: file_sha256(self.path / name) for name in tables},
            documents={ATTRIBUTION_FILE: sha256(page).hexdigest()},
            software={name: version(name) for name in SOFTWARE},
            left_out=tuple(left_out),
        )
        write_durably(self.path / RECORD_FILE, record.to_json().encode())
        known = {RECORD_FILE, ATTRIBUTION_FILE, *tables, *(tar.name for tar in tars)}
        for other in self.path.iterdir():
            if other.name not in known:
                other.unlink()
        if self.folder.exists():
            self.folder.rename(_retired(self.folder))
        put_folder_in_place(self.path, self.folder)
        shutil.rmtree(_retired(self.folder), ignore_errors=True)
        return record

    def discard(self) -> None:
        """Remove what was made so far."""
        shutil.rmtree(self.path, ignore_errors=True)


def settle(folder: Path) -> None:
    """Put right what a killed run left beside a set: the old set, or nothing, stands in its place.

    What it left of a new set stays, to be gone on with.

    Args:
        folder: the set's final folder.
    """
    if _retired(folder).exists() and not folder.exists():
        # A replacement was cut off between its two renames.
        _retired(folder).rename(folder)
    shutil.rmtree(_retired(folder), ignore_errors=True)


def partial_folder(folder: Path) -> Path:
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


def _scores_table(videos: Sequence[JoinedVideo]) -> pa.Table:
    parts = []
    for video in videos:
        if video.scores is not None:
            pts, scores = video.scores
            names = pa.array([video.record.name] * len(pts)).dictionary_encode()
            columns = {"video": names, "pts": pts, "score": scores}
            parts.append(pa.table(columns, schema=SCORES_SCHEMA))
    whole = pa.concat_tables(parts).unify_dictionaries().combine_chunks()
    return whole.replace_schema_metadata(_metadata())


def _metadata() -> dict[str, str]:
    return {"format": FORMAT, "version": str(VERSION)}


def _write_table(path: Path, table: pa.Table) -> None:
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    write_durably(path, buffer.getvalue())
