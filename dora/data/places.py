"""Where the pictures of a clip are on this machine, and their bytes: all that a worker is told."""

import os
import zlib
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from wtours.shards import ShardError

OPEN_FILES = 64
"""Tars that a process keeps open: more than a batch needs, and few beside a process's limit."""
AGAIN = (
    "make the set again with `wtours shard --replace`, or copy it again from where it came "
    "(of a set at an address, remove this copy: it is fetched again)"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class FramePlace:
    """Where the JPEG of one frame is."""

    path: str
    """Of the tar on this machine, or of a file that is one picture."""
    offset: int
    """First byte of the JPEG in it."""
    size: int
    """Bytes."""
    crc32: int | None
    """As zlib counts it; None: nobody has counted it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ClipPlace:
    """Where one clip is and what number it has."""

    position: int
    """Number of the clip in the run."""
    set_number: int
    """Number of the shard set, for messages."""
    rows: tuple[int, ...]
    """(T,) rows of the set's index, for messages."""
    frames: tuple[FramePlace, ...]
    """(T,)"""


class OpenFiles:
    """Tars kept open, at most a number of them, the least recently read closed first.

    A tar that has lost its name (a cache made room) stays readable as long as it is open, and its
    bytes stay on the disk as long; so such files are closed whenever another one is opened.

    Args:
        limit: of files kept open.
    """

    def __init__(self, limit: int = OPEN_FILES) -> None:
        assert limit >= 1
        self._limit = limit
        self._descriptors: OrderedDict[str, int] = OrderedDict()

    def __len__(self) -> int:
        return len(self._descriptors)

    def descriptor(self, path: str) -> int:
        """Return a descriptor to read from; it stays this object's to close.

        Raises:
            OSError: the file cannot be opened.
        """
        found = self._descriptors.get(path)
        if found is not None:
            self._descriptors.move_to_end(path)
            return found
        self._close([p for p, opened in self._descriptors.items() if not os.fstat(opened).st_nlink])
        while len(self._descriptors) >= self._limit:
            self._close([next(iter(self._descriptors))])
        self._descriptors[path] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        return self._descriptors[path]

    def close(self) -> None:
        """Close all."""
        self._close(list(self._descriptors))

    def __getstate__(self) -> dict[str, Any]:
        return {"_limit": self._limit, "_descriptors": OrderedDict()}

    def _close(self, paths: list[str]) -> None:
        for path in paths:
            os.close(self._descriptors.pop(path))


def read_bytes(frame: FramePlace, files: OpenFiles | None = None) -> bytes:
    """Return the JPEG of a frame by one positioned read.

    Args:
        frame: where it is.
        files: keeps the tar open for the next read; None: opened and closed here.

    Raises:
        ShardError: the tar cannot be read, or its bytes are not those that were written.
    """
    opened = OpenFiles(1) if files is None else files
    try:
        jpeg = os.pread(opened.descriptor(frame.path), frame.size, frame.offset)
    except OSError as fault:
        raise ShardError(
            f"{frame.path} cannot be read ({fault.strerror or fault})", remedy=AGAIN
        ) from fault
    finally:
        if files is None:
            opened.close()
    if frame.crc32 is not None and zlib.crc32(jpeg) != frame.crc32:
        raise ShardError(
            f"{frame.path} was altered: the picture at byte {frame.offset} has another checksum",
            remedy=AGAIN,
        )
    return jpeg
