"""The shuffle in blocks: every clip once, few tars at a time, each for one stretch of the pass."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dora.data.blocks import Blocks, block_permutation
from dora.data.clips import ClipRuns
from dora.data.draws import permutation

NUMBERS = st.integers(1, 6)


def runs_of(counts: list[int], tars: list[int]) -> ClipRuns:
    sizes = np.asarray(counts, dtype=np.int64)
    return ClipRuns(
        firsts=np.cumsum(sizes) - sizes, counts=sizes, tars=np.asarray(tars, dtype=np.int32)
    )


def equal_tars(tars: int, clips: int) -> ClipRuns:
    return runs_of([clips] * tars, list(range(tars)))


@given(
    runs=st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9)), min_size=1, max_size=12),
    block_tars=NUMBERS,
    open_tars=NUMBERS,
    seed=st.integers(0, 2**64 - 1),
    number=st.integers(0, 5),
)
def test_every_clip_comes_once_in_a_pass(
    runs: list[tuple[int, int]], block_tars: int, open_tars: int, seed: int, number: int
) -> None:
    """Whatever lies in which tar, in whatever order the tars are numbered."""
    clips = runs_of([count for count, _ in runs], [tar for _, tar in runs])
    blocks = Blocks(block_tars=block_tars, open_tars=open_tars)
    order = block_permutation(clips, blocks, seed=seed, number=number)
    assert sorted(order.tolist()) == list(range(len(clips)))
    again = block_permutation(clips, blocks, seed=seed, number=number)
    assert np.array_equal(order, again)


@pytest.mark.parametrize("number", range(4))
def test_one_open_tar_shows_blocks_of_neighbours(number: int) -> None:
    """Then the order goes from tar to tar, and a block's follow each other."""
    clips = equal_tars(22, 5)
    order = block_permutation(clips, Blocks(block_tars=4, open_tars=1), seed=3, number=number)
    visited = (order // 5).reshape(22, 5)
    assert (visited == visited[:, :1]).all()
    breaks = np.flatnonzero(np.diff(visited[:, 0]) != 1) + 1
    lengths = np.diff(np.concatenate([[0], breaks, [22]]))
    # Two blocks may happen to follow each other; the first and the last may be shorter.
    assert np.sum(lengths % 4 != 0) <= 2
    assert len(lengths) >= 3


def test_passes_and_seeds_and_sources_differ() -> None:
    clips, blocks = equal_tars(12, 3), Blocks(block_tars=2, open_tars=3)
    orders = {
        tuple(block_permutation(clips, blocks, seed=seed, number=number, source=source))
        for seed in range(3)
        for number in range(3)
        for source in range(3)
    }
    assert len(orders) == 27


@pytest.mark.parametrize("open_tars", [2, 5, 16])
def test_no_more_tars_are_open_than_was_said(open_tars: int) -> None:
    """A tar is open from its first clip to its last: half as many at the ends of a pass."""
    clips = equal_tars(60, 50)
    order = block_permutation(clips, Blocks(block_tars=3, open_tars=open_tars), seed=0, number=0)
    tars = order // 50
    first = np.asarray([np.flatnonzero(tars == tar)[0] for tar in range(60)])
    last = np.asarray([np.flatnonzero(tars == tar)[-1] for tar in range(60)])
    places = np.arange(len(order))[:, None]
    opened = ((first <= places) & (places <= last)).sum(axis=1)
    assert opened.max() <= open_tars + 2
    assert opened[0] <= open_tars // 2 + 2
    assert (last - first).max() < 50 * (open_tars + 3)


def test_the_open_tars_are_mixed_evenly() -> None:
    """Two neighbours are of the same tar one time in `open_tars`, or two at a pass's ends."""
    order = block_permutation(
        equal_tars(400, 100), Blocks(block_tars=4, open_tars=20), seed=1, number=0
    )
    tars = order // 100
    same = np.mean(np.diff(tars) == 0)
    assert 0.8 / 20 < same < 1.25 / 20
    begins = np.mean(np.diff(tars[:500]) == 0)
    assert begins < 3.5 / 20


def test_as_many_open_tars_as_there_are_give_the_global_order() -> None:
    clips = equal_tars(7, 4)
    order = block_permutation(clips, Blocks(block_tars=2, open_tars=7), seed=5, number=2)
    assert np.array_equal(order, permutation(5, number=2, size=28))


def test_order_in_blocks_is_the_same_on_every_machine() -> None:
    """Recorded once: a change here would break the resumption of runs under way."""
    order = block_permutation(equal_tars(6, 2), Blocks(block_tars=2, open_tars=2), seed=0, number=0)
    assert order.tolist() == [11, 0, 10, 1, 2, 3, 5, 4, 9, 8, 6, 7]
