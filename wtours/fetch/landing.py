"""Where a video lands: its partial file, the receipt that says of what it is a part, the disk.

A part is only ever continued if its receipt names the same thing: another format, a changed file or
another source starts anew, so that two halves of different files are never joined.
"""

import errno
import json
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wtours.containers import VIDEO_EXTENSIONS
from wtours.errors import WtoursError
from wtours.one_run import hold
from wtours.progress import size_text

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
"""Error numbers of a disk, or of a user's share of it, that is full."""


class DiskFullError(WtoursError):
    """No room is left; another source would not help."""


class UnreachableError(WtoursError):
    """A platform cannot be reached from here; its other videos need not be asked for."""


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """A whole file under its partial name, and what its source said of it."""

    part: Path
    extension: str
    said: dict[str, Any]
    companions: tuple[Path, ...] = ()
    """Files that belong beside the video, under the names that they will keep."""


@dataclass(frozen=True, kw_only=True)
class Landing:
    """The files that one video may occupy while it is fetched."""

    folder: Path
    name: str

    def held(self) -> AbstractContextManager[None]:
        """Keep other processes and threads from fetching the same video into the same folder.

        Raises:
            WtoursError: another one has it.
        """
        return hold(self.folder / self.name, doing="fetched")

    def final(self, extension: str) -> Path:
        """Return the name that the whole file will get."""
        return self.folder / f"{self.name}.{extension}"

    @property
    def record(self) -> Path:
        """The name of the record beside the final file."""
        return self.folder / f"{self.name}.json"

    def finals(self) -> list[Path]:
        """Return the files that stand under the final name, with whichever ending."""
        return [
            path for ending in sorted(VIDEO_EXTENSIONS) if (path := self.final(ending)).exists()
        ]

    def part(self, extension: str) -> Path:
        """Return the name of the partial file."""
        return self.folder / f"{self.name}.{extension}.part"

    def continue_part(self, extension: str, identity: dict[str, Any]) -> int:
        """Return how many bytes of exactly this file are there; anything else is thrown away."""
        part = self.part(extension)
        if part.exists() and self.receipt(extension) == identity:
            return part.stat().st_size
        self.start_anew(extension, identity)
        return 0

    def part_bytes(self, extension: str, part_of: dict[str, Any]) -> int:
        """Return how many bytes are there of what a receipt describes; 0 of anything else."""
        part, receipt = self.part(extension), self.receipt(extension)
        if receipt is None or not part.is_file():
            return 0
        same = all(receipt.get(key) == value for key, value in part_of.items())
        return part.stat().st_size if same else 0

    def start_anew(self, extension: str, identity: dict[str, Any]) -> None:
        """Throw the part away and write down what the next one is a part of."""
        self.part(extension).unlink(missing_ok=True)
        self._receipt_path(extension).write_text(json.dumps(identity), encoding="utf-8")

    def receipt(self, extension: str) -> dict[str, Any] | None:
        """Return what the part is a part of; None where nobody knows."""
        try:
            receipt = json.loads(self._receipt_path(extension).read_text(encoding="utf-8"))
        except (FileNotFoundError, json.JSONDecodeError):
            return None  # lost in a crash: the part is then not continued
        return receipt if isinstance(receipt, dict) else None

    def clear(self) -> None:
        """Remove everything that is not a final file of this video."""
        for leftover in self.leftovers():
            if leftover.is_dir():
                shutil.rmtree(leftover)
            else:
                leftover.unlink(missing_ok=True)

    def leftovers(self) -> list[Path]:
        """Return partial files and receipts of this video, with whatever ending."""
        parts = (
            *self.folder.glob(f"{self.name}.*.part"),
            *self.folder.glob(f"{self.name}.*.part.*"),
        )
        return sorted({*parts, *self.folder.glob(f"{self.name}.part")})

    def _receipt_path(self, extension: str) -> Path:
        return self.folder / f"{self.name}.{extension}.part.json"


def make_folder(out: Path) -> None:
    """Make the folder that videos go to; raise WtoursError where there can be none."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WtoursError(
            f"{out} cannot be made a folder ({error.strerror})", remedy="name another with --out"
        ) from error


@contextmanager
def room_on_disk(path: Path, needed_bytes: int | None = None) -> Iterator[None]:
    """Say in one sentence when the disk of `path` is, or gets, full.

    Args:
        path: the file that is written; its folder exists.
        needed_bytes: how much is still to be written, if known; checked before the first byte.

    Raises:
        DiskFullError: there is not, or no longer, room for it.
    """
    free_bytes = shutil.disk_usage(path.parent).free
    if needed_bytes is not None and needed_bytes > free_bytes:
        raise disk_full(path, needed_bytes - free_bytes)
    written_before = path.stat().st_size if path.exists() else 0
    try:
        yield
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        written = (path.stat().st_size if path.exists() else 0) - written_before
        missing = None if needed_bytes is None else needed_bytes - written
        raise disk_full(path, missing) from error


def disk_full(path: Path, missing_bytes: int | None) -> DiskFullError:
    """Return the error for a full disk; `missing_bytes` is None where the whole size is unknown."""
    missing = "" if missing_bytes is None else f": {size_text(missing_bytes)} more are needed"
    return DiskFullError(
        f"{path}: no room is left on the disk{missing}",
        remedy="free some room or name another folder with --out; what is there will be continued",
    )
