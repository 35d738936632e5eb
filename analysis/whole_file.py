"""Files that appear whole or not at all."""

import os
from contextlib import suppress
from pathlib import Path

from wtours import WtoursError


def write_whole(path: Path, content: bytes) -> Path:
    """Write a file beside its name and rename it when it is whole.

    Raises:
        WtoursError: the folder cannot be made or written, or the disk is full.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)
    except OSError as fault:
        raise WtoursError(
            f"{path} cannot be written ({fault.strerror})",
            remedy="make room or choose another folder with --out",
        ) from fault
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
    return path
