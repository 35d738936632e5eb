"""What was found in each unit as a file of its own, whole or not there, so that runs go on.

    <folder>/<detector's digest>/detector.json       what looked: description and names
    <folder>/<detector's digest>/<unit's key>.parquet

The digest is of all that the boxes depend on beside the pictures, so that another detector or
threshold never mixes with what is there; a unit's key is a hash of its pictures.
"""

import hashlib
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from analysis.whole_file import write_whole

_VERSION = 1
_FOUND_SCHEMA = pa.schema(
    [("picture", pa.int32()), ("class_id", pa.int32())]
    + [(name, pa.float32()) for name in ("score", "x0", "y0", "x1", "y1")]
)
_META = b"wtours-detections"
DETECTOR_FILE = "detector.json"


@dataclass(frozen=True, kw_only=True, eq=False)
class UnitDetections:
    """All boxes of a unit, picture by picture, the surest of each first."""

    picture: NDArray[np.int32]
    """(n,) number of the picture among those of the unit."""
    class_id: NDArray[np.int32]
    """(n,)"""
    score: NDArray[np.float32]
    """(n,)"""
    boxes: NDArray[np.float32]
    """(n, 4) x0 y0 x1 y1 in pixels of the picture."""


class DetectionFiles:
    """The files of one detector.

    Args:
        folder: holds a folder for each detector.
        digest: of the detector; see `digest_of`.
        classes: how many it knows.
    """

    def __init__(self, folder: Path, digest: str, *, classes: int) -> None:
        self.folder = folder / digest
        self._classes = classes

    def write_detector(self, description: Mapping[str, Any], names: Sequence[str]) -> None:
        """Write down what looked, unless it stands there."""
        stored = {"version": _VERSION, "detector": dict(description), "names": list(names)}
        text = json.dumps(stored, indent=1, ensure_ascii=False) + "\n"
        path = self.folder / DETECTOR_FILE
        if not path.is_file() or path.read_bytes() != text.encode():
            write_whole(path, text.encode())

    def read(self, key: str, *, pictures: int) -> UnitDetections | None:
        """Return what was found in a unit; None where the file is missing, damaged or another's.

        Args:
            key: of the unit.
            pictures: how many it has.
        """
        try:
            with pq.ParquetFile(self._path(key), memory_map=False) as file:
                table = file.read(use_threads=False)
                meta = json.loads((file.schema_arrow.metadata or {}).get(_META, b"{}"))
        except (OSError, ValueError, pa.ArrowException):
            return None  # missing, or damaged and made again
        if not table.schema.remove_metadata().equals(_FOUND_SCHEMA):
            return None
        columns = {name: table[name].to_numpy() for name in table.column_names}
        if meta != _meta_of(columns, key, pictures):
            return None
        found = UnitDetections(
            picture=columns["picture"],
            class_id=columns["class_id"],
            score=columns["score"],
            boxes=np.stack([columns[name] for name in ("x0", "y0", "x1", "y1")], axis=1),
        )
        known = (found.class_id >= 0) & (found.class_id < self._classes)
        within = (found.picture >= 0) & (found.picture < pictures)
        return found if bool(known.all() and within.all()) else None

    def write(self, key: str, found: UnitDetections, *, pictures: int) -> None:
        """Put what was found in a unit where `read` looks for it.

        Raises:
            WtoursError: the folder cannot be written, or the disk is full.
        """
        columns = {
            "picture": found.picture,
            "class_id": found.class_id,
            "score": found.score,
            **{name: found.boxes[:, i] for i, name in enumerate(("x0", "y0", "x1", "y1"))},
        }
        meta = {_META: json.dumps(_meta_of(columns, key, pictures)).encode()}
        table = pa.table(columns, schema=_FOUND_SCHEMA.with_metadata(meta))
        buffer = io.BytesIO()
        pq.write_table(table, buffer, compression="zstd")
        write_whole(self._path(key), buffer.getvalue())

    @contextmanager
    def claim(self, key: str) -> Iterator[bool]:
        """Keep other processes from the same unit; gives whether nobody else has it.

        The system drops the lock when a process dies, so that another one can take over.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.folder / f".{key}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            yield False
            return
        try:
            yield True
        finally:
            Path(lock.lock_file).unlink(missing_ok=True)
            lock.release()

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.parquet"


def digest_of(description: Mapping[str, Any], names: Sequence[str]) -> str:
    """Return a short hash of what a detector says of itself, its threshold, and its names."""
    told = json.dumps([_VERSION, dict(description), list(names)], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def _meta_of(columns: Mapping[str, NDArray[Any]], key: str, pictures: int) -> dict[str, Any]:
    """Return what a file says of itself: the unit, and a hash of all its values."""
    digest = hashlib.sha256()
    for name in _FOUND_SCHEMA.names:
        digest.update(np.ascontiguousarray(columns[name]).tobytes())
    return {"version": _VERSION, "key": key, "pictures": pictures, "values": digest.hexdigest()}
