"""Shots divide a video without rest, and missing knowledge stays missing."""

import math

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.statistics.shots import counted_interval, shots_between, summarise_shots


@given(st.lists(st.floats(-5, 120, allow_nan=False)), st.floats(0.01, 100))
def test_shots_fill_the_video_without_gap_or_overlap(cuts_s: list[float], length_s: float) -> None:
    shots = shots_between(cuts_s, duration_s=length_s)
    inside = {time for time in cuts_s if 0 < time < length_s}
    assert len(shots) == len(inside) + 1
    assert shots["start_s"].iloc[0] == 0
    assert shots["end_s"].iloc[-1] == length_s
    assert list(shots["start_s"].iloc[1:]) == list(shots["end_s"].iloc[:-1]) == sorted(inside)
    assert (shots["duration_s"] > 0).all()


def summary(cuts_s: dict[str, list[float] | None], *, duration_s: float) -> pd.DataFrame:
    parts = [
        shots_between(times, duration_s=duration_s).assign(video=name)
        for name, times in cuts_s.items()
        if times is not None
    ]
    kind = pd.CategoricalDtype(list(cuts_s))
    empty = shots_between([], duration_s=1).iloc[:0].assign(video="")
    shots = pd.concat(parts or [empty], ignore_index=True).astype({"video": kind})
    videos = pd.DataFrame({"video": list(cuts_s), "duration_s": duration_s}).astype({"video": kind})
    return summarise_shots(shots, videos)


def test_lengths_and_cuts_per_hour_of_a_video() -> None:
    (row,) = summary({"film": [10, 40]}, duration_s=100).to_dict("records")
    assert (row["shots"], row["cuts"], row["cuts_per_hour"]) == (3, 2, 72)
    assert (row["shot_shortest_s"], row["shot_median_s"], row["shot_longest_s"]) == (10, 30, 60)
    assert row["shot_mean_s"] == pytest.approx(100 / 3)


def test_a_video_without_cuts_is_one_shot() -> None:
    (row,) = summary({"walk": []}, duration_s=100).to_dict("records")
    assert (row["shots"], row["cuts"], row["cuts_per_hour"]) == (1, 0, 0)


def test_where_cuts_were_not_sought_every_number_is_missing() -> None:
    found = summary({"film": [10], "unknown": None}, duration_s=100)
    assert found["shots"].tolist()[0] == 2
    assert found.drop(columns="video").iloc[1].isna().all()
    assert summary({"unknown": None}, duration_s=100).drop(columns="video").iloc[0].isna().all()


@pytest.mark.parametrize("count", [0, 1, 7, 400])
def test_the_interval_of_a_count_has_a_fortieth_on_either_side(count: int) -> None:
    low, high = counted_interval([count])
    terms = [math.exp(-high[0] + k * math.log(high[0]) - math.lgamma(k + 1)) for k in range(2000)]
    assert sum(terms[: count + 1]) == pytest.approx(0.025, rel=1e-6)
    if count == 0:
        assert low[0] == 0
        return
    terms = [math.exp(-low[0] + k * math.log(low[0]) - math.lgamma(k + 1)) for k in range(2000)]
    assert 1 - sum(terms[:count]) == pytest.approx(0.025, rel=1e-6)


def test_no_cut_in_an_hour_leaves_some_an_hour_open() -> None:
    (row,) = summary({"walk": []}, duration_s=3600).to_dict("records")
    assert (row["cuts_per_hour"], row["cuts_per_hour_low"]) == (0, 0)
    assert row["cuts_per_hour_high"] == pytest.approx(3.69, abs=0.01)
