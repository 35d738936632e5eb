"""Cuts as each detector finds them, from the scores that the frame pass left: nothing is decoded.

A shard set keeps how much every frame differs from the one before (FORMAT.md, scores.parquet).
PySceneDetect's content and adaptive detectors need no more, so each of them can be run afterwards,
at any threshold, in well under a second for an hour of video.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wtours.shards import ShardSet

DETECTORS = ("content", "adaptive")
CUT_COLUMNS: Mapping[str, str] = {
    "video": "category",
    "detector": "category",
    "frame": "int64",
    "time_s": "float64",
    "score": "float64",
}
"""One row a cut that a detector finds. `frame`: the first of the new shot, counted from 0."""


def read_cuts(
    shards: Sequence[ShardSet], *, detectors: Sequence[str] = DETECTORS
) -> dict[str, pd.DataFrame]:
    """Return video -> `cuts_from_scores` of every video whose set keeps scores.

    Sets that were made without cut detection, or before scores were kept, have none; the videos of
    those are left out, which is not the same as a video without cuts.

    Raises:
        ShardError: a table is missing or damaged.
    """
    found: dict[str, pd.DataFrame] = {}
    for shard_set in shards:
        table = shard_set.scores()
        if table is None:
            continue
        frame = table.to_pandas()
        of_video = dict(iter(frame.groupby("video", observed=True)))
        for record in shard_set.videos:
            if record.name not in of_video:
                continue
            rows = of_video[record.name]
            found[record.name] = cuts_from_scores(
                rows["score"].to_numpy(),
                rows["pts"].to_numpy(),
                time_base=record.time_base,
                rate=record.rate,
                detectors=detectors,
            )
    return found


def cuts_from_scores(
    scores: NDArray[np.float64],
    pts: NDArray[np.int64],
    *,
    time_base: Fraction,
    rate: Fraction,
    detectors: Sequence[str] = DETECTORS,
) -> pd.DataFrame:
    """Return the cuts of one video: CUT_COLUMNS without `video`.

    Args:
        scores: (F,) change of each frame since the one before, the first 0.
        pts: (F,) time stamps of the frames, increasing, in units of `time_base`.
        time_base: seconds a unit.
        rate: frames a second on the average.
        detectors: `content`, `adaptive`, at PySceneDetect's thresholds.

    Raises:
        WtoursError: there is no such detector.
    """
    from wtours import CutSettings, find_cuts

    rows: list[dict[str, Any]] = []
    for name in detectors:
        settings = CutSettings(detector=name)
        found = find_cuts(scores, pts, time_base=time_base, rate=rate, settings=settings)
        frames = np.searchsorted(pts, [cut.pts for cut in found])
        rows += [
            {"detector": name, "frame": int(frame), "time_s": cut.time_s, "score": cut.score}
            for frame, cut in zip(frames, found, strict=True)
        ]
    kinds = {name: kind for name, kind in CUT_COLUMNS.items() if name != "video"}
    named = pd.DataFrame(rows, columns=list(kinds))
    return named.assign(
        detector=pd.Categorical(named["detector"], categories=list(detectors))
    ).astype(kinds | {"detector": pd.CategoricalDtype(list(detectors))})


def frames_by_detector(
    cuts: Mapping[str, pd.DataFrame], *, detectors: Sequence[str] = DETECTORS
) -> dict[str, dict[str, list[int]]]:
    """Return detector -> video -> frames, as `detector_agreement` takes it.

    Args:
        cuts: video -> what `cuts_from_scores` returned of it.
        detectors: those that were run.
    """
    return {
        name: {
            video: table.loc[table["detector"] == name, "frame"].tolist()
            for video, table in cuts.items()
        }
        for name in detectors
    }
