"""Near-duplicates are those that comparing every pair finds."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.statistics.duplicates import differing_bits, duplicate_share, near_duplicates
from wtours import WtoursError

BASES = (0, 2**64 - 1, 0x0F0F_1234_5678_9ABC)


@st.composite
def near_hashes(draw: st.DrawFn) -> list[int]:
    """Hashes that lie a few bits from one of three, so that every distance occurs."""
    count = draw(st.integers(0, 25))
    hashes = []
    for _ in range(count):
        number = draw(st.sampled_from(BASES))
        for bit in draw(st.lists(st.integers(0, 63), max_size=8)):
            number ^= 1 << bit
        hashes.append(number)
    return hashes


def pictures_of(hashes: list[int], times_s: list[float] | None = None) -> pd.DataFrame:
    times_s = [float(n) for n in range(len(hashes))] if times_s is None else times_s
    return pd.DataFrame(
        {
            "video": pd.Categorical(["walk"] * len(hashes)),
            "time_s": np.asarray(times_s, dtype="float64"),
            "phash": np.asarray(hashes, dtype="uint64"),
        }
    )


@settings(max_examples=100)
@given(near_hashes(), st.integers(0, 9), st.sampled_from([None, 1.0, 3.0]))
def test_near_duplicates_equal_a_loop_over_all_pairs(
    hashes: list[int], bits: int, within_s: float | None
) -> None:
    expected = [
        any(
            (hashes[n] ^ hashes[m]).bit_count() <= bits
            for m in range(n)
            if within_s is None or n - m <= within_s
        )
        for n in range(len(hashes))
    ]
    found = near_duplicates(pictures_of(hashes), bits=bits, within_s=within_s)
    assert found.tolist() == expected


@given(st.lists(st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1)), max_size=9))
def test_bits_are_counted_as_python_counts_them(pairs: list[tuple[int, int]]) -> None:
    one, other = (
        (np.asarray(each, dtype=np.uint64) for each in zip(*pairs, strict=True))
        if (pairs)
        else (np.zeros(0, np.uint64), np.zeros(0, np.uint64))
    )
    counted = [(a ^ b).bit_count() for a, b in pairs]
    assert differing_bits(one, other).tolist() == counted


def test_all_black_is_one_picture_shown_again() -> None:
    found = near_duplicates(pictures_of([0] * 10))
    assert found.tolist() == [False] + [True] * 9
    assert duplicate_share(found) == 0.9


def test_videos_are_not_compared_with_each_other() -> None:
    pictures = pictures_of([7, 7])
    pictures["video"] = pd.Categorical(["walk", "film"])
    assert near_duplicates(pictures).tolist() == [False, False]


def test_ticks_that_share_a_picture_are_no_duplicates() -> None:
    found = near_duplicates(pictures_of([5, 5, 5], times_s=[0, 0, 1]))
    assert found.isna().tolist() == [False, True, False]
    assert found.dropna().tolist() == [False, True]


def test_of_no_pictures_no_share_is_claimed() -> None:
    assert math.isnan(duplicate_share(near_duplicates(pictures_of([]))))


@pytest.mark.parametrize(
    ("options", "fault"),
    [({"bits": -1}, "bits at the most"), ({"bits": 64}, "bits"), ({"within_s": 0.0}, "within 0")],
)
def test_senseless_bounds_are_refused(options: dict[str, float], fault: str) -> None:
    with pytest.raises(WtoursError, match=fault):
        near_duplicates(pictures_of([1]), **options)  # type: ignore[arg-type]
