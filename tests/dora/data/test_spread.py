"""Distances in time within batches, against loops over pairs."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dora.data.spread import nearest_distances_s, neighbour_distances_s, shares_within

CLIPS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 50)), min_size=2, max_size=40)


def distance_s(one: tuple[int, int], other: tuple[int, int]) -> float:
    return abs(one[1] - other[1]) if one[0] == other[0] else np.inf


@given(clips=CLIPS, batch=st.integers(2, 7))
def test_distances_are_those_of_all_pairs(clips: list[tuple[int, int]], batch: int) -> None:
    videos = np.asarray([video for video, _ in clips])
    times_s = np.asarray([time_s for _, time_s in clips], dtype=np.float64)
    neighbours = neighbour_distances_s(videos, times_s, batch_clips=batch)
    nearest = nearest_distances_s(videos, times_s, batch_clips=batch)
    whole = len(clips) // batch
    assert (neighbours.shape, nearest.shape) == ((whole, batch - 1), (whole, batch))
    for number in range(whole):
        own = clips[number * batch :][:batch]
        pairs = [distance_s(a, b) for a, b in pairwise(own)]
        assert neighbours[number].tolist() == pairs
        others = [
            min(distance_s(own[i], own[j]) for j in range(batch) if j != i) for i in range(batch)
        ]
        assert sorted(nearest[number]) == sorted(others)


def test_shares_count_distances_up_to_a_bound() -> None:
    assert shares_within(np.asarray([0.5, 1.0, 3.0, np.inf]), (1, 5, 100)) == [0.5, 0.75, 0.75]
