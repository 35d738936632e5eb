"""Order of clips: a pure function of seed and position."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dora.data.blocks import Blocks
from dora.data.clips import ClipRuns
from dora.data.draws import permutation, uniform_draws, uniform_draws_for
from dora.data.mixture import Source
from dora.data.stream import ClipOrder, share_of_rank
from dora.errors import DoraError

BLOCKS = Blocks(block_tars=2, open_tars=2)


def source(name: str, share: float, *, first: int, tars: list[int]) -> Source:
    """Clips from a number on, so many in each tar."""
    counts = np.asarray(tars, dtype=np.int64)
    runs = ClipRuns(
        firsts=first + np.cumsum(counts) - counts,
        counts=counts,
        tars=np.arange(len(tars), dtype=np.int32) + first,
    )
    return Source(name=name, share=share, clips=runs)


ALL = (source("all", 1.0, first=0, tars=[5, 6, 1, 4, 7]),)
MIXED = (
    source("small", 0.3, first=0, tars=[2, 3]),
    source("large", 0.6, first=5, tars=[4, 4, 4]),
    source("rare", 0.1, first=17, tars=[6]),
)
ORDERS = {
    "global": (ALL, None),
    "blocks": (ALL, BLOCKS),
    "mix": (MIXED, None),
    "mix in blocks": (MIXED, BLOCKS),
}
"""Of 23 clips each."""


def order_of(name: str, *, clips_per_epoch: int = 80) -> ClipOrder:
    sources, blocks = ORDERS[name]
    return ClipOrder(
        starts=sources, seed=5, batch_clips=8, clips_per_epoch=clips_per_epoch, blocks=blocks
    )


@given(
    starts=st.integers(1, 40),
    seed=st.integers(0, 2**64 - 1),
    batch=st.integers(1, 12),
    steps=st.integers(1, 20),
)
def test_every_pass_visits_every_start_once(starts: int, seed: int, batch: int, steps: int) -> None:
    order = ClipOrder(starts=starts, seed=seed, batch_clips=batch, clips_per_epoch=batch)
    taken = np.concatenate([order.clips_of_step(step)[0] for step in range(steps)])
    positions = np.concatenate([order.clips_of_step(step)[1] for step in range(steps)])
    assert positions.tolist() == list(range(steps * batch))
    for first in range(0, len(taken), starts):
        whole = taken[first : first + starts]
        assert len(set(whole)) == len(whole)
        assert set(whole) <= set(range(starts))


@pytest.mark.parametrize("blocks", [None, BLOCKS])
@given(
    tars=st.lists(st.integers(1, 9), min_size=1, max_size=9),
    batch=st.integers(1, 12),
    epochs=st.integers(1, 4),
)
def test_all_takes_every_start_at_most_once_an_epoch(
    blocks: Blocks | None, tars: list[int], batch: int, epochs: int
) -> None:
    """The authors' rule: clips that do not fill a last batch are dropped."""
    sources, starts = (source("all", 1.0, first=0, tars=tars),), sum(tars)
    if starts < batch:
        with pytest.raises(DoraError, match="holds no batch"):
            ClipOrder(
                starts=sources, seed=0, batch_clips=batch, clips_per_epoch="all", blocks=blocks
            )
        return
    order = ClipOrder(
        starts=sources, seed=0, batch_clips=batch, clips_per_epoch="all", blocks=blocks
    )
    assert order.steps_per_epoch == starts // batch
    for epoch in range(epochs):
        first = epoch * order.steps_per_epoch
        steps = range(first, first + order.steps_per_epoch)
        taken = np.concatenate([order.clips_of_step(step)[0] for step in steps])
        assert len(set(taken)) == len(taken) == order.steps_per_epoch * batch


@pytest.mark.parametrize("name", ORDERS)
def test_every_source_goes_through_all_its_clips_again_and_again(name: str) -> None:
    """Each of its passes holds every clip of it once, wherever batches and epochs end."""
    order = order_of(name, clips_per_epoch=21)
    taken = np.concatenate([order.clips_of_step(step)[0] for step in range(60)])
    assert order.starts == 23
    for one in order.sources:
        members = set(one.clips.numbers(np.arange(len(one.clips))).tolist())
        own = [number for number in taken.tolist() if number in members]
        assert abs(len(own) - one.share * len(taken)) <= 2
        passes = [own[first : first + len(members)] for first in range(0, len(own), len(members))]
        assert all(set(whole) == members for whole in passes[:-1])
        # Five clips have few orders, and some passes the same.
        assert len({tuple(whole) for whole in passes[:-1]}) > len(passes) / 2


