"""Pictures that come one after the other, as from a stretch of video, looked at as they come.

Nothing here decodes: whoever knows the video hands over the stretches of the frame pass. The ticks
are those that a shard set of the same rate has, so that its tables and these detections join.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.detection_units import Batch, Pixels
from wtours import WtoursError

BATCH_BYTES = 2**28
"""What the pictures of a batch take at the most, unless one alone takes more: ten of 4K. Three
batches are in memory at once: with the detector, ready, and being decoded."""


@dataclass(frozen=True, kw_only=True, eq=False)
class StreamUnit:
    """A `Unit` whose pictures can only be had in order."""

    key: str
    """A hash of the video, the stretch, and how its pictures are chosen and made."""
    label: str
    """Such as "walk.mp4, 2:00 to 3:00"."""
    ticks: pd.DataFrame
    """video, tick, time_s and picture, the number of the picture that the tick shows."""
    pictures: int
    """How many come."""
    picture_bytes: int
    """Of each: height x width x 3."""
    read: Callable[[], Iterator[Pixels]]
    """Gives the pictures, (H, W, 3) RGB, all of one size."""
    threads: int = 1
    """One: a decoder goes through its stretch alone, beside the detector."""

    def batches(self, size: int) -> Iterator[Callable[[], Batch]]:
        """Give calls that take the next pictures, at most `size` each; to be done in order.

        Each takes fewer where they would be more than BATCH_BYTES.
        """
        stream = self.read()
        size = min(size, max(1, BATCH_BYTES // self.picture_bytes))

        def take(first: int, count: int) -> Batch:
            images = list(islice(stream, count))
            at_end = first + count == self.pictures
            surplus = at_end and next(stream, None) is not None
            if len(images) != count or surplus:
                raise WtoursError(
                    f"{self.label} gives {'more' if surplus else 'fewer'} pictures than the "
                    f"{self.pictures} that were expected",
                    remedy="check the video with `wtours verify`",
                )
            numbers: NDArray[np.int32] = np.arange(first, first + count, dtype=np.int32)
            return Batch(numbers=numbers, images=images)

        for first in range(0, self.pictures, size):
            yield _bound(take, first, min(size, self.pictures - first))


def _bound(take: Callable[[int, int], Batch], first: int, count: int) -> Callable[[], Batch]:
    return lambda: take(first, count)
