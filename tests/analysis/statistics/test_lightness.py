"""Statistics of lightness, compared with plain loops."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.statistics.lightness import (
    ENVELOPE_COLUMNS,
    LightnessOptions,
    change_over,
    envelope,
    moving_median,
    states,
    suited_window_s,
    summarise_lightness,
)
from wtours import WtoursError

OPTIONS = LightnessOptions()
MEANS = st.lists(st.one_of(st.integers(0, 100), st.just(math.nan)), max_size=25)


def pictures_of(
    mean: list[float], *, ticks: list[int] | None = None, rate: float = 1
) -> pd.DataFrame:
    tick = np.asarray(range(len(mean)) if ticks is None else ticks)
    values = np.asarray(mean, dtype="float32")
    return pd.DataFrame(
        {
            "video": pd.Categorical(["walk"] * len(tick)),
            "tick": tick.astype("int64"),
            "time_s": tick / rate,
            "lightness_mean": values,
            "lightness_p5": values - 5,
            "lightness_p95": values + 5,
        }
    )


def videos_of(duration_s: float, rate: float = 1) -> pd.DataFrame:
    row = {"video": pd.Categorical(["walk"]), "duration_s": duration_s, "kept_rate_hz": rate}
    return pd.DataFrame(row)


@settings(max_examples=40)
@given(MEANS, st.sampled_from([0.5, 1, 2, 3, 8, 100]), st.sets(st.integers(0, 24)))
def test_moving_median_equals_a_loop_over_windows(
    mean: list[float], window_s: float, missing: set[int]
) -> None:
    ticks = [tick for tick in range(len(mean)) if tick not in missing]
    values = pd.Series([mean[tick] for tick in ticks], dtype="float64")
    time_s = pd.Series(np.asarray(ticks) / 2, dtype="float64")
    expected = []
    for time in time_s:
        inside = [v for t, v in zip(time_s, values, strict=True) if abs(t - time) <= window_s / 2]
        known = [v for v in inside if not math.isnan(v)]
        expected.append(np.median(known) if known else math.nan)
    result = moving_median(time_s, values, window_s=window_s)
    np.testing.assert_array_equal(result.to_numpy(), np.asarray(expected, dtype="float64"))


@settings(max_examples=40)
@given(MEANS, st.integers(1, 6), st.sets(st.integers(0, 24)))
def test_change_equals_a_loop_over_pairs(mean: list[float], lag: int, missing: set[int]) -> None:
    known = {n: v for n, v in enumerate(mean) if n not in missing and not math.isnan(v)}
    squares = [(known[n + lag] - v) ** 2 for n, v in known.items() if n + lag in known]
    pictures = pictures_of(list(known.values()), ticks=list(known))
    change = change_over(pictures["tick"], pictures["lightness_mean"], lag=lag)
    if len(squares) < lag:
        assert math.isnan(change)
    else:
        assert change == pytest.approx(math.sqrt(sum(squares) / len(squares)))


def test_the_bounds_of_the_states_are_stops_under_middle_grey() -> None:
    middle = ((50 + 16) / 116) ** 3
    for bound, stops in ((OPTIONS.bright_from, 1), (OPTIONS.dark_below, 2)):
        assert bound == pytest.approx(116 * (middle / 2**stops) ** (1 / 3) - 16, abs=0.05)


def test_a_picture_at_a_bound_belongs_to_the_lighter_state() -> None:
    options = LightnessOptions(bright_from=40, dark_below=20)
    found = states(pd.Series([40, 39.9, 20, 19.9, math.nan]), options)
    assert found[:4].tolist() == ["bright", "dim", "dim", "dark"]
    assert pd.isna(found[4])


def test_shares_are_of_the_measured_time_and_add_up_to_one() -> None:
    mean = [80] * 5 + [30] * 3 + [10] * 2 + [math.nan] * 10
    (row,) = summarise_lightness(pictures_of(mean), videos_of(20), OPTIONS).to_dict("records")
    assert (row["bright"], row["dim"], row["dark"]) == (0.5, 0.3, 0.2)
    assert (row["measured"], row["minimum"], row["maximum"]) == (10, 10, 80)


def test_all_black_is_dark_all_the_time_and_never_changes() -> None:
    (row,) = summarise_lightness(pictures_of([0.0] * 30), videos_of(30), OPTIONS).to_dict("records")
    assert (row["dark"], row["mean"], row["range"], row["change_1s"]) == (1, 0, 0, 0)


@pytest.mark.parametrize("mean", [[], [math.nan] * 4])
def test_where_nothing_was_measured_nothing_is_claimed(mean: list[float]) -> None:
    (row,) = summarise_lightness(pictures_of(mean), videos_of(4), OPTIONS).to_dict("records")
    assert row["measured"] == 0
    assert all(math.isnan(row[name]) for name in ("mean", "range", "bright", "dark", "change_1s"))


def test_one_picture_has_a_mean_but_no_change() -> None:
    (row,) = summarise_lightness(pictures_of([50]), videos_of(0.04), OPTIONS).to_dict("records")
    assert (row["mean"], row["bright"]) == (50, 1)
    assert math.isnan(row["change_1s"])


def test_change_on_a_scale_shorter_than_a_tick_is_missing() -> None:
    slow = pictures_of([10.0, 90.0] * 30, rate=0.1)
    (row,) = summarise_lightness(slow, videos_of(600, rate=0.1), OPTIONS).to_dict("records")
    assert math.isnan(row["change_1s"])
    assert row["change_10s"] == 80


def test_a_cut_video_changes_within_seconds_and_a_walk_within_minutes() -> None:
    walk = [50 + 40 * math.sin(n / 90) for n in range(600)]
    film = [90.0 if n // 4 % 2 else 10.0 for n in range(600)]
    (of_walk,) = summarise_lightness(pictures_of(walk), videos_of(600), OPTIONS).to_dict("records")
    (of_film,) = summarise_lightness(pictures_of(film), videos_of(600), OPTIONS).to_dict("records")
    assert of_walk["change_60s"] > 10 * of_walk["change_1s"]
    assert of_film["change_1s"] > 30


def test_the_window_is_a_tenth_of_a_short_video() -> None:
    assert [suited_window_s(each, OPTIONS) for each in (3600, 600, 30)] == [60, 60, 3]


@settings(max_examples=40)
@given(MEANS, st.sets(st.integers(0, 24)), st.integers(1, 30))
def test_a_thinned_curve_keeps_its_extremes_and_its_order(
    mean: list[float], missing: set[int], points: int
) -> None:
    ticks = [tick for tick in range(len(mean)) if tick not in missing]
    pictures = pictures_of([mean[tick] for tick in ticks], ticks=ticks)
    curve = envelope(pictures, window_s=3, points=points)
    assert tuple(curve.columns) == ENVELOPE_COLUMNS
    assert curve["time_s"].is_monotonic_increasing
    np.testing.assert_equal(curve["low"].min(), pictures["lightness_p5"].min())
    np.testing.assert_equal(curve["high"].max(), pictures["lightness_p95"].max())
    np.testing.assert_equal(curve["mean_low"].min(), pictures["lightness_mean"].min())


def test_a_hole_in_time_breaks_the_curve() -> None:
    pictures = pictures_of([50.0] * 8, ticks=[0, 1, 2, 3, 10, 11, 12, 13])
    curve = envelope(pictures, window_s=3, points=100)
    assert curve["median"].isna().tolist() == [False] * 4 + [True] + [False] * 4
    assert curve["time_s"][4] == 6.5


@pytest.mark.parametrize(
    ("given_options", "fault"),
    [
        ({"window_s": 0}, "window"),
        ({"window_s": math.nan}, "window"),
        ({"bright_from": 20, "dark_below": 30}, "dark is under"),
        ({"bright_from": 120}, "bright from"),
    ],
)
def test_senseless_options_are_refused(given_options: dict[str, float], fault: str) -> None:
    with pytest.raises(WtoursError, match=fault):
        LightnessOptions(**given_options)
