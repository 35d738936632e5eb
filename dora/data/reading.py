"""Reads one clip: places of its pictures to first crops and draws, in whatever process."""

import math
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dora.config import AugmentConfig
from dora.data.clip_draws import ClipDraws, draw_clip
from dora.data.crops import Cutter, buffer_bytes
from dora.data.jpeg import DamagedJpegError, decode_jpeg, picture_size
from dora.data.places import ClipPlace, OpenFiles, read_bytes
from dora.errors import DoraError
from wtours.shards import ShardError

OnBadFrame = Literal["error", "skip"]
Decoder = Literal["turbo", "gpu"]
Faults = dict[int, DoraError | ShardError]
"""What is wrong with some frames of a clip, by their place in it."""
REMEDY = "make the set again with `wtours shard --replace`"


@dataclass(frozen=True, kw_only=True)
class Replaced:
    """A damaged picture in whose place its clip has another one."""

    set_number: int
    row: int
    """Of the set's index."""
    reason: str


@dataclass(frozen=True, kw_only=True)
class DrawnClip:
    """The first crops of one clip, and all that was drawn for what follows."""

    position: int
    """Number of the clip in the run."""
    first: Tensor
    """(T, 3, S, S) uint8, channels last in memory."""
    draws: ClipDraws
    replaced: tuple[Replaced, ...] = ()

    @property
    def rows(self) -> NDArray[np.float32]:
        """Return (V + L, T, VIEW_COLUMNS), the parameters of all pictures of the clip."""
        return self.draws.rows()

    def packed(self) -> "PackedClip":
        """Return the clip with what of its draws is still to be applied, as one array."""
        return PackedClip(
            position=self.position, first=self.first, rows=self.rows, replaced=self.replaced
        )


@dataclass(frozen=True, kw_only=True)
class PackedClip:
    """A clip on its way to a GPU: one array costs less to hand over than the nine of draws."""

    position: int
    """Number of the clip in the run."""
    first: Tensor
    """(T, 3, S, S) uint8, channels last in memory."""
    rows: NDArray[np.float32]
    """(V + L, T, VIEW_COLUMNS), `ClipDraws.rows`."""
    replaced: tuple[Replaced, ...] = ()


@dataclass(frozen=True, kw_only=True)
class EncodedClip:
    """A clip whose pictures a GPU is to decode."""

    place: ClipPlace
    jpegs: Tensor
    """(bytes,) uint8: those of the T frames, one after the other."""
    sizes_bytes: tuple[int, ...]
    """(T,)"""
    draws: ClipDraws
    replaced: tuple[Replaced, ...] = ()


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


