"""Lightness over time. Pure functions on tables; definitions and reasons: docs/analysis.md.

Lightness is CIELAB L*, 0 (black) to 100 (white), as wtours/shards/FORMAT.md defines it per picture.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from wtours import WtoursError

Series: TypeAlias = "pd.Series[Any]"

STATES = ("bright", "dim", "dark")
LAGS_S = (1.0, 10.0, 60.0, 600.0, 3600.0)
"""Scales of time on which change is measured: seconds, minutes, an hour."""
ENVELOPE_COLUMNS = ("time_s", "low", "high", "mean_low", "mean_high", "median")


@dataclass(frozen=True, kw_only=True)
class LightnessOptions:
    """How lightness over time is told."""

    window_s: float = 60.0
    """Length of the moving median's window, in seconds; shorter for short videos."""
    bright_from: float = 36.4
    """Mean L* from which a picture is bright: one stop (half the light) under middle grey, 50."""
    dark_below: float = 25.6
    """Mean L* under which a picture is dark: two stops (a quarter of the light) under it."""

    margin: float = 2.0
    """How far, in L*, lightness must pass a bound before the state changes."""

    def __post_init__(self) -> None:
        if not self.window_s > 0:
            raise WtoursError(
                f"the window of the moving median is {self.window_s} s",
                remedy="give a number over 0, such as 60",
            )
        if not 0 <= self.dark_below <= self.bright_from <= 100:
            raise WtoursError(
                f"dark is under L* {self.dark_below} and bright from {self.bright_from}",
                remedy="give two numbers from 0 to 100, dark not over bright",
            )
        if not 0 <= self.margin < 100:
            raise WtoursError(
                f"lightness must pass a bound by {self.margin} L* for a change",
                remedy="give a number from 0 to 100, such as 2",
            )


def suited_window_s(duration_s: float, options: LightnessOptions) -> float:
    """Return the window for a video: the option's, or a tenth of a video under ten windows."""
    return min(options.window_s, duration_s / 10)


def moving_median(time_s: Series, values: Series, *, window_s: float) -> Series:
    """Return at each time t the median of the values in [t - window_s / 2, t + window_s / 2].

    The window is one of time, so a missing tick shortens it by one value and shifts nothing. At the
    ends of the video it is cut off. NaN counts for nothing; a window of NaN alone gives NaN.

    Args:
        time_s: (n,) seconds, not decreasing.
        values: (n,)
        window_s: over 0.
    """
    if values.empty:
        return values.astype("float64")
    # Whole nanoseconds: both ends of a window are met exactly where ticks lie on them.
    stamps = pd.to_timedelta((time_s * 1e9).round().astype("int64"), unit="ns")
    half_ns = round(window_s / 2 * 1e9)
    dated = pd.Series(values.to_numpy(dtype="float64"), index=pd.TimedeltaIndex(stamps))
    window = pd.Timedelta(max(2 * half_ns, 1), unit="ns")
    medians = dated.rolling(window, center=True, closed="both", min_periods=1).median()
    return pd.Series(medians.to_numpy(), index=values.index)


def states(mean: Series, options: LightnessOptions) -> Series:
    """Return for each picture `bright`, `dim` or `dark` by its mean L*, or missing where NaN."""
    names = np.select(
        [mean >= options.bright_from, mean < options.dark_below], ["bright", "dark"], "dim"
    )
    kept = pd.Series(names, index=mean.index, dtype="string").where(mean.notna())
    return kept.astype(pd.CategoricalDtype(list(STATES), ordered=True))


