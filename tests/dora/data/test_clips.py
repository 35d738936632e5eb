"""Clips: index arithmetic against brute force."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dora.config import ClipConfig
from dora.data.clips import ClipTable, SetIndex, find_clips, stride_in_ticks
from dora.data.description import find_shard_clips
from dora.errors import DoraError
from tests.shard_making import make_shard_set
from wtours.shards import open_shards

RATES = [Fraction(1), Fraction(2), Fraction(5), Fraction(30_000, 1001), Fraction(1, 2)]


@st.composite
def indices(draw: st.DrawFn) -> SetIndex:
    """A set of one to three videos with random segments, missing ticks and ends of tars."""
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
    new_tar = [draw(st.booleans()) for _ in ticks]
    return SetIndex(
        name="walk",
        videos=np.asarray(videos, dtype=np.int32),
        ticks=np.asarray(ticks, dtype=np.int64),
        segments=np.asarray(segments, dtype=np.int32),
        tars=np.cumsum(new_tar, dtype=np.int32),
        kept_rates=tuple(draw(st.sampled_from(RATES)) for _ in range(count)),
        video_names=tuple(f"video-{video}" for video in range(count)),
    )


def brute_force(index: SetIndex, clip: ClipConfig) -> list[list[int]]:
    """Look up every tick of every possible clip in a dictionary.

    Across cuts, every tick between the first and the last frame must be there too.
    """
    rows = {
        (int(v), 0 if clip.cross_cuts else int(s), int(t)): row
        for row, (v, s, t) in enumerate(zip(index.videos, index.segments, index.ticks, strict=True))
    }
    found = []
    for video, segment, tick in rows:
        exact = Fraction(str(clip.stride_s)) * index.kept_rates[video]
        n = max(1, (2 * exact.numerator + exact.denominator) // (2 * exact.denominator))
        wanted = [(video, segment, tick + i * n) for i in range(clip.frames)]
        between = range(tick, tick + (clip.frames - 1) * n + 1)
        if all((video, segment, passed) in rows for passed in between):
            found.append([rows[place] for place in wanted])
    return found


@given(
    sets=st.lists(indices(), min_size=1, max_size=3),
    frames=st.integers(1, 4),
    stride_s=st.sampled_from([1.0, 0.5, 0.3, 0.1, 2.0]),
    cross_cuts=st.booleans(),
)
def test_clips_are_those_of_brute_force(
    sets: list[SetIndex], frames: int, stride_s: float, cross_cuts: bool
) -> None:
    """Over random videos, rates, cuts and gaps, in sets whose rates differ."""
    clip = ClipConfig(frames=frames, stride_s=stride_s, cross_cuts=cross_cuts)
    expected = [(i, rows) for i, index in enumerate(sets) for rows in brute_force(index, clip)]
    if not expected:
        with pytest.raises(DoraError, match="no clip fits"):
            find_clips(sets, clip)
        return
    table = find_clips(sets, clip)
    found = [table.rows(number) for number in range(len(table))]
    assert [(i, rows.tolist()) for i, rows in found] == expected
    assert_first_frames(table, sets, [(i, rows[0]) for i, rows in expected])


def assert_first_frames(
    table: ClipTable, sets: list[SetIndex], starts: list[tuple[int, int]]
) -> None:
    """The tar and the video of each clip are those of its first frame, told apart over sets."""
    runs = table.runs()
    assert np.array_equal(runs.numbers(np.arange(len(table))), np.arange(len(table)))
    tars = np.repeat(runs.tars, runs.counts).tolist()
    videos = np.repeat(table.videos, runs.counts).tolist()
    own_tars = [(i, int(sets[i].tars[row])) for i, row in starts]
    own_videos = [(i, int(sets[i].videos[row])) for i, row in starts]
    for numbers, own in ((tars, own_tars), (videos, own_videos)):
        assert len(set(zip(numbers, own, strict=True))) == len(set(numbers)) == len(set(own))
    for (i, row), video in zip(starts, videos, strict=True):
        assert table.names[video].video == sets[i].video_names[sets[i].videos[row]]


def dense_index(*, seconds: int, rate: int, tar_rows: int) -> SetIndex:
    """One video without a cut."""
    ticks = np.arange(seconds * rate)
    zeros = np.zeros(len(ticks), dtype=np.int32)
    return SetIndex(
        name="shards/walk",
        videos=zeros,
        ticks=ticks,
        segments=zeros,
        tars=(ticks // tar_rows).astype(np.int32),
        kept_rates=(Fraction(rate),),
        video_names=("walk",),
    )


def test_every_kept_frame_starts_a_clip_of_whole_seconds() -> None:
    """At 30 a second and a stride of 1 s, all 30 phases, over the ends of tars of 64."""
    index = dense_index(seconds=12, rate=30, tar_rows=64)
    table = find_clips([index], ClipConfig(frames=8, stride_s=1.0))
    assert len(table) == 12 * 30 - 7 * 30
    rows = np.stack([table.rows(number)[1] for number in range(len(table))])
    assert set(rows[:, 0] % 30) == set(range(30))
    assert np.array_equal(np.unique(np.diff(rows, axis=1)), [30])
    assert (index.tars[rows[:, 0]] != index.tars[rows[:, -1]]).all()


def test_runs_may_be_chosen() -> None:
    """Clips of the second tar alone: those that begin there, whichever tar they end in."""
    index = dense_index(seconds=10, rate=1, tar_rows=4)
    table = find_clips([index], ClipConfig(frames=3))
    second = table.runs(table.tars == 1)
    assert len(second) == 4
    assert second.numbers(np.arange(4)).tolist() == [4, 5, 6, 7]
    assert (table.names[0].label, table.names[0].video) == ("walk", "walk")


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


def test_clips_of_real_shards_may_cross_cuts_and_never_gaps(tmp_path: Path) -> None:
    """12 ticks with a cut in them, then two missing ones, then 6."""
    folder = make_shard_set(tmp_path / "walk", frames=20, cut_frames=[6], absent_frames=[12, 13])
    shards = open_shards(folder)
    table = find_shard_clips(shards, ClipConfig(frames=4, cross_cuts=True))
    assert len(table) == (12 - 3) + (6 - 3)
    ticks = shards[0].table(["tick"])["tick"].to_numpy()
    for number in range(len(table)):
        assert np.diff(ticks[table.rows(number)[1]]).tolist() == [1, 1, 1]
    with pytest.raises(DoraError, match="the longest stretch without a gap is 11 s"):
        find_shard_clips(shards, ClipConfig(frames=13, cross_cuts=True))


def test_shards_without_a_clip_are_named_with_longest_segment(tmp_path: Path) -> None:
    shards = open_shards(make_shard_set(tmp_path / "walk", frames=10, cut_frames=[4]))
    with pytest.raises(DoraError) as fault:
        find_shard_clips(shards, ClipConfig(frames=8))
    assert str(tmp_path / "walk") in fault.value.message
    assert "5 s" in fault.value.message
    assert "7 s" in fault.value.message
    assert "clip.frames" in fault.value.remedy
    assert "--fps" in fault.value.remedy
