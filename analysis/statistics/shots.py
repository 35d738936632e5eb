"""Shots: how often a video is cut. Pure functions on tables; see docs/analysis.md."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

SECONDS_PER_HOUR = 3600.0


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
    which for a video much shorter than an hour extrapolates; `shot_mean_s`, `shot_median_s`,
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
    return pd.DataFrame(
        {
            "video": videos["video"].reset_index(drop=True),
            "shots": number,
            "cuts": number - 1,
            "cuts_per_hour": rate,
            "shot_mean_s": lengths_s["mean"],
            "shot_median_s": lengths_s["median"],
            "shot_shortest_s": lengths_s["min"],
            "shot_longest_s": lengths_s["max"],
        }
    )
