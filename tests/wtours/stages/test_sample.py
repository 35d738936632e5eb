from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wtours.shards import nearest_frames
from wtours.stages.sample import TickSampler


@dataclass(frozen=True)
class Stamp:
    index: int
    pts: int


def sampled(pts: list[int], *, time_base: Fraction, fps: Fraction | None) -> list[tuple[int, int]]:
    sampler: TickSampler[Stamp] = TickSampler(time_base=time_base, fps=fps)
    found = [
        pair
        for index, stamp in enumerate(pts)
        for pair in sampler.process_frame(Stamp(index, stamp))
    ]
    return [(tick, frame.index) for tick, frame in (*found, *sampler.finish())]


@given(
    steps=st.lists(st.integers(1, 5000), max_size=60),
    time_base=st.sampled_from([Fraction(1, 1000), Fraction(1, 30_000), Fraction(1001, 30_000)]),
    fps=st.sampled_from(
        [Fraction(n, d) for n, d in [(1, 1), (30, 1), (30000, 1001), (5, 2), (7, 3)]]
    ),
)
def test_deciding_while_reading_equals_deciding_with_all_times_known(
    steps: list[int], time_base: Fraction, fps: Fraction
) -> None:
    if time_base > Fraction(1, 1000):
        steps = [step % 90 + 1 for step in steps]
    pts = np.cumsum([0, *steps])
    ticks, frames = nearest_frames(pts, time_base=time_base, fps=fps)
    expected = list(zip(ticks.tolist(), frames.tolist(), strict=True))
    assert sampled(pts.tolist(), time_base=time_base, fps=fps) == expected


def test_native_keeps_every_frame() -> None:
    pts = [0, 3, 4, 90]
    expected = [(0, 0), (1, 1), (2, 2), (3, 3)]
    assert sampled(pts, time_base=Fraction(1, 10), fps=None) == expected


@pytest.mark.parametrize("fps", [30, 60])
def test_ntsc_rates_kept_at_whole_ones_have_no_holes(fps: int) -> None:
    """29.97 pictures a second at 30, and 59.94 at 60, with times in milliseconds."""
    pts = [round(i * 1001 / fps) for i in range(fps * 60)]
    found = sampled(pts, time_base=Fraction(1, 1000), fps=Fraction(fps))
    assert [tick for tick, _ in found] == list(range(len(found)))
