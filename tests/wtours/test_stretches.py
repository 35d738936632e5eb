"""Stretches have every frame once, begin at keyframes, and follow from the time stamps alone."""

from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from wtours.stretches import cut_into_stretches, even_length_s, make_timeline, whole

TIME_BASE = Fraction(1, 100)


@st.composite
def packets(draw: st.DrawFn) -> tuple[list[int], list[bool]]:
    """Time stamps in file order, some of them doubled or out of order, and which are keyframes."""
    steps = draw(st.lists(st.integers(0, 40), min_size=1, max_size=60))
    times = np.cumsum([draw(st.integers(-50, 50)), *steps[1:]]).tolist()
    keyframes = [True, *(draw(st.booleans()) for _ in times[1:])]
    order = sorted(range(len(times)), key=lambda i: times[i] + 30 * (i % 3))
    return [times[i] for i in order], [keyframes[i] for i in order]


@given(packets(), st.floats(0.1, 5))
def test_every_frame_is_in_one_stretch(
    video: tuple[list[int], list[bool]], length_s: float
) -> None:
    pts, keyframes = np.asarray(video[0], dtype=np.int64), np.asarray(video[1])
    timeline = make_timeline(pts, keyframes)
    stretches = cut_into_stretches(timeline, time_base=TIME_BASE, length_s=length_s)
    joined = np.concatenate([stretch.pts for stretch in stretches])
    assert joined.tolist() == sorted(set((pts - pts.min()).tolist()))
    assert [stretch.number for stretch in stretches] == list(range(len(stretches)))
    begins = {int(t - pts.min()) for t, key in zip(pts, keyframes, strict=True) if key} | {0}
    for one, after in zip(stretches, [*stretches[1:], None], strict=True):
        assert one.start_pts in begins
        assert (one.end_pts, one.end) == (
            (None, len(joined)) if after is None else (after.start_pts, after.first)
        )
        assert one.first_pts == pts.min()


@given(packets(), st.floats(0.1, 5))
def test_a_stretch_begins_at_the_first_keyframe_of_each_length(
    video: tuple[list[int], list[bool]], length_s: float
) -> None:
    """Against a plain walk over the keyframes."""
    pts, keyframes = np.asarray(video[0], dtype=np.int64), np.asarray(video[1])
    timeline = make_timeline(pts, keyframes)
    length = Fraction(length_s).limit_denominator(1000)
    plain, reached = [], -1
    for start in timeline.starts.tolist():
        if not plain or start * TIME_BASE // length > reached:
            plain.append(start)
        reached = start * TIME_BASE // length
    stretches = cut_into_stretches(timeline, time_base=TIME_BASE, length_s=length_s)
    assert [stretch.start_pts for stretch in stretches] == plain


@given(packets(), st.floats(0.2, 5))
def test_even_stretches_are_as_few_as_can_be_and_equal(
    video: tuple[list[int], list[bool]], most_s: float
) -> None:
    """With a keyframe at every frame, their lengths differ by what lies between two frames."""
    pts = np.asarray(video[0], dtype=np.int64)
    timeline = make_timeline(pts, np.ones(len(pts), dtype=np.bool_))
    length_s = even_length_s(timeline, time_base=TIME_BASE, most_s=most_s)
    stretches = cut_into_stretches(timeline, time_base=TIME_BASE, length_s=length_s)
    total_s = (int(timeline.pts[-1]) + 1) * TIME_BASE
    assert length_s <= Fraction(most_s).limit_denominator(1000)
    assert len(stretches) <= total_s / length_s
    assert total_s / length_s == int(total_s / length_s)
    for stretch in stretches:
        place = stretch.start_pts * TIME_BASE / length_s
        assert all(
            int(other * TIME_BASE / length_s) == int(place) for other in stretch.pts.tolist()
        )


@given(packets())
def test_whole_is_one_stretch(video: tuple[list[int], list[bool]]) -> None:
    timeline = make_timeline(np.asarray(video[0], dtype=np.int64), np.asarray(video[1]))
    (stretch,) = whole(timeline)
    assert (stretch.first, stretch.end, stretch.end_pts) == (0, len(timeline.pts), None)
