"""The unblurred frames of one portion: a tar of pictures, with a record beside it.

Pictures are stored without loss, in every size that the stages ask for. The record appears after
the tar, each whole or not at all. Both are checked when they are read: the record by its SHA-256,
each picture by its CRC-32.
"""

import io
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from wtours.conversion import Pixels
from wtours.frame_pass import StretchRecord
from wtours.shards import TarWriter
from wtours.unblurred_record import (
    DamagedFramesError,
    FramePlace,
    KeptPicture,
    KeptStretch,
    record_bytes,
    record_path,
    tar_path,
)
from wtours.video import Shown
from wtours.whole_file import put_in_place, write_durably

Size = tuple[int, int]
"""Width and height in pixels."""
_MOST_WEBP_PX = 16_383


@dataclass(frozen=True, kw_only=True, eq=False)
class KeptFrame:
    """A frame as the stages that make pictures see it, in the sizes that they ask for."""

    index: int
    pts: int
    pts_s: float
    width: int
    height: int
    pictures: Mapping[Size, Pixels] = field(repr=False)

    def scaled(self, width: int, height: int) -> Pixels:
        """Return (height, width, 3) uint8 RGB, upright; of the sizes that were kept."""
        return self.pictures[width, height]


class FramesWriter:
    """Keeps the frames of one portion.

    Args:
        folder: of the set's kept frames.
        number: of the portion.
    """

    def __init__(self, folder: Path, number: int) -> None:
        self._folder, self._number = folder, number
        self._part = _part(tar_path(folder, number))
        with naming_folder(folder):
            make_private(self._part)
            self._tar = TarWriter(self._part)
        self._mark = self._tar.mark()
        self._video, self._sizes = "", tuple[Size, ...]()
        self._frames: list[FramePlace] = []
        self._stretches: list[KeptStretch | None] = []

    def begin_stretch(self, video: str, sizes: Sequence[Size]) -> None:
        """Begin a stretch, or begin it again.

        Args:
            video: its name.
            sizes: in which its frames are kept.
        """
        self._video, self._sizes, self._frames = video, tuple(sizes), []
        with naming_folder(self._folder):
            self._tar.back_to(self._mark)

    def keep(self, tick: int, frame: Shown) -> KeptFrame:
        """Keep a frame; return it as it will be read again."""
        pictures = {size: frame.scaled(*size) for size in self._sizes}
        places = tuple(self._add(tick, size, image) for size, image in pictures.items())
        place = FramePlace(index=frame.index, tick=tick, pts=frame.pts, pictures=places)
        self._frames.append(place)
        return KeptFrame(
            index=frame.index,
            pts=frame.pts,
            pts_s=frame.pts_s,
            width=frame.width,
            height=frame.height,
            pictures=pictures,
        )

    def end_stretch(self, record: StretchRecord) -> None:
        """Conclude a stretch."""
        kept = KeptStretch(
            frames=tuple(self._frames),
            notes=record.notes,
            pts=record.pts,
            scores=record.scores,
            small=record.small,
            starts=record.starts,
        )
        self._mark = self._tar.mark()
        self._stretches.append(kept)

    def leave_out(self) -> None:
        """Remove what was kept of a stretch that turned out damaged."""
        with naming_folder(self._folder):
            self._tar.back_to(self._mark)
        self._stretches.append(None)

    def finish(self) -> None:
        """Put the tar and then the record in their places."""
        with naming_folder(self._folder):
            self._tar.end()
            put_in_place(self._part, tar_path(self._folder, self._number))
            write_private(record_path(self._folder, self._number), record_bytes(self._stretches))

    def abandon(self) -> None:
        """Close the tar, and remove what is not finished."""
        self._tar.abandon()
        self._part.unlink(missing_ok=True)

    def _add(self, tick: int, size: Size, image: Pixels) -> KeptPicture:
        content, kind = encoded(image)
        name = f"{self._video}/{tick:08d}.{size[0]}x{size[1]}.{kind}"
        with naming_folder(self._folder):
            offset = self._tar.add_member(name, content)
        return KeptPicture(
            width=size[0],
            height=size[1],
            offset=offset,
            size=len(content),
            crc32=zlib.crc32(content),
        )


def read_frames(
    places: Sequence[tuple[Path, FramePlace]], *, width: int, height: int, time_base: Fraction
) -> Iterator[KeptFrame]:
    """Give frames from their tars, each picture checked.

    Args:
        places: where they stand.
        width: of the video, as shown.
        height: of the same.
        time_base: seconds a unit of their time stamps.

    Raises:
        DamagedFramesError: a tar is missing, or a picture is not what was written.
    """
    opened: dict[Path, BinaryIO] = {}
    try:
        for tar, place in places:
            if tar not in opened:
                opened[tar] = _open(tar)
            yield KeptFrame(
                index=place.index,
                pts=place.pts,
                pts_s=float(place.pts * time_base),
                width=width,
                height=height,
                pictures={
                    (one.width, one.height): _picture(opened[tar], tar, one)
                    for one in place.pictures
                },
            )
    finally:
        for file in opened.values():
            file.close()


def _open(tar: Path) -> BinaryIO:
    try:
        return tar.open("rb")
    except OSError as fault:
        raise DamagedFramesError(f"{tar} cannot be read ({fault.strerror})") from fault


def _picture(file: BinaryIO, tar: Path, place: KeptPicture) -> Pixels:
    try:
        file.seek(place.offset)
        content = file.read(place.size)
    except OSError as fault:
        raise DamagedFramesError(f"{tar} cannot be read ({fault.strerror})") from fault
    if len(content) != place.size or zlib.crc32(content) != place.crc32:
        raise DamagedFramesError(f"{tar} was altered")
    return decoded(content)


def encoded(image: Pixels) -> tuple[bytes, str]:
    """Return an (H, W, 3) RGB picture without loss, and the ending of its file's name.

    Measured on both pictures of a frame (512 and 720 lines) of walks, a kitchen and 4K: WebP with
    method 0 takes 1.2 to 2.1 MB and 40 to 60 ms; with method 1, 4 to 10 % less in four times as
    long; PNG, 20 to 45 % more in 60 to 90 ms.
    """
    stream, picture = io.BytesIO(), Image.fromarray(image)
    if max(picture.size) > _MOST_WEBP_PX:
        picture.save(stream, "PNG", compress_level=1)
        return stream.getvalue(), "png"
    picture.save(stream, "WEBP", lossless=True, quality=0, method=0)
    return stream.getvalue(), "webp"


def decoded(content: bytes) -> Pixels:
    """Return the (H, W, 3) RGB picture that was encoded."""
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def make_private(path: Path) -> None:
    """Make an empty file that only its owner may read."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read; nobody ever sees half of it."""
    part = _part(path)
    make_private(part)
    write_durably(part, content)
    put_in_place(part, path)


def _part(path: Path) -> Path:
    return path.with_name(path.name + ".part")


@contextmanager
def naming_folder(folder: Path) -> Iterator[None]:
    """Have a disk's faults name the folder: they do not where a file is full."""
    try:
        yield
    except OSError as fault:
        raise OSError(fault.errno, fault.strerror, str(folder)) from fault