@pytest.mark.parametrize("name", ORDERS)
def test_steps_do_not_depend_on_those_before(name: str) -> None:
    """Asked backwards, with others left out, or by a fresh order, each step has the same clips."""
    order = order_of(name)
    forward = [order.clips_of_step(step)[0].tolist() for step in range(30)]
    backward = [order.clips_of_step(step)[0].tolist() for step in reversed(range(30))]
    assert backward[::-1] == forward
    assert len({tuple(numbers) for numbers in forward}) == 30
    ahead = order_of(name)
    for step in range(30):
        ahead.clips_of_step(step + 6)
        assert ahead.clips_of_step(step)[0].tolist() == forward[step]
        assert order_of(name).clips_of_step(step)[0].tolist() == forward[step]


@pytest.mark.parametrize("world", [1, 2, 4])
@pytest.mark.parametrize("name", ORDERS)
def test_ranks_of_any_number_resume_at_any_step_with_their_share(name: str, world: int) -> None:
    """Together they take what one process takes, equally many each, in every step."""
    unbroken = order_of(name)
    for step in range(12):
        numbers, positions = unbroken.clips_of_step(step)
        assert positions.tolist() == list(range(8 * step, 8 * step + 8))
        joined = np.empty_like(numbers)
        for rank in range(world):
            resumed = order_of(name)
            own, places = (
                share_of_rank(values, rank=rank, world=world)
                for values in resumed.clips_of_step(step)
            )
            assert len(own) == 8 // world
            joined[places - 8 * step] = own
        assert np.array_equal(joined, numbers)


def test_an_epoch_is_whole_batches_and_the_rest_begins_the_next() -> None:
    """21 clips an epoch are two batches of 8; a mix has as many steps as one source."""
    for name in ORDERS:
        assert order_of(name, clips_per_epoch=21).steps_per_epoch == 2


def test_seeds_and_passes_have_their_own_permutations() -> None:
    orders = {tuple(permutation(seed, number=n, size=20)) for seed in range(4) for n in range(4)}
    assert len(orders) == 16


def test_permutations_are_uniform() -> None:
    """Over 3,000 passes each start stands at each place about equally often (chi-squared)."""
    size, passes = 6, 3000
    counts = np.zeros((size, size))
    for number in range(passes):
        counts[np.arange(size), permutation(1, number=number, size=size)] += 1
    expected = passes / size
    assert ((counts - expected) ** 2 / expected).sum() < 50  # 25 degrees of freedom: p = 0.002


def test_order_is_the_same_on_every_machine() -> None:
    """Recorded once: a change here would break the resumption of runs under way."""
    assert permutation(0, number=0, size=8).tolist() == [0, 2, 1, 5, 4, 3, 6, 7]
    draws = uniform_draws(7, purpose=16, place=3, rows=2, columns=5)
    longer = uniform_draws(7, purpose=16, place=3, rows=9, columns=5)
    assert np.array_equal(longer[:2], draws)


@given(
    seed=st.integers(0, 2**64 - 1),
    place=st.integers(0, 2**63),
    purposes=st.lists(st.integers(0, 2**64 - 1), max_size=5),
)
def test_draws_for_many_purposes_are_those_for_each(
    seed: int, place: int, purposes: list[int]
) -> None:
    """One generator that is set anew gives what generators of their own give."""
    found = uniform_draws_for(seed, purposes=purposes, place=place, rows=3, columns=7)
    assert found.shape == (len(purposes), 3, 7)
    for numbers, purpose in zip(found, purposes, strict=True):
        plain = uniform_draws(seed, purpose=purpose, place=place, rows=3, columns=7)
        assert np.array_equal(numbers, plain)


@pytest.mark.parametrize("world", [1, 2, 4])
def test_ranks_share_a_batch_without_overlap(world: int) -> None:
    batch = np.arange(100, 108)
    shares = [share_of_rank(batch, rank=rank, world=world) for rank in range(world)]
    assert sorted(np.concatenate(shares)) == list(batch)
    assert {len(share) for share in shares} == {8 // world}
    assert shares[0].tolist() == list(range(100, 108, world))


def test_batch_that_cannot_be_split_is_refused() -> None:
    with pytest.raises(DoraError, match="6 clips cannot be split evenly over 4") as fault:
        share_of_rank(np.arange(6), rank=0, world=4)
    assert "multiple of 4" in fault.value.remedy
