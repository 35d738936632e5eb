"""Ticks and segments, against a plain reading of FORMAT.md with fractions."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wtours.shards import assign_segments, gaps, nearest_frames

TIME_BASES = [Fraction(1, 1000), Fraction(1, 30_000), Fraction(1, 90_000), Fraction(1, 12_800)]
RATES = [Fraction(1), Fraction(5), Fraction(30), Fraction(30_000, 1001), Fraction(7, 3)]


def plain_nearest_frames(
    pts: list[int], time_base: Fraction, fps: Fraction
) -> list[tuple[int, int]]:
    times = [stamp * time_base for stamp in pts]
    found = []
    tick = 0
    while tick / fps <= times[-1] + 1 / fps:
        nearest = min(range(len(times)), key=lambda i: (abs(times[i] - tick / fps), i))
        if abs(times[nearest] - tick / fps) <= 1 / fps / 2 + time_base / 2:
            found.append((tick, nearest))
        tick += 1
    return found


@given(
    steps=st.lists(st.integers(1, 4000), max_size=60),
    time_base=st.sampled_from(TIME_BASES),
    fps=st.sampled_from(RATES),
)
def test_every_tick_takes_the_nearest_frame(
    steps: list[int], time_base: Fraction, fps: Fraction
) -> None:
    pts = np.concatenate([[0], np.cumsum(steps)]).astype(np.int64)
    ticks, frames = nearest_frames(pts, time_base=time_base, fps=fps)
    expected = plain_nearest_frames(pts.tolist(), time_base, fps)
    assert list(zip(ticks.tolist(), frames.tolist(), strict=True)) == expected


@pytest.mark.parametrize(
    ("rate", "fps"),
    [(Fraction(30_000, 1001), 30), (Fraction(60_000, 1001), 60), (Fraction(60), 60)],
)
@pytest.mark.parametrize("time_base", [Fraction(1, 1000), Fraction(1, 60_000)])
def test_ntsc_rates_kept_at_whole_ones_have_no_holes(
    rate: Fraction, fps: int, time_base: Fraction
) -> None:
    pts = np.asarray([round(i / rate / time_base) for i in range(5000)], dtype=np.int64)
    ticks, frames = nearest_frames(pts, time_base=time_base, fps=Fraction(fps))
    assert ticks.tolist() == list(range(len(ticks)))
    assert len(ticks) >= 5000
    if (1 / rate / time_base).denominator == 1:
        assert set(frames.tolist()) == set(range(5000))
    assert len(gaps(pts, time_base=time_base, fps=Fraction(fps))) == 0


def test_a_segment_ends_at_a_cut_at_a_gap_and_at_a_missing_tick() -> None:
    present = [i for i in range(300) if i not in range(95, 105) and i not in range(200, 260)]
    pts = np.asarray(present, dtype=np.int64) * 1000
    time_base = Fraction(1, 30_000)
    ticks, frames = nearest_frames(pts, time_base=time_base, fps=Fraction(5))
    holes = gaps(pts, time_base=time_base, fps=Fraction(5))
    assert [present[i] for i in holes] == [105, 260]
    segments = assign_segments(ticks, frames, breaks=np.asarray([50, *holes]))
    # 5 ticks a second of 30 frames: tick 9 is the first at or after frame 50, 18 after the gap at
    # 95 to 105 (tick 17 takes frame 105 itself); ticks 34 to 42 are missing.
    assert ticks[np.flatnonzero(np.diff(segments)) + 1].tolist() == [9, 17, 43]


@pytest.mark.parametrize(("fps", "noticed"), [(Fraction(30), False), (Fraction(60), True)])
def test_one_dropped_frame_breaks_only_a_rate_that_notices_it(fps: Fraction, noticed: bool) -> None:
    pts = np.asarray([i for i in range(600) if i != 301], dtype=np.int64) * 1000
    found = gaps(pts, time_base=Fraction(1, 60_000), fps=fps)
    assert found.tolist() == ([301] if noticed else [])
    assert gaps(pts, time_base=Fraction(1, 60_000), fps=None).tolist() == [301]


def test_an_empty_video_has_no_segments() -> None:
    none = np.empty(0, dtype=np.int64)
    assert len(assign_segments(none, none, breaks=none)) == 0
    assert len(gaps(none, time_base=Fraction(1, 1000), fps=None)) == 0