def change_points(time_s: Series, smooth: Series, options: LightnessOptions) -> pd.DataFrame:
    """Return when a video turns from bright over dim to dark, or back: time_s, before, after.

    Lightness that hovers about a bound is no series of changes, so the state follows with
    hysteresis: it begins as `states` has it, and falls (rises) to the state on the other side of a
    bound only when lightness lies more than `options.margin` under (over) that bound. The change is
    then dated at the tick of the last crossing of the bound itself. A fall past both bounds at once
    is one change, from bright to dark.

    Args:
        time_s: (n,) seconds, increasing.
        smooth: (n,) the moving median of mean L*, which keeps what is shorter than half its window
            (a tunnel, a person before the lens) from being a change. NaN is passed over.
        options: bounds and margin.
    """
    known = smooth.notna().to_numpy()
    level = smooth.to_numpy(dtype="float64")[known]
    seconds = time_s.to_numpy(dtype="float64")[known]
    bounds = np.asarray([options.dark_below, options.bright_from])
    # Number of bounds that a level lies over: 0 dark, 1 dim, 2 bright. `lowest` and `highest` are
    # the states between which the margin lets the level be.
    plain = (level[:, None] >= bounds).sum(axis=1)
    lowest = (level[:, None] > bounds + options.margin).sum(axis=1)
    highest = (level[:, None] >= bounds - options.margin).sum(axis=1)
    rows: list[tuple[float, str, str]] = []
    state, since = (int(plain[0]) if len(level) else 0), 0
    for index in range(len(level)):
        new = min(max(state, int(lowest[index])), int(highest[index]))
        if new == state:
            continue
        after = plain[since + 1 : index + 1]
        within = (after <= new if new < state else after >= new)[::-1]
        crossed = index + 1 - int(np.argmin(np.append(within, False)))
        rows.append((float(seconds[crossed]), _name(state), _name(new)))
        state, since = new, index
    return pd.DataFrame(rows, columns=["time_s", "before", "after"]).astype({"time_s": "float64"})


def change_over(tick: Series, mean: Series, *, lag: int) -> float:
    """Return the root mean square of L(n + lag) - L(n) over all ticks n: change on a scale of time.

    The square root of the second-order structure function. NaN for a lag of 0, and unless there
    are at least `lag` such pairs: fewer would all tell of the same change.

    Args:
        tick: (n,) numbers of ticks, increasing; where one is missing, its pairs are.
        mean: (n,) mean L* of their pictures; NaN counts as missing.
        lag: in ticks.
    """
    measured = pd.Series(mean.to_numpy(dtype="float64"), index=tick.to_numpy()).dropna()
    later = measured.reindex(measured.index + lag).to_numpy()
    difference = (later - measured.to_numpy())[~np.isnan(later)]
    if lag < 1 or len(difference) < lag:
        return float("nan")
    return float(np.sqrt(np.mean(difference**2)))


def summarise_lightness(
    pictures: pd.DataFrame, videos: pd.DataFrame, options: LightnessOptions
) -> pd.DataFrame:
    """Return one row a video on the mean L* of its pictures over time.

    Every tick counts the same, so these are statistics of time. Columns: `video`; `measured`, the
    ticks with a lightness; `window_s` of the moving median; `mean`, `minimum`, `p5`, `p50`, `p95`,
    `maximum` over time; `range`, p95 - p5; `bright`, `dim`, `dark`, shares of time that add up to
    1; `turns`, how often the state changes, by `change_points`; `change_1s`, `change_10s`,
    `change_60s`, `change_600s`, `change_3600s` by `change_over`. Missing where nothing was
    measured, or where the video is too short or its kept rate too low for a scale.

    Args:
        pictures: as `Tables.pictures`.
        videos: as `Tables.videos`, of which `video`, `duration_s` and `kept_rate_hz` are used.
        options: window and thresholds.
    """
    groups = dict(iter(pictures.groupby("video", observed=True)))
    rows = []
    columns = (videos["video"].astype(str), videos["duration_s"], videos["kept_rate_hz"])
    for name, duration_s, rate_hz in zip(*columns, strict=True):
        of_video = groups.get(name, pictures.iloc[:0])
        mean = of_video["lightness_mean"].astype("float64")
        low, middle, high = (mean.quantile(share) for share in (0.05, 0.5, 0.95))
        shares = states(mean, options).value_counts(normalize=True)
        counts = mean.notna().sum()
        rows.append(
            {
                "video": name,
                "measured": int(counts),
                "window_s": suited_window_s(duration_s, options),
                "mean": mean.mean(),
                "minimum": mean.min(),
                "p5": low,
                "p50": middle,
                "p95": high,
                "maximum": mean.max(),
                "range": high - low,
                **{state: float(shares[state]) if counts else float("nan") for state in STATES},
                "turns": len(_turns(of_video, options, duration_s=duration_s)) if counts else None,
                **_changes(of_video["tick"], mean, rate_hz=rate_hz),
            }
        )
    return pd.DataFrame(rows).astype({"video": videos["video"].dtype, "turns": "Int64"})


