"""How well an order mixes: how far apart in the video the clips of a batch are.

Neighbouring seconds of a walk look alike, so that a batch of them holds few different pictures.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def neighbour_distances_s(
    videos: NDArray[np.int64], times_s: NDArray[np.float64], *, batch_clips: int
) -> NDArray[np.float64]:
    """Return the distances in time of each two clips that follow each other in a batch.

    Args:
        videos: (n,) of clips in their order.
        times_s: (n,) when in its video each begins.
        batch_clips: clips of a batch; what fills none is left out.

    Returns:
        (batches, batch_clips - 1) seconds; infinity for clips of two videos.
    """
    video, time_s = _batches(videos, batch_clips), _batches(times_s, batch_clips)
    return np.where(np.diff(video) == 0, np.abs(np.diff(time_s)), np.inf)


def nearest_distances_s(
    videos: NDArray[np.int64], times_s: NDArray[np.float64], *, batch_clips: int
) -> NDArray[np.float64]:
    """Return each clip's distance in time to the nearest other one of its video in its batch.

    Args:
        videos: (n,) of clips in their order.
        times_s: (n,) when in its video each begins.
        batch_clips: clips of a batch, 2 or more; what fills none is left out.

    Returns:
        (batches, batch_clips) seconds, sorted by video and time; infinity where there is no other.
    """
    video, time_s = _batches(videos, batch_clips), _batches(times_s, batch_clips)
    by_place = np.lexsort((time_s, video), axis=1)
    gaps_s = np.diff(np.take_along_axis(time_s, by_place, axis=1))
    gaps_s[np.diff(np.take_along_axis(video, by_place, axis=1)) != 0] = np.inf
    ends = np.full((len(gaps_s), 1), np.inf)
    nearest_s: NDArray[np.float64] = np.minimum(
        np.hstack([ends, gaps_s]), np.hstack([gaps_s, ends])
    )
    return nearest_s


def shares_within(distances_s: NDArray[np.float64], bounds_s: Sequence[float]) -> list[float]:
    """Return which share of distances is at most each bound, in seconds."""
    return [float(np.mean(distances_s <= bound_s)) for bound_s in bounds_s]


def _batches(values: NDArray[np.generic], batch_clips: int) -> NDArray[np.float64]:
    whole = len(values) // batch_clips * batch_clips
    batches: NDArray[np.float64] = values[:whole].astype(np.float64)
    return batches.reshape((-1, batch_clips))
