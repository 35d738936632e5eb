"""Videos that are on a disk already: linked where the disk allows it, else copied."""

import os
from pathlib import Path

from wtours.containers import VIDEO_EXTENSIONS
from wtours.errors import WtoursError
from wtours.fetch.landing import Arrival, Landing, room_on_disk
from wtours.fetch.offer import Offer
from wtours.fetch.settings import StepProgress
from wtours.manifest import Source

_CHUNK_BYTES = 1 << 20


def ask_file(source: Source) -> Offer:
    """Return the size of the file at `source.path`; raise WtoursError where there is none."""
    path = _existing(source)
    return Offer(
        source=source,
        size_bytes=path.stat().st_size,
        extension=_extension(path),
        part_of={"path": str(path)},
    )


def bring_file(source: Source, landing: Landing, *, progress: StepProgress) -> Arrival:
    """Bring the file at `source.path` to its partial name: a second name for it, or a copy.

    Raises:
        WtoursError: it is missing, no file, or cannot be read.
        DiskFullError: there is no room for a copy.
    """
    path = _existing(source)
    extension = _extension(path)
    stat = path.stat()
    identity = {"path": str(path), "size_bytes": stat.st_size, "changed_ns": stat.st_mtime_ns}
    part = landing.part(extension)
    if not landing.continue_part(extension, identity) and not _link(path, part):
        part.touch()
    if part.stat().st_size < stat.st_size:
        _copy_rest(path, part, stat.st_size, progress=progress)
    progress(stat.st_size, stat.st_size)
    return Arrival(part=part, extension=extension, said={})


def _existing(source: Source) -> Path:
    path = Path(str(source.path))
    if not path.is_file():
        raise WtoursError(
            f"{path}: there is no such file", remedy="correct the path in the manifest"
        )
    return path.resolve()  # a link to a link would follow the first one's fate


def _extension(path: Path) -> str:
    extension = path.suffix.lstrip(".").lower()
    return extension if extension in VIDEO_EXTENSIONS else "mp4"


def _link(path: Path, part: Path) -> bool:
    try:
        os.link(path, part)
    except OSError:  # another disk, or one that knows no links: it is copied instead
        return False
    return True


def _copy_rest(path: Path, part: Path, size_bytes: int, *, progress: StepProgress) -> None:
    done_bytes = part.stat().st_size
    try:
        with (
            room_on_disk(part, size_bytes - done_bytes),
            path.open("rb") as original,
            part.open("ab") as copy,
        ):
            original.seek(done_bytes)
            while chunk := original.read(_CHUNK_BYTES):
                copy.write(chunk)
                done_bytes += len(chunk)
                progress(done_bytes, size_bytes)
    except PermissionError as error:
        raise WtoursError(
            f"{error.filename} may not be read or written", remedy="check its permissions"
        ) from error
