"""The plots under a video's pictures in the page: lightness, and objects per frame, over time."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.plot_paths import area_path, line_path
from analysis.statistics.lightness import LightnessOptions, envelope, moving_median, suited_window_s
from analysis.thinning import thin
from wtours.shards import VideoRecord


@dataclass(frozen=True, kw_only=True)
class Lane:
    """One plot under the pictures: 1,000 units wide, 100 high, 0 at the bottom."""

    name: str
    top: float
    """What the upper edge stands for."""
    shapes: Sequence[tuple[str, str]]
    """Class of the style sheet, and SVG path."""
    says: str
    """What it shows, for those who do not see it."""


def lightness_lane(
    record: VideoRecord, pictures: pd.DataFrame, options: LightnessOptions, *, points: int
) -> Lane:
    """Return the lightness of a video: percentiles, means, moving median; `points` rows, about."""
    window_s = suited_window_s(record.duration_s, options)
    curve = envelope(pictures, window_s=window_s, points=points)
    scale = {"duration_s": record.duration_s, "top": 100.0}
    time_s = curve["time_s"]
    known = curve["mean_low"].notna().any()
    return Lane(
        name="Lightness L*",
        top=100.0,
        shapes=_order(
            ("median", line_path(time_s, curve["median"], curve["median"], **scale)),
            [
                ("band", area_path(time_s, curve["low"], curve["high"], **scale)),
                ("mean", line_path(time_s, curve["mean_low"], curve["mean_high"], **scale)),
            ],
            dense=len(pictures) > points,
        ),
        says=(
            f"Lightness of {record.name} over time: means from {curve['mean_low'].min():.1f} to "
            f"{curve['mean_high'].max():.1f}."
            if known
            else f"No picture of {record.name} has a lightness."
        ),
    )


def objects_lane(
    record: VideoRecord, counted: pd.DataFrame, options: LightnessOptions, *, points: int
) -> Lane:
    """Return objects and classes per frame of a video, and the moving median of the classes."""
    curve = object_curve(counted, record, options, points=points)
    most = curve["instances_high"].max() if len(curve) else float("nan")
    top = 1.0 if pd.isna(most) else float(max(1, np.ceil(1.1 * most)))

    def line(name: str) -> str:
        ends = curve[f"{name}_low"], curve[f"{name}_high"]
        return line_path(curve["time_s"], *ends, duration_s=record.duration_s, top=top)

    return Lane(
        name="Objects",
        top=top,
        shapes=_order(
            ("median", line("median")),
            [("instances", line("instances")), ("classes", line("classes"))],
            dense=len(counted) > points,
        ),
        says=(
            f"Objects of {record.name} over time: up to {most:.0f} instances and "
            f"{curve['classes_high'].max():.0f} classes in a frame."
            if len(counted)
            else f"Nobody looked for objects in {record.name}."
        ),
    )


def _order(
    median: tuple[str, str], others: list[tuple[str, str]], *, dense: bool
) -> list[tuple[str, str]]:
    """Return shapes from the lowest: the median, which is wider, under the last where it is a line,
    and above all where frames are so dense that they fill a band.
    """
    if dense:
        return [*others, ("median dense", median[1])]
    return [*others[:-1], median, others[-1]]


def object_curve(
    counted: pd.DataFrame, record: VideoRecord, options: LightnessOptions, *, points: int
) -> pd.DataFrame:
    """Return classes and instances per frame of one video over time, thinned, and their median.

    Columns: `time_s`; `classes_low`, `classes_high`, `instances_low`, `instances_high`;
    `median_low`, `median_high` of the moving median of the classes.

    Args:
        counted: rows of `objects_per_frame` of the video, sorted by time.
        record: of the video.
        options: window of the moving median.
        points: rows, about.
    """
    window_s = suited_window_s(record.duration_s, options)
    values = {name: counted[name].to_numpy(dtype="float64") for name in ("classes", "instances")}
    median = moving_median(counted["time_s"], counted["classes"], window_s=window_s).to_numpy()
    time_s = counted["time_s"].to_numpy()
    return thin(time_s, {**values, "median": median}, points=points)
