"""Thinned curves keep every extreme, and break where time is missing."""

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from analysis.thinning import thin

ticks = st.lists(st.integers(0, 400), min_size=1, max_size=120, unique=True).map(sorted)


@given(ticks, st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_every_value_lies_between_the_extremes_of_a_row_and_these_are_values(
    times: list[int], points: int, seed: int
) -> None:
    time_s = np.asarray(times, dtype="float64")
    values = np.random.default_rng(seed).integers(0, 9, len(times)).astype("float64")
    values[values == 8] = np.nan
    curve = thin(time_s, {"count": values}, points=points)
    rows = curve.dropna()
    known = values[~np.isnan(values)]
    if len(known):
        assert rows["count_low"].min() == known.min()
        assert rows["count_high"].max() == known.max()
    else:
        assert rows.empty
    assert set(rows["count_low"]) | set(rows["count_high"]) <= set(known)
    assert curve["time_s"].is_monotonic_increasing
    # Every value is in the row nearest to it, or in one of the two around it.
    for time, value in zip(time_s, values, strict=True):
        if not np.isnan(value):
            near = rows.iloc[(rows["time_s"] - time).abs().argsort()[:3]]
            assert ((near["count_low"] <= value) & (value <= near["count_high"])).any()


@given(ticks, st.integers(1, 40))
def test_rows_are_about_as_many_as_asked_for(times: list[int], points: int) -> None:
    time_s = np.asarray(times, dtype="float64")
    rows = thin(time_s, {"count": time_s}, points=points).dropna()
    # A break in time ends a row early.
    breaks = int((np.diff(time_s) > 1).sum())
    assert len(rows) <= min(len(time_s), points + breaks)


def test_few_values_are_kept_one_by_one() -> None:
    curve = thin(np.arange(5.0), {"count": np.asarray([3.0, 1, 4, 1, 5])}, points=5)
    assert curve["count_low"].tolist() == curve["count_high"].tolist() == [3, 1, 4, 1, 5]


def test_missing_time_breaks_the_curve() -> None:
    curve = thin(np.asarray([0.0, 1, 2, 10, 11]), {"count": np.ones(5)}, points=9)
    assert curve["time_s"].tolist() == [0, 1, 2, 6, 10, 11]
    assert np.isnan(curve["count_low"][3])


def test_nothing_gives_nothing() -> None:
    curve = thin(np.empty(0), {"count": np.empty(0)}, points=9)
    pd.testing.assert_index_equal(curve.columns, pd.Index(["time_s", "count_low", "count_high"]))
    assert curve.empty
