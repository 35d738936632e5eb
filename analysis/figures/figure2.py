"""Figure 2 of the paper for any groups of videos: four panels, together and each alone."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import FuncFormatter

from analysis.figures.lanes import draw_lightness_lanes, draw_object_lanes
from analysis.figures.objects import draw_frequencies, draw_growth
from analysis.figures.series import Series
from analysis.figures.style import (
    FAINT,
    GREY,
    MAX_SERIES,
    drawing,
    duration_text,
    new_figure,
    series_style,
    short_name,
)

Painter = Callable[[Figure | SubFigure, Sequence[Series]], None]


def draw_shot_rates(figure: Figure | SubFigure, series: Sequence[Series]) -> None:
    """Draw cuts per hour of each video (small) and of each group's video together (large)."""
    axes = figure.subplots()
    axes.set_ylim(len(series) - 0.4, -0.6)
    names = [f"{short_name(group.name, letters=20)}\n{_told(group)}" for group in series]
    axes.set_yticks(range(len(series)), labels=names, linespacing=1.15, fontsize=9.5)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xscale("symlog", linthresh=1, linscale=0.5)
    for row, group in enumerate(series):
        _draw_rate(axes, row, group)
    most = max((max(_rates(group), default=0.0) for group in series), default=0.0)
    axes.set_xlim(-0.15, max(10.0, most) * 3)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.set_xlabel("cuts per hour (logarithmic from 1)")
    axes.grid(axis="x", color=FAINT, lw=0.6)
    axes.set_axisbelow(True)


PANELS: Mapping[str, tuple[str, Painter]] = MappingProxyType(
    {
        "lightness": ("Lightness over time", draw_lightness_lanes),
        "objects": ("Objects per frame over time", draw_object_lanes),
        "classes": ("Class frequencies", draw_frequencies),
        "shots": ("Shots", draw_shot_rates),
    }
)
"""The panels in the paper's order: name, title, how it is drawn."""


def draw_figure2(series: Sequence[Series]) -> Figure:
    """Draw all four panels: time above, frequencies and shots below.

    Args:
        series: 1 to MAX_SERIES groups.
    """
    assert 1 <= len(series) <= MAX_SERIES
    with drawing():
        above_in, below_in = _lanes_in(series), max(3.3, _rows_in(series))
        figure = new_figure(height_in=above_in + below_in)
        parts = figure.subfigures(2, 2, squeeze=False, height_ratios=[above_in, below_in])
        for letter, part, (title, paint) in zip("abcd", parts.flat, PANELS.values(), strict=True):
            part.suptitle(f"({letter}) {title}", x=0.01, ha="left", fontsize=12, weight="bold")
            paint(part, series)
    return figure


def draw_alone(panel: str, series: Sequence[Series]) -> Figure:
    """Draw one panel of `PANELS`, or `accumulation`, as a figure of its own."""
    titles = {**PANELS, "accumulation": ("Classes seen over time", draw_growth)}
    title, paint = titles[panel]
    heights_in = {"lightness": _lanes_in(series), "objects": _lanes_in(series)}
    with drawing():
        height_in = heights_in.get(panel, max(4.2, _rows_in(series)))
        figure = new_figure(height_in=height_in)
        figure.suptitle(title, x=0.01, ha="left", fontsize=12, weight="bold")
        paint(figure, series)
    return figure


def _lanes_in(series: Sequence[Series]) -> float:
    return 1.0 + max(2.0, 0.95 * len(series))


def _rows_in(series: Sequence[Series]) -> float:
    return 1.1 + 0.5 * len(series)


def _rates(group: Series) -> list[float]:
    return [
        (video.shots - 1) / video.duration_s * 3600
        for video in group.videos
        if video.shots is not None and video.duration_s > 0
    ]


def _told(group: Series) -> str:
    shots = [video.shots for video in group.videos if video.shots is not None]
    if not shots:
        return "cuts were not sought"
    sought_s = sum(video.duration_s for video in group.videos if video.shots is not None)
    return f"{sum(shots):,} shot{'s' * (sum(shots) != 1)} in {duration_text(sought_s)}"


def _draw_rate(axes: Axes, row: int, group: Series) -> None:
    rates = _rates(group)
    if not rates:
        axes.text(1, row, "not sought", color=GREY, va="center", fontsize=10)
        return
    style = series_style(row)
    sought = [v for v in group.videos if v.shots is not None and v.duration_s > 0]
    cuts = sum((video.shots or 1) - 1 for video in sought)
    together = cuts / sum(video.duration_s for video in sought) * 3600
    if len(rates) > 1:
        rows = np.full(len(rates), row)
        axes.plot(rates, rows, style.marker, color=style.colour, ms=4, alpha=0.5, lw=0)
    axes.plot([together], [row], style.marker, color=style.colour, ms=9, mec="white", mew=0.8)
    axes.annotate(
        f"{together:,.0f}" if together >= 10 else f"{together:.2g}",
        (together, row),
        xytext=(9, 6),
        textcoords="offset points",
        va="bottom",
        fontsize=10,
    )
