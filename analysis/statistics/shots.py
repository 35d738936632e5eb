"""Shots: how often a video is cut. Pure functions on tables; see docs/analysis.md."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

SECONDS_PER_HOUR = 3600.0
CONFIDENCE = 0.95


def shots_between(cuts_s: ArrayLike, *, duration_s: float) -> pd.DataFrame:
    """Return the shots that cuts divide a video into: shot, start_s, end_s, duration_s.

    A shot goes from one cut (the time of its first frame) to the next; the first starts at 0 and
    the last ends with the video. n cuts make n + 1 shots. Cuts at one time count once, and one at
    or before 0, or at or after the end, divides nothing.

    Args:
        cuts_s: (n,) times of cuts in seconds, in any order.
        duration_s: length of the video.
    """
    times_s = np.unique(np.asarray(cuts_s, dtype=np.float64))
    inside_s = times_s[(times_s > 0) & (times_s < duration_s)]
    start_s = np.concatenate(([0.0], inside_s))
    end_s = np.concatenate((inside_s, [max(duration_s, 0.0)]))
    return pd.DataFrame(
        {
            "shot": np.arange(len(start_s), dtype=np.int32),
            "start_s": start_s,
            "end_s": end_s,
            "duration_s": end_s - start_s,
        }
    )


def summarise_shots(shots: pd.DataFrame, videos: pd.DataFrame) -> pd.DataFrame:
    """Return one row a video on its shots.

    Columns: `video`; `shots`, their number; `cuts`, one less; `cuts_per_hour`, cuts / duration,
    which for a video much shorter than an hour extrapolates; `cuts_per_hour_low` and
    `cuts_per_hour_high`, what `counted_interval` leaves open; `shot_mean_s`, `shot_median_s`,
    `shot_shortest_s`, `shot_longest_s`. All are missing for a video whose cuts were not sought,
    which is not the same as a video without cuts.

    Args:
        shots: as `Tables.shots`.
        videos: as `Tables.videos`, of which `video` and `duration_s` are used.
    """
    grouped = shots.groupby("video", observed=True)["duration_s"]
    lengths_s = grouped.agg(["size", "mean", "median", "min", "max"])
    lengths_s = lengths_s.reindex(videos["video"].astype(str)).reset_index(drop=True)
    number = lengths_s["size"].astype("Int64")
    hours = videos["duration_s"].reset_index(drop=True) / SECONDS_PER_HOUR
    rate = ((lengths_s["size"] - 1) / hours).where(hours > 0)
    low, high = counted_interval(lengths_s["size"] - 1)
    return pd.DataFrame(
        {
            "video": videos["video"].reset_index(drop=True),
            "shots": number,
            "cuts": number - 1,
            "cuts_per_hour": rate,
            "cuts_per_hour_low": (low / hours).where(hours > 0),
            "cuts_per_hour_high": (high / hours).where(hours > 0),
            "shot_mean_s": lengths_s["mean"],
            "shot_median_s": lengths_s["median"],
            "shot_shortest_s": lengths_s["min"],
            "shot_longest_s": lengths_s["max"],
        }
    )


def counted_interval(
    counts: ArrayLike, *, confidence: float = CONFIDENCE
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the expected numbers that are not at odds with counted ones (Garwood 1936).

    The exact interval of a Poisson mean. A walk of an hour without a cut does not show that there
    are none in the next: 3.7 an hour would leave an hour without one in 1 of 40 cases.
    Cuts come in bursts, which a Poisson process does not know; with many cuts, intervals by
    resampling (`analysis/statistics/bootstrap.py`) tell more.

    Args:
        counts: (n,) 0 or more, or NaN, of which nothing is known.
        confidence: share of cases in which the interval holds the true mean, at the least.

    Returns:
        (n,) lower and (n,) upper ends, float64.
    """
    from scipy.special import gammaincinv

    number = np.asarray(counts, dtype=np.float64)
    tail = (1 - confidence) / 2
    # A Poisson mean's tail probabilities are those of gamma variables of whole shapes.
    low: Any = np.where(number > 0, gammaincinv(np.maximum(number, 1), tail), 0.0)
    high = gammaincinv(number + 1, 1 - tail)
    return np.where(np.isnan(number), np.nan, low), np.asarray(high)
