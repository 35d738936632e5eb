"""What a user reads when a disk is full, or a folder cannot be written to."""

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wtours.errors import WtoursError

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_NO_FOLDER = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST)


@contextmanager
def told_of_disk(
    out: Path, text: str, unblurred: Path | None = None, *, option: str = "--out"
) -> Iterator[None]:
    """Turn a full disk, or a folder that cannot be written to, into a sentence."""
    try:
        yield
    except OSError as fault:
        named = Path(fault.filename) if isinstance(fault.filename, str) else None
        if unblurred is not None and named is not None and named.is_relative_to(unblurred):
            out, option = unblurred, "--keep-unblurred"
        if fault.errno in _NO_FOLDER:
            raise WtoursError(
                f"{out} cannot be written to ({fault.strerror})",
                remedy=f"name another folder with {option}",
            ) from fault
        if fault.errno not in _NO_ROOM:
            raise
        free_mb = shutil.disk_usage(out if out.exists() else out.parent).free / 1e6
        raise WtoursError(
            f"{out} has no room left for the pictures of {text}: {free_mb:.0f} MB are free",
            remedy="make room and run the same command again, which goes on from there, or give "
            f"another {option}; `--dry-run` says how much is needed",
        ) from fault
