"""Files that appear under their name only when whole: written beside it, synced, renamed."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dora.errors import DoraError


@contextmanager
def whole_file(path: Path, *, remedy: str = "make room, or give another --out") -> Iterator[Path]:
    """Hand out a name to write to beside `path`, and give the file its own name in the end.

    After any fault, in here or in the body, neither is there; an older file of that name stays.

    Args:
        path: the file; its folder is made.
        remedy: for a disk that is full or cannot be written.

    Raises:
        DoraError: in place of an OSError, here or in the body.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.partial")
        try:
            yield partial
            with partial.open("rb") as stream:
                os.fsync(stream.fileno())
            partial.replace(path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
    except OSError as fault:
        raise DoraError(
            f"{path} cannot be written ({fault.strerror or fault})", remedy=remedy
        ) from fault