class ClipReader:
    """Reads one clip: a pure function of its place and the run's seed.

    A picture is damaged when its checksum is another one, when it cannot be decoded, or when it has
    another size than most of its clip. With `skip` the nearest good picture of the clip stands in
    its place, the earlier of two that are equally near.

    Args:
        augment: how views are made.
        seed: the run's seed.
        on_bad_frame: whether a damaged picture is an error.
    """

    def __init__(
        self, augment: AugmentConfig, *, seed: int, on_bad_frame: OnBadFrame = "error"
    ) -> None:
        self.augment = augment
        self.seed = seed
        self.on_bad_frame = on_bad_frame
        self.files = OpenFiles()
        self._buffer = np.empty(0, dtype=np.uint8)

    def read(self, place: ClipPlace, *, memory: Tensor | None = None) -> DrawnClip:
        """Return one clip.

        Args:
            place: where it is.
            memory: (bytes,) uint8 where its first crops shall lie; not given: fresh memory.

        Raises:
            ShardError: a picture was altered.
            DoraError: a picture cannot be decoded, or is too small for the first crop.
        """
        faults: Faults = {}
        jpegs, size = self._read_jpegs(place, faults)
        draws = self._draw(place, size)
        first = self._cut(place, jpegs, size, draws, faults, memory)
        return DrawnClip(
            position=place.position,
            first=first,
            draws=draws,
            replaced=_replaced(place, faults),
        )

    def read_encoded(self, place: ClipPlace) -> EncodedClip:
        """Return one clip whose pictures are not decoded; they are good as far as their headers.

        Raises:
            ShardError: a picture was altered.
            DoraError: a picture is none, or is too small for the first crop.
        """
        faults: Faults = {}
        jpegs, size = self._read_jpegs(place, faults)
        frames = [jpegs[nearest(t, set(jpegs))] for t in range(len(place.frames))]
        return EncodedClip(
            place=place,
            jpegs=torch.frombuffer(bytearray(b"".join(frames)), dtype=torch.uint8),
            sizes_bytes=tuple(len(jpeg) for jpeg in frames),
            draws=self._draw(place, size),
            replaced=_replaced(place, faults),
        )

    def decode(self, clip: EncodedClip) -> DrawnClip:
        """Return a clip of `read_encoded` as `read` does, from the JPEGs that it carries.

        Raises:
            DoraError: a picture cannot be decoded.
        """
        place, faults = clip.place, Faults()
        pieces = torch.split(clip.jpegs, list(clip.sizes_bytes))
        jpegs = {t: piece.numpy().tobytes() for t, piece in enumerate(pieces)}
        first = self._cut(place, jpegs, picture_size(jpegs[0]), clip.draws, faults)
        return DrawnClip(
            position=place.position,
            first=first,
            draws=clip.draws,
            replaced=clip.replaced + _replaced(place, faults),
        )

    def _draw(self, place: ClipPlace, size: tuple[int, int]) -> ClipDraws:
        return draw_clip(
            self.augment,
            seed=self.seed,
            position=place.position,
            frames=len(place.frames),
            height=size[0],
            width=size[1],
        )

    def _read_jpegs(
        self, place: ClipPlace, faults: Faults
    ) -> tuple[dict[int, bytes], tuple[int, int]]:
        """Return the JPEGs of the frames that are good as far as their headers, and their size."""
        jpegs, sizes = {}, {}
        for t, frame in enumerate(place.frames):
            try:
                jpeg = read_bytes(frame, self.files)
                sizes[t] = picture_size(jpeg)
                jpegs[t] = jpeg
            except (ShardError, DamagedJpegError) as fault:
                self._note(place, t, fault, faults)
        if not sizes:
            raise _no_good_frame(place, faults)
        size = Counter(sizes.values()).most_common(1)[0][0]
        for t in [t for t in sizes if sizes[t] != size]:
            self._note(place, t, "has another size than its neighbours", faults)
        return {t: jpeg for t, jpeg in jpegs.items() if sizes[t] == size}, size

    def _cut(
        self,
        place: ClipPlace,
        jpegs: dict[int, bytes],
        size: tuple[int, int],
        draws: ClipDraws,
        faults: Faults,
        memory: Tensor | None = None,
    ) -> Tensor:
        """Return (T, 3, S, S) uint8, the first crops; good ones in the place of those at fault."""
        px = self.augment.first_px
        shape = (len(place.frames), px, px, 3)
        if memory is None:
            memory = torch.empty(math.prod(shape), dtype=torch.uint8)
        first = memory[: math.prod(shape)].view(shape).permute(0, 3, 1, 2)
        if self._buffer.size < buffer_bytes(size):
            self._buffer = np.empty(buffer_bytes(size), dtype=np.uint8)
        crops = Cutter(size, draws.first_box, px=px, buffer=self._buffer)
        outs = torch.split(first, 1)
        for t, jpeg in jpegs.items():
            try:
                crops.cut(jpeg, out=outs[t])
            except DamagedJpegError as fault:
                self._note(place, t, fault, faults)
        if len(faults) == len(place.frames):
            raise _no_good_frame(place, faults)
        for t in faults:
            first[t] = first[nearest(t, set(jpegs) - set(faults))]
        return first

    def _note(
        self,
        place: ClipPlace,
        t: int,
        fault: ShardError | DamagedJpegError | str,
        faults: Faults,
    ) -> None:
        """Raise the fault of a picture, or keep it."""
        error = fault if isinstance(fault, ShardError) else _bad_picture(place, t, fault)
        if self.on_bad_frame == "error":
            raise error
        faults[t] = error


def nearest(t: int, good: set[int]) -> int:
    """Return the good frame nearest to t, the earlier of two that are equally near."""
    return min(good, key=lambda other: (abs(other - t), other))


def _replaced(place: ClipPlace, faults: Faults) -> tuple[Replaced, ...]:
    return tuple(
        Replaced(set_number=place.set_number, row=place.rows[t], reason=fault.message)
        for t, fault in sorted(faults.items())
    )


def read_frames(place: ClipPlace, files: OpenFiles | None = None) -> NDArray[np.uint8]:
    """Return the pictures of a clip at their full size, (T, H, W, 3) uint8.

    Raises:
        ShardError: a picture was altered.
        DoraError: a picture cannot be decoded, or has another size than those before it.
    """
    frames: list[NDArray[np.uint8]] = []
    for t, frame in enumerate(place.frames):
        jpeg = read_bytes(frame, files)
        try:
            pixels = decode_jpeg(jpeg, picture_size(jpeg))
        except DamagedJpegError as fault:
            raise _bad_picture(place, t, fault) from fault
        if frames and pixels.shape != frames[0].shape:
            raise _bad_picture(place, t, "has another size than its neighbours")
        frames.append(pixels)
    return np.stack(frames)


def _bad_picture(place: ClipPlace, t: int, fault: DamagedJpegError | str) -> DoraError:
    what = fault if isinstance(fault, str) else f"cannot be decoded ({fault})"
    return DoraError(
        f"{place.frames[t].path}: the picture of row {place.rows[t]} {what}", remedy=REMEDY
    )


def _no_good_frame(place: ClipPlace, faults: Faults) -> DoraError:
    return DoraError(
        f"none of the pictures of rows {place.rows[0]} to {place.rows[-1]} is whole; "
        f"{faults[0].message}",
        remedy=REMEDY,
    )


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep torch to one thread, as in a worker: its steps here are too small to be worth more."""
    threads = torch.get_num_threads()
    if threads == 1:
        yield  # nothing to set, twice for each clip: 0.1 ms
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
