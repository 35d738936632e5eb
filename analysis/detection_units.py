"""What is looked at for objects, in units that are finished and kept one by one: a tar each."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd
import simplejpeg
from numpy.typing import NDArray

from wtours.shards import ShardError, ShardSet

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True, eq=False)
class Batch:
    """Some pictures of a unit, all of one size."""

    numbers: NDArray[np.int32]
    """(B,) number of each among the pictures of its unit, from 0."""
    images: list[Pixels]
    """(H, W, 3) RGB each."""


class Unit(Protocol):
    """Pictures that are looked at together, and the ticks that show them."""

    @property
    def key(self) -> str:
        """What the pictures are known by, wherever they lie: a hash."""
        ...

    @property
    def label(self) -> str:
        """What a user knows it by."""
        ...

    @property
    def pictures(self) -> int:
        """How many there are."""
        ...

    @property
    def ticks(self) -> pd.DataFrame:
        """video, tick, time_s and picture, the number of the picture that the tick shows."""
        ...

    @property
    def threads(self) -> int:
        """How many of its batches may be read at once."""
        ...

    def batches(self, size: int) -> Iterator[Callable[[], Batch]]:
        """Give calls that read the pictures, at most `size` each; every picture once."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class TarUnit:
    """The pictures of one tar of a shard set."""

    shard_set: ShardSet
    tar: str
    """Its file's name."""
    key: str
    """SHA-256 of the tar."""
    ticks: pd.DataFrame
    """See `Unit`."""
    rows: NDArray[np.int64]
    """(n,) a row of the index for each picture, in the order in which they stand in the tar."""
    sizes: NDArray[np.int64]
    """(n, 2) height and width of each, as the record states them of its video."""
    threads: int = 4

    @property
    def label(self) -> str:
        """Folder and file."""
        return f"{self.shard_set.folder.name}/{self.tar}"

    @property
    def pictures(self) -> int:
        """How many pictures there are."""
        return len(self.rows)

    def batches(self, size: int) -> Iterator[Callable[[], Batch]]:
        """Give calls that read and decode the pictures, at most `size` each, size by size."""
        for height, width in np.unique(self.sizes, axis=0):
            alike = np.flatnonzero((self.sizes == (height, width)).all(axis=1))
            for at in range(0, len(alike), size):
                yield _Reading(self, alike[at : at + size].astype(np.int32))

    def read(self, numbers: NDArray[np.int32]) -> Batch:
        """Return pictures by their numbers.

        Raises:
            ShardError: one was altered, cannot be decoded, or has another size than recorded.
        """
        return Batch(numbers=numbers, images=[self._picture(int(number)) for number in numbers])

    def _picture(self, number: int) -> Pixels:
        try:
            image = decode_jpeg(self.shard_set.read_jpeg(int(self.rows[number])))
        except ValueError as fault:
            reason = str(fault).strip()
            raise self._damaged(number, f"cannot be decoded ({reason})") from fault
        if image.shape[:2] != tuple(self.sizes[number]):
            height, width = self.sizes[number]
            raise self._damaged(
                number,
                f"is {image.shape[1]}x{image.shape[0]}, but {width}x{height} is recorded",
            )
        return image

    def _damaged(self, number: int, finding: str) -> ShardError:
        return ShardError(
            f"{self.shard_set.folder / self.tar}: picture {number} {finding}",
            remedy="make the set again with `wtours shard --replace`, or copy it again from where "
            "it came",
        )


@dataclass(frozen=True, kw_only=False)
class _Reading:
    """A call that reads some pictures."""

    unit: TarUnit
    numbers: NDArray[np.int32]

    def __call__(self) -> Batch:
        return self.unit.read(self.numbers)


def decode_jpeg(jpeg: bytes) -> Pixels:
    """Return a picture (H, W, 3) in RGB as it is stored.

    By libjpeg-turbo through simplejpeg, as in training: the very values that Pillow gives, sooner;
    beside a small network that is what matters.

    Raises:
        ValueError: it is no JPEG, or not a whole one.
    """
    pixels: Pixels = simplejpeg.decode_jpeg(jpeg)
    return pixels


def units_of(shards: Sequence[ShardSet]) -> tuple[TarUnit, ...]:
    """Return the tars of shard sets that hold pictures, in the order of the sets.

    Raises:
        ShardError: an index is missing or damaged.
    """
    return tuple(unit for shard_set in shards for unit in _units_of_set(shard_set))


def _units_of_set(shard_set: ShardSet) -> Iterator[TarUnit]:
    index: pd.DataFrame = shard_set.table(["video", "tick", "time_s", "tar", "offset"]).to_pandas()
    sizes: dict[Any, tuple[int, int]] = {
        video.name: (video.picture_height, video.picture_width) for video in shard_set.videos
    }
    for tar in shard_set.record.tars:
        rows = np.flatnonzero((index["tar"] == tar.name).to_numpy())
        if len(rows) == 0:
            continue
        of_tar = index.iloc[rows]
        # Neighbouring ticks of one time share one picture (FORMAT.md, Time).
        _, first, picture = np.unique(
            of_tar["offset"].to_numpy(), return_index=True, return_inverse=True
        )
        yield TarUnit(
            shard_set=shard_set,
            tar=tar.name,
            key=tar.sha256,
            ticks=of_tar[["video", "tick", "time_s"]].assign(picture=picture.astype(np.int32)),
            rows=rows[first],
            sizes=np.array(
                [sizes[name] for name in of_tar["video"].iloc[first]], dtype=np.int64
            ).reshape(-1, 2),
        )
