"""Mixing by weight: shares held by every stretch of a run, and names that mean what they say."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dora.config import ClipConfig
from dora.data.clips import ClipTable, SetIndex, find_clips
from dora.data.mixture import GROUP, Turns, find_sources
from dora.errors import DoraError

WEIGHTS = st.lists(st.floats(0.01, 100), min_size=1, max_size=6)


def shares_of(weights: list[float]) -> list[float]:
    return [weight / sum(weights) for weight in weights]


def set_of(name: str, videos: dict[str, int]) -> SetIndex:
    """A set of videos of some ticks each."""
    lengths = list(videos.values())
    numbers = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
    return SetIndex(
        name=name,
        videos=numbers,
        ticks=np.concatenate([np.arange(length) for length in lengths]),
        segments=np.zeros(len(numbers), dtype=np.int32),
        tars=numbers,
        kept_rates=(Fraction(1),) * len(lengths),
        video_names=tuple(videos),
    )


@pytest.fixture(scope="module")
def clips() -> ClipTable:
    """Sets `walks` and `towns`; clips of two frames, and one video too short for any."""
    walks = set_of("shards/walks", {"venice": 10, "zurich": 5, "blink": 1})
    towns = set_of("s3://bucket/towns/", {"zurich-old": 8, "bern": 3})
    return find_clips([walks, towns], ClipConfig(frames=2))


@given(weights=WEIGHTS, seed=st.integers(0, 2**64 - 1))
def test_any_first_positions_hold_each_source_by_its_share(weights: list[float], seed: int) -> None:
    """Off by less than 1 + share (n - 2) clips: by less than one for two sources."""
    shares = np.asarray(shares_of(weights))
    sources, turns = Turns(shares.tolist(), seed=seed).between(0, 400)
    for source, share in enumerate(shares):
        own = sources == source
        assert turns[own].tolist() == list(range(int(own.sum())))
        off = np.cumsum(own) - share * np.arange(1, 401)
        assert np.abs(off).max() <= 1 + share * (len(shares) - 2) + 1e-9


@given(
    weights=WEIGHTS,
    first=st.one_of(st.integers(0, 300), st.integers(10**9, 10**9 + 300)),
    length=st.integers(1, 50),
    seed=st.integers(0, 9),
)
def test_positions_do_not_depend_on_what_is_asked_with_them(
    weights: list[float], first: int, length: int, seed: int
) -> None:
    turns = Turns(shares_of(weights), seed=seed)
    sources, numbers = turns.between(first, first + length)
    assert len(sources) == length
    for position in (first, first + length // 2, first + length - 1):
        source, number = turns.between(position, position + 1)
        assert (source[0], number[0]) == (sources[position - first], numbers[position - first])
    around = turns.between(max(0, first - 7), first + length + 7)
    assert np.array_equal(around[0][first - max(0, first - 7) :][:length], sources)


def test_turns_go_on_over_groups_of_draws() -> None:
    sources, numbers = Turns([0.75, 0.25], seed=0).between(0, 3 * GROUP)
    for source in range(2):
        own = numbers[sources == source]
        assert own.tolist() == list(range(len(own)))


def test_turns_do_not_fall_in_step_with_processes() -> None:
    """Of two equal sources, each of two processes gets about half of each."""
    sources, _ = Turns([0.5, 0.5], seed=0).between(0, 4000)
    for rank in range(2):
        assert 0.45 < np.mean(sources[rank::2]) < 0.55


def test_without_weights_all_clips_are_one_source(clips: ClipTable) -> None:
    (source,) = find_sources((), clips)
    assert (len(source.clips), source.share) == (len(clips), 1.0)


def test_names_are_of_sets_or_videos_or_patterns(clips: ClipTable) -> None:
    venice, others = find_sources((("venice", 3.0), ("towns", 1.0)), clips)
    assert (len(venice.clips), venice.share) == (9, 0.75)
    assert others.clips.numbers(np.arange(len(others.clips))).tolist() == list(range(13, 22))
    zurich, bern = find_sources((("zurich*", 1.0), ("b[er]*n", 1.0)), clips)
    assert (len(zurich.clips), len(bern.clips)) == (4 + 7, 2)


FAULTS = [
    ([("rome", 1.0)], r"names rome, and no shard set or video", "bern, blink, towns, venice"),
    ([("venice", 1.0), ("w*", 1.0)], r"venice a weight by the name venice and by w\*", "share no"),
    ([("blink", 1.0)], "blink, of which no stretch is long enough", "shorter clips"),
    ([("Venice", 1.0)], "names Venice, and no", "venice"),
]


@pytest.mark.parametrize(("mix", "fault", "remedy"), FAULTS, ids=[str(f[0]) for f in FAULTS])
def test_a_name_that_does_not_fit_is_told_with_those_that_do(
    clips: ClipTable, mix: list[tuple[str, float]], fault: str, remedy: str
) -> None:
    with pytest.raises(DoraError, match=fault) as raised:
        find_sources(mix, clips)
    assert remedy in raised.value.remedy
