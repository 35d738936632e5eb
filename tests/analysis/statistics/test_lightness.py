"""Statistics of lightness, compared with plain loops."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.statistics.lightness import (
    ENVELOPE_COLUMNS,
    STATES,
    LightnessOptions,
    change_over,
    change_points,
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
    assert pd.isna(row["turns"])


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


def turns_by_a_loop(levels: list[float], margin: float) -> list[tuple[float, str, str]]:
    """The definition word for word: bounds 40 and 20, one tick a second."""

    def state_of(level: float) -> str:
        return "bright" if level >= 40 else "dark" if level < 20 else "dim"

    order = ["dark", "dim", "bright"]
    bound_over = {"dark": 20, "dim": 40}
    known = [(n, level) for n, level in enumerate(levels) if not math.isnan(level)]
    turns: list[tuple[float, str, str]] = []
    state, earliest = (state_of(known[0][1]) if known else ""), 1
    for place, (_, level) in enumerate(known):
        new = state
        for lower in ("dim", "dark"):  # falls, one bound after the other
            if order.index(new) > order.index(lower) and level < bound_over[lower] - margin:
                new = lower
        for lower, upper in (("dark", "dim"), ("dim", "bright")):
            if order.index(new) <= order.index(lower) and level > bound_over[lower] + margin:
                new = upper
        if new != state:
            falls = order.index(new) < order.index(state)
            bound = bound_over[new] if falls else bound_over[order[order.index(new) - 1]]
            start = place
            while start > earliest and (known[start - 1][1] < bound) == falls:
                start -= 1
            turns.append((float(known[start][0]), state, new))
            state, earliest = new, place + 1
    return turns


@settings(max_examples=150)
@given(
    st.lists(st.one_of(st.integers(10, 50), st.just(math.nan)), max_size=25),
    st.sampled_from([0, 2, 5]),
)
def test_change_points_equal_a_loop_over_ticks(levels: list[float], margin: float) -> None:
    options = LightnessOptions(bright_from=40, dark_below=20, margin=margin)
    smooth = pd.Series(levels, dtype="float64")
    found = change_points(pd.Series(range(len(levels)), dtype="float64"), smooth, options)
    rows = list(found.itertuples(index=False, name=None))
    assert rows == turns_by_a_loop(levels, margin)
    assert found["time_s"].is_monotonic_increasing
    assert found["before"].tolist()[1:] == found["after"].tolist()[:-1]
    assert set(found["after"]) <= set(STATES)


def test_lightness_that_hovers_about_a_bound_changes_nothing() -> None:
    hovering = [36.0, 37.0] * 30
    (row,) = summarise_lightness(pictures_of(hovering), videos_of(60), OPTIONS).to_dict("records")
    assert row["turns"] == 0
    options = LightnessOptions(margin=0, window_s=0.5)
    (row,) = summarise_lightness(pictures_of(hovering), videos_of(60), options).to_dict("records")
    assert row["turns"] == 59


def test_an_evening_turns_from_bright_over_dim_to_dark_where_it_crosses_the_bounds() -> None:
    evening = pd.Series(np.linspace(60, 0, 601))
    turns = change_points(pd.Series(np.arange(601.0)), evening, OPTIONS)
    assert list(zip(turns["before"], turns["after"], strict=True)) == [
        ("bright", "dim"),
        ("dim", "dark"),
    ]
    assert turns["time_s"].tolist() == [237, 345]  # the first ticks under 36.4 and 25.6


def test_a_tunnel_shorter_than_half_the_window_is_no_turn() -> None:
    def turns(dark_s: int) -> int:
        walk = [60.0] * 300 + [5.0] * dark_s + [60.0] * 300
        summary = summarise_lightness(pictures_of(walk), videos_of(len(walk)), OPTIONS)
        return int(summary["turns"].iloc[0])

    assert (turns(25), turns(40)) == (0, 2)


def test_change_over_an_hour_takes_two_hours_of_video() -> None:
    for hours, known in ((1.9, False), (2, True)):
        slow = pictures_of([20.0, 80.0] * int(hours * 3), rate=1 / 600)
        videos = videos_of(hours * 3600, rate=1 / 600)
        (row,) = summarise_lightness(slow, videos, OPTIONS).to_dict("records")
        assert math.isnan(row["change_3600s"]) != known


@pytest.mark.parametrize(
    ("given_options", "fault"),
    [
        ({"window_s": 0}, "window"),
        ({"window_s": math.nan}, "window"),
        ({"bright_from": 20, "dark_below": 30}, "dark is under"),
        ({"bright_from": 120}, "bright from"),
        ({"margin": -1}, "pass a bound"),
        ({"margin": math.nan}, "pass a bound"),
    ],
)
def test_senseless_options_are_refused(given_options: dict[str, float], fault: str) -> None:
    with pytest.raises(WtoursError, match=fault):
        LightnessOptions(**given_options)
