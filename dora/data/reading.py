"""Reads one clip: places of its pictures to pictures to views, in whatever process."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL.JpegImagePlugin import JpegImageFile
from torch.utils.data import Dataset

from dora.config import AugmentConfig
from dora.data.augment import ClipViews, augment_clip, draw_clip
from dora.data.places import ClipPlace, FramePlace, OpenFiles, read_bytes
from dora.errors import DoraError
from wtours.shards import ShardError


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A user's error in a worker, on its way to the main process."""

    kind: type[Exception]
    message: str
    remedy: str

    def error(self) -> Exception:
        """Return the error as it was raised."""
        if issubclass(self.kind, DoraError | ShardError):
            return self.kind(self.message, remedy=self.remedy)
        return DoraError(self.message, remedy=self.remedy)


class ClipReader(Dataset[ClipViews | Fault]):
    """Reads and augments one clip: a pure function of its place and the run's seed.

    Args:
        augment: how views are made.
        seed: the run's seed.
    """

    def __init__(self, augment: AugmentConfig, *, seed: int) -> None:
        self.augment = augment
        self.seed = seed
        self.files = OpenFiles()

    def __getitem__(self, place: ClipPlace) -> ClipViews | Fault:
        try:
            with one_thread():
                return self.read(place)
        except (DoraError, ShardError) as fault:
            # Raised here, it would reach the user as a text with a worker's traceback.
            return Fault(kind=type(fault), message=fault.message, remedy=fault.remedy)

    def read(self, place: ClipPlace) -> ClipViews:
        """Return the views of one clip.

        Raises:
            ShardError: a picture was altered.
            DoraError: a picture cannot be decoded, or is too small for the first crop.
        """
        frames = read_frames(place, self.files)
        draws = draw_clip(
            self.augment,
            seed=self.seed,
            position=place.position,
            frames=len(frames),
            height=frames.shape[1],
            width=frames.shape[2],
        )
        return augment_clip(frames, self.augment, draws, position=place.position)


def read_frames(place: ClipPlace, files: OpenFiles | None = None) -> NDArray[np.uint8]:
    """Return the pictures of a clip, (T, H, W, 3) uint8.

    Pillow decodes, because it has libjpeg-turbo (1.8 ms for 910x512; OpenCV and torchvision, whose
    decoder is deprecated, 1.3 ms) and is no video library.

    Raises:
        ShardError: a picture was altered.
        DoraError: a picture cannot be decoded, or has another size than those before it.
    """
    frames: list[NDArray[np.uint8]] = []
    for frame, row in zip(place.frames, place.rows, strict=True):
        jpeg = read_bytes(frame, files)
        try:
            picture = JpegImageFile(io.BytesIO(jpeg))
            pixels = np.asarray(picture.convert("RGB"))
        except (OSError, SyntaxError) as fault:
            raise _bad_picture(frame, row, f"cannot be decoded ({fault})") from fault
        if frames and pixels.shape != frames[0].shape:
            raise _bad_picture(frame, row, "has another size than its neighbours")
        frames.append(pixels)
    return np.stack(frames)


def _bad_picture(frame: FramePlace, row: int, fault: str) -> DoraError:
    return DoraError(
        f"{frame.path}: the picture of row {row} {fault}",
        remedy="make the set again with `wtours shard --replace`",
    )


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep torch to one thread, as in a worker: its steps here are too small to be worth more."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