def change_column(lag_s: float) -> str:
    """Return the summary's column for change over a time: `change_10s`."""
    return f"change_{lag_s:g}s"


def envelope(pictures: pd.DataFrame, *, window_s: float, points: int) -> pd.DataFrame:
    """Return one video's lightness over time in about `points` rows, minima and maxima kept.

    Columns: `time_s`, middle of the ticks; `low`, smallest p5; `high`, largest p95; `mean_low` and
    `mean_high`, extremes of the means; `median`, the moving median of the means there. Where time
    is missing for longer than a row (and 1.5 ticks), a row of NaN breaks the line.

    Args:
        pictures: rows of `Tables.pictures` of one video, sorted by tick.
        window_s: of the moving median.
        points: over 0.
    """
    if pictures.empty:
        return pd.DataFrame({name: pd.Series(dtype="float64") for name in ENVELOPE_COLUMNS})
    time_s = pictures["time_s"].to_numpy()
    row_s = (time_s[-1] - time_s[0]) / points if len(time_s) > points else 0.0
    steps_s = np.diff(time_s)
    break_s = max(1.5 * float(np.median(steps_s)), row_s) if len(steps_s) else 0.0
    # A run is unbroken; a row never reaches over its end.
    run = np.concatenate(([0], np.cumsum(steps_s > break_s)))
    row = np.floor((time_s - time_s[0]) / row_s) if row_s else np.arange(len(time_s))
    median = moving_median(pictures["time_s"], pictures["lightness_mean"], window_s=window_s)
    rows = (
        pictures.assign(median=median)
        .groupby([run, np.minimum(row, points - 1)])
        .agg(
            time_s=("time_s", "mean"),
            low=("lightness_p5", "min"),
            high=("lightness_p95", "max"),
            mean_low=("lightness_mean", "min"),
            mean_high=("lightness_mean", "max"),
            median=("median", "median"),
        )
    )
    return _with_breaks(rows.astype("float64"), rows.index.get_level_values(0).to_numpy())


def _with_breaks(rows: pd.DataFrame, run: np.ndarray[Any, Any]) -> pd.DataFrame:
    parts: list[pd.DataFrame] = []
    for number in np.unique(run):
        part = rows[run == number]
        if parts:
            middle_s = (parts[-1]["time_s"].iloc[-1] + part["time_s"].iloc[0]) / 2
            parts.append(pd.DataFrame({"time_s": [middle_s]}).reindex(columns=rows.columns))
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def turns_of_videos(
    pictures: pd.DataFrame, videos: pd.DataFrame, options: LightnessOptions
) -> pd.DataFrame:
    """Return every turn of every video: `video`, then the columns of `change_points`.

    Args:
        pictures: as `Tables.pictures`.
        videos: as `Tables.videos`, of which `video` and `duration_s` are used.
        options: window, bounds and margin.
    """
    lengths_s = dict(zip(videos["video"].astype(str), videos["duration_s"], strict=True))
    parts = [
        _turns(of_video, options, duration_s=lengths_s[str(name)]).assign(video=str(name))
        for name, of_video in pictures.groupby("video", observed=True)
        if str(name) in lengths_s
    ]
    columns = ["video", "time_s", "before", "after"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def _turns(of_video: pd.DataFrame, options: LightnessOptions, *, duration_s: float) -> pd.DataFrame:
    smooth = moving_median(
        of_video["time_s"],
        of_video["lightness_mean"],
        window_s=suited_window_s(duration_s, options),
    )
    return change_points(of_video["time_s"], smooth, options)


def _name(state: int) -> str:
    return ("dark", "dim", "bright")[state]


def _changes(tick: Series, mean: Series, *, rate_hz: float) -> dict[str, float]:
    lags: Sequence[tuple[float, int]] = [(lag_s, int(lag_s * rate_hz + 0.5)) for lag_s in LAGS_S]
    return {change_column(lag_s): change_over(tick, mean, lag=lag) for lag_s, lag in lags}
