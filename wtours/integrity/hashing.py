"""A file that is hashed while somebody else reads it, so that checking and hashing are one read."""

import hashlib
import os
from collections.abc import Callable
from typing import BinaryIO

from wtours.errors import WtoursError

_CHUNK_BYTES = 1 << 20


class DiskReadError(WtoursError):
    """The disk does not give what is on it, which says nothing of the video."""


def unreadable(name: str, error: OSError, where: str = "") -> DiskReadError:
    """Return the error of a file that the disk does not give."""
    return DiskReadError(
        f"{name} cannot be read{where} ({error.strerror or error})",
        remedy="look after the disk, or fetch the video to another one",
    )


class HashingReader:
    """Reads a file for a demuxer and hashes every byte once, in the file's order.

    A demuxer goes through most of a file from front to back, and what it passes is hashed as it is
    handed over. What it skips, or takes out of order, is hashed when it comes to it or in `finish`.

    Args:
        file: opened for reading in binary, best without a buffer of its own.
        with_md5: also take the MD5.
        progress: called with (bytes hashed, bytes in all).
        name: of the file, for sentences.
    """

    def __init__(
        self,
        file: BinaryIO,
        *,
        with_md5: bool = False,
        progress: Callable[[int, int], None] | None = None,
        name: str = "the file",
    ) -> None:
        self._file, self._name, self._progress = file, name, progress
        self.size_bytes = os.fstat(file.fileno()).st_size
        self._hashed_bytes = 0
        self._told_bytes = 0
        self._sha256 = hashlib.sha256()
        # Not for safety: some sources publish nothing else.
        self._md5 = hashlib.md5(usedforsecurity=False) if with_md5 else None

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes from where the file stands.

        Raises:
            DiskReadError: the disk does not give them.
        """
        start = self._file.tell()
        try:
            piece = self._file.read(size)
        except OSError as error:
            raise unreadable(self._name, error, f" at byte {start}") from error
        unhashed = self._hashed_bytes - start
        if 0 <= unhashed < len(piece):
            self._update(memoryview(piece)[unhashed:])
        return piece

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go elsewhere in the file; return where that is."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return where the file stands."""
        return self._file.tell()

    def finish(self) -> tuple[str, str | None]:
        """Read what nobody has read; return SHA-256 and MD5 in hexadecimal, or None for the MD5."""
        self.seek(self._hashed_bytes)
        while self.read(_CHUNK_BYTES):
            pass
        if self._progress is not None:
            self._progress(self._hashed_bytes, self.size_bytes)
        return self._sha256.hexdigest(), None if self._md5 is None else self._md5.hexdigest()

    def _update(self, piece: memoryview) -> None:
        self._sha256.update(piece)
        if self._md5 is not None:
            self._md5.update(piece)
        self._hashed_bytes += len(piece)
        if self._progress is not None and self._hashed_bytes - self._told_bytes >= _CHUNK_BYTES:
            self._told_bytes = self._hashed_bytes
            self._progress(self._hashed_bytes, self.size_bytes)
