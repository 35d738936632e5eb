"""What the analysis asks of videos: `wtours.SourceVideos` and what it finds, not imported."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]


class Source(Protocol):
    """A video that a shard set was made from."""

    def pictures(self, pts: NDArray[np.int64], /) -> Iterator[Pixels]:
        """Give the pictures of a stretch's frames by their time stamps, in full size."""
        ...

    def every_picture(
        self, *, width: int, height: int, first: int = 0
    ) -> Iterator[tuple[int, Pixels]]:
        """Give time stamp and picture of every frame from a number on, in a size asked for."""
        ...


class Sources(Protocol):
    """Finds videos by their names in shard sets, and checks that they are the same."""

    def find(self, names: Sequence[str], /) -> Mapping[str, Source]:
        """Return the video of each name."""
        ...
