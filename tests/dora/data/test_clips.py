"""Clips: index arithmetic against brute force."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dora.config import ClipConfig
from dora.data.clips import SetIndex, find_clips, stride_in_ticks
from dora.data.description import find_shard_clips
from dora.errors import DoraError
from tests.shard_making import make_shard_set
from wtours.shards import open_shards

RATES = [Fraction(1), Fraction(2), Fraction(5), Fraction(30_000, 1001), Fraction(1, 2)]


@st.composite
def indices(draw: st.DrawFn) -> SetIndex:
    """A set of one to three videos with random lengths of segments and missing ticks."""
    videos, ticks, segments = [], [], []
    count = draw(st.integers(1, 3))
    for video in range(count):
        tick = 0
        for segment, length in enumerate(draw(st.lists(st.integers(1, 12), max_size=5))):
            tick += draw(st.integers(0, 3))  # missing ticks before the segment; 0 is a cut
            ticks += range(tick, tick + length)
            segments += [segment] * length
            videos += [video] * length
            tick += length
    return SetIndex(
        name="walk",
        videos=np.asarray(videos, dtype=np.int32),
        ticks=np.asarray(ticks, dtype=np.int64),
        segments=np.asarray(segments, dtype=np.int32),
        kept_rates=tuple(draw(st.sampled_from(RATES)) for _ in range(count)),
    )


def brute_force(index: SetIndex, clip: ClipConfig) -> list[list[int]]:
    """Look up every tick of every possible clip in a dictionary."""
    rows = {
        (int(v), int(s), int(t)): row
        for row, (v, s, t) in enumerate(zip(index.videos, index.segments, index.ticks, strict=True))
    }
    found = []
    for video, segment, tick in rows:
        exact = Fraction(str(clip.stride_s)) * index.kept_rates[video]
        n = max(1, (2 * exact.numerator + exact.denominator) // (2 * exact.denominator))
        wanted = [(video, segment, tick + i * n) for i in range(clip.frames)]
        if all(place in rows for place in wanted):
            found.append([rows[place] for place in wanted])
    return found


@given(
    sets=st.lists(indices(), min_size=1, max_size=3),
    frames=st.integers(1, 4),
    stride_s=st.sampled_from([1.0, 0.5, 0.3, 0.1, 2.0]),
)
def test_clips_are_those_of_brute_force(sets: list[SetIndex], frames: int, stride_s: float) -> None:
    """Over random videos, rates, cuts and gaps, in sets whose rates differ."""
    clip = ClipConfig(frames=frames, stride_s=stride_s)
    expected = [(i, rows) for i, index in enumerate(sets) for rows in brute_force(index, clip)]
    if not expected:
        with pytest.raises(DoraError, match="no clip fits"):
            find_clips(sets, clip)
        return
    table = find_clips(sets, clip)
    found = [table.rows(number) for number in range(len(table))]
    assert [(i, rows.tolist()) for i, rows in found] == expected


def test_stride_takes_the_decimal_number_that_was_written() -> None:
    """0.3 s at 5 a second are exactly 1.5 ticks, which round up; never less than one tick."""
    assert stride_in_ticks(0.3, Fraction(5)) == 2
    assert stride_in_ticks(1.0, Fraction(60_000, 1001)) == 60
    assert stride_in_ticks(1, Fraction(30)) == 30
    assert stride_in_ticks(0.1, Fraction(1)) == 1


def test_clips_of_real_shards_stay_inside_segments(tmp_path: Path) -> None:
    """A cut and a hole in the video split what is otherwise 20 ticks in a row."""
    folder = make_shard_set(tmp_path / "walk", frames=20, cut_frames=[6], absent_frames=[12, 13])
    shards = open_shards(folder)
    table = find_shard_clips(shards, ClipConfig(frames=4))
    segments = shards[0].table(["segment"])["segment"].to_numpy()
    assert len(table) == (6 - 3) + (6 - 3) + (6 - 3)
    for number in range(len(table)):
        assert len(set(segments[table.rows(number)[1]])) == 1
    with pytest.raises(IndexError):
        table.rows(len(table))


def test_shards_without_a_clip_are_named_with_longest_segment(tmp_path: Path) -> None:
    shards = open_shards(make_shard_set(tmp_path / "walk", frames=10, cut_frames=[4]))
    with pytest.raises(DoraError) as fault:
        find_shard_clips(shards, ClipConfig(frames=8))
    assert str(tmp_path / "walk") in fault.value.message
    assert "5 s" in fault.value.message
    assert "7 s" in fault.value.message
    assert "clip.frames" in fault.value.remedy
    assert "--fps" in fault.value.remedy
