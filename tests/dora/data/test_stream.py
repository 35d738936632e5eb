"""Order of clips: a pure function of seed and position."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dora.data.draws import permutation, uniform_draws
from dora.data.stream import ClipOrder, share_of_rank
from dora.errors import DoraError


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


@given(starts=st.integers(1, 50), batch=st.integers(1, 12), epochs=st.integers(1, 4))
def test_all_takes_every_start_at_most_once_an_epoch(starts: int, batch: int, epochs: int) -> None:
    """The authors' rule: clips that do not fill a last batch are dropped."""
    if starts < batch:
        with pytest.raises(DoraError, match="holds no batch"):
            ClipOrder(starts=starts, seed=0, batch_clips=batch, clips_per_epoch="all")
        return
    order = ClipOrder(starts=starts, seed=0, batch_clips=batch, clips_per_epoch="all")
    assert order.steps_per_epoch == starts // batch
    for epoch in range(epochs):
        first = epoch * order.steps_per_epoch
        steps = range(first, first + order.steps_per_epoch)
        taken = np.concatenate([order.clips_of_step(step)[0] for step in steps])
        assert len(set(taken)) == len(taken) == order.steps_per_epoch * batch


def test_steps_do_not_depend_on_those_before() -> None:
    """Asked backwards, or by a fresh order, each step has the same clips."""
    order = ClipOrder(starts=23, seed=5, batch_clips=8, clips_per_epoch=80)
    forward = [order.clips_of_step(step)[0].tolist() for step in range(30)]
    backward = [order.clips_of_step(step)[0].tolist() for step in reversed(range(30))]
    assert backward[::-1] == forward
    for step in range(30):
        fresh = ClipOrder(starts=23, seed=5, batch_clips=8, clips_per_epoch=80)
        assert fresh.clips_of_step(step)[0].tolist() == forward[step]


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
