"""Curves over time, one lane a group under the other: lightness, and objects per frame."""

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import MaxNLocator

from analysis.figures.series import Series, VideoCurves
from analysis.figures.style import (
    FAINT,
    UNEQUAL,
    draw_line,
    fill_band,
    say,
    series_style,
    short_name,
    time_unit,
)

MANY_VIDEOS = 4
"""Over so many videos in a lane their bands would hide each other; their medians are drawn."""


def draw_lightness_lanes(figure: Figure | SubFigure, series: Sequence[Series]) -> None:
    """Draw L* over time: extremes of the pictures' means (band), their moving median (line)."""
    lanes = _lanes(figure, series)
    for axes in lanes:
        axes.set_ylim(0, 100)
        axes.set_yticks([0, 50, 100])
    figure.supylabel("lightness L*", fontsize=11)
    _draw(lanes, series, lambda video: video.lightness, ("mean_low", "mean_high"))


def draw_object_lanes(figure: Figure | SubFigure, series: Sequence[Series]) -> None:
    """Draw unique classes per frame over time: extremes (band), moving median (line)."""
    lanes = _lanes(figure, series)
    curves = [video.objects for group in series for video in group.videos]
    most = max((curve["classes_high"].max() for curve in curves if curve is not None), default=0)
    for axes in lanes:
        axes.set_ylim(0, 1.05 * most if most > 0 else 1)
        axes.yaxis.set_major_locator(MaxNLocator(nbins=3, integer=True))
    figure.supylabel("unique classes per frame", fontsize=11)
    _draw(lanes, series, lambda video: video.objects, ("classes_low", "classes_high"))


def _lanes(figure: Figure | SubFigure, series: Sequence[Series]) -> Sequence[Axes]:
    lanes: list[Axes] = list(figure.subplots(len(series), 1, squeeze=False, sharex=True)[:, 0])
    lengths_s = [video.duration_s for group in series for video in group.videos]
    unit = time_unit(max(lengths_s))
    shares = max(lengths_s) > UNEQUAL * min(lengths_s)
    lanes[-1].set_xlabel("share of the video (%)" if shares else f"time ({unit.name})")
    lanes[0].set_xlim(0, 100 if shares else max(*lengths_s, 1e-3) / unit.seconds)
    for number, (axes, group) in enumerate(zip(lanes, series, strict=True)):
        colour = series_style(number).colour
        axes.set_title(short_name(group.name), fontsize=10, color=colour, pad=3)
        axes.grid(axis="y", color=FAINT, lw=0.6)
        axes.set_axisbelow(True)
    return lanes


def _draw(
    lanes: Sequence[Axes],
    series: Sequence[Series],
    curve_of: Callable[[VideoCurves], pd.DataFrame | None],
    band: tuple[str, str],
) -> None:
    lengths_s = [video.duration_s for group in series for video in group.videos]
    shares = max(lengths_s) > UNEQUAL * min(lengths_s)
    unit_s = time_unit(max(lengths_s)).seconds
    for number, (axes, group) in enumerate(zip(lanes, series, strict=True)):
        colour = series_style(number).colour
        drawn = False
        for video in group.videos:
            curve = curve_of(video)
            if curve is None:
                continue
            median = _median(curve)
            if not median.notna().any():
                continue
            drawn = True
            time = curve["time_s"] / (max(video.duration_s, 1e-3) / 100 if shares else unit_s)
            if len(group.videos) <= MANY_VIDEOS:
                low, high = curve[band[0]], curve[band[1]]
                fill_band(axes, time, low, high, color=colour, alpha=0.28, lw=0.4)
            draw_line(axes, time, median, color=colour, lw=1.3)
        if not drawn:
            say(axes, "not measured")


def _median(curve: pd.DataFrame) -> "pd.Series[Any]":
    if "median" in curve:
        return curve["median"]
    return (curve["median_low"] + curve["median_high"]) / 2
