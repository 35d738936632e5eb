"""Files that appear under their name only when whole: written beside it, synced, renamed."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

_CHUNK_BYTES = 1 << 20


def file_sha256(path: str | Path, *, progress: Callable[[int, int], None] | None = None) -> str:
    """Return the SHA-256 of a file in hexadecimal, read in pieces of 1 MiB.

    Args:
        path: any file.
        progress: called with (bytes done, bytes in all) after each piece.
    """
    digest, done_bytes, size_bytes = hashlib.sha256(), 0, Path(path).stat().st_size
    with Path(path).open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
            done_bytes += len(chunk)
            if progress is not None:
                progress(done_bytes, size_bytes)
    return digest.hexdigest()


def write_durably(path: Path, content: bytes) -> None:
    """Write a file and put it on the disk before returning; it may be seen half written."""
    with path.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def write_whole(path: Path, text: str) -> None:
    """Write a text file so that nobody ever sees half of it."""
    part = path.with_name(path.name + ".part")
    try:
        write_durably(part, text.encode())
        _rename(part, path)
    finally:
        part.unlink(missing_ok=True)


def put_in_place(part: Path, final: Path) -> None:
    """Give a whole file its final name; after a crash either the old or the new file is there."""
    with part.open("rb") as file:
        os.fsync(file.fileno())
    _rename(part, final)


def put_folder_in_place(part: Path, final: Path) -> None:
    """Give a folder of durably written files its final name, which must be free."""
    _sync_folder(part)
    _rename(part, final)


def _rename(part: Path, final: Path) -> None:
    part.replace(final)
    _sync_folder(final.parent)


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # folders cannot be opened there, and renaming is durable without
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
