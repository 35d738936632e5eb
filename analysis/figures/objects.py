"""Objects: rank and frequency of classes, how classes accumulate, and counts over time."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from analysis.figures.series import Series
from analysis.figures.style import (
    BLUE,
    FAINT,
    ORANGE,
    SKY,
    draw_line,
    drawing,
    duration_text,
    fill_band,
    new_figure,
    say,
    series_style,
    set_time_axis,
    short_name,
)


@dataclass(frozen=True, kw_only=True)
class ObjectsPanel:
    """What the panel of one video shows."""

    video: str
    duration_s: float
    curve: pd.DataFrame
    """`time_s`, `classes_low`, `classes_high`, `instances_low`, `instances_high`,
    `median_low`, `median_high`: as `object_curve` returns them."""


def draw_objects(panels: Sequence[ObjectsPanel]) -> Figure:
    """Draw instances and unique classes per frame over time, one panel a video.

    Args:
        panels: 1 to 10 videos; over three stand in two columns.
    """
    columns = 1 if len(panels) <= 3 else 2
    rows = -(-len(panels) // columns)
    with drawing():
        figure = new_figure(height_in=0.7 + rows * 2.1)
        grid = figure.subplots(rows, columns, squeeze=False)
        for axes in grid.flat[len(panels) :]:
            axes.set_axis_off()
        for axes, panel in zip(grid.flat, panels, strict=False):
            _draw_panel(axes, panel)
        for axes in grid[:, 0]:
            axes.set_ylabel("per frame")
        entries = [
            Patch(color=SKY, alpha=0.7, label="objects"),
            Patch(color=BLUE, alpha=0.9, label="unique classes"),
            Line2D([], [], color=ORANGE, lw=3.5, label="moving median of unique classes"),
        ]
        figure.legend(handles=entries, loc="outside upper left", ncols=3, handlelength=1.6)
    return figure


def _draw_panel(axes: Axes, panel: ObjectsPanel) -> None:
    axes.set_title(f"{short_name(panel.video)}  ({duration_text(panel.duration_s)})")
    unit = set_time_axis(axes, panel.duration_s)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
    curve = panel.curve
    if not curve["median_low"].notna().any():
        axes.set_ylim(0, 1)
        say(axes, "no picture was looked at")
        return
    time = curve["time_s"] / unit.seconds
    most = curve[["instances_high", "classes_high"]].max().max()
    axes.set_ylim(0, max(1.0, 1.08 * most))
    # Where frames are as wide as a line, the median lies under their counts and shows around them;
    # where they are so dense that they fill a band, it lies on it.
    dense = (curve["classes_high"] > curve["classes_low"]).mean() > 0.5
    median = (curve["median_low"] + curve["median_high"]) / 2
    draw_line(axes, time, median, color=ORANGE, lw=1.8 if dense else 3.5)
    for line in axes.lines:
        line.set_zorder(3 if dense else 0.5)
    for name, colour, alpha in (("instances", SKY, 0.7), ("classes", BLUE, 0.9)):
        low, high = curve[f"{name}_low"], curve[f"{name}_high"]
        fill_band(axes, time, low, high, color=colour, alpha=alpha, lw=1)


def draw_frequencies(figure: Figure | SubFigure, series: Sequence[Series]) -> None:
    """Draw how often each class occurs by its rank, both axes logarithmic."""
    axes = figure.subplots()
    known = [
        (number, group.name, group.frequencies)
        for number, group in enumerate(series)
        if group.frequencies is not None
    ]
    axes.set_xlabel("rank of the class")
    axes.set_ylabel("instances per 1,000 frames")
    seen = [(number, name, found) for number, name, found in known if len(found)]
    if not seen:
        axes.set_xticks([])
        axes.set_yticks([])
        say(axes, "no object was found" if known else "objects were not counted")
        return
    for number, name, found in seen:
        style = series_style(number)
        ranks = np.arange(1, len(found) + 1)
        label = f"{short_name(name, letters=22)} ({len(found):,} class{'es' * (len(found) != 1)})"
        axes.plot(
            *(ranks, found),
            color=style.colour,
            ls=style.dash,
            marker=style.marker,
            markevery=_few(len(found)),
            ms=4.5,
            lw=1.5,
            label=label,
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    longest = max(len(found) for _, _, found in seen)
    axes.set_xlim(0.9, max(10, longest) * 1.15)
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,g}"))
    axes.grid(color=FAINT, lw=0.6)
    axes.set_axisbelow(True)
    _leave_room(axes, share=min(0.5, 0.06 + 0.085 * len(seen)))
    size = 9 if len(seen) > 5 else None
    axes.legend(loc="upper right", handlelength=2.6, fontsize=size)


def _leave_room(axes: Axes, *, share: float) -> None:
    """Let a logarithmic axis go up until a share of it stands empty over the curves."""
    low, high = axes.get_ylim()
    axes.set_ylim(low, high * (high / low) ** (share / (1 - share)))


def draw_growth(figure: Figure | SubFigure, series: Sequence[Series]) -> None:
    """Draw how many unique classes were seen up to each minute of video."""
    axes = figure.subplots()
    axes.set_xlabel("video looked at (min)")
    axes.set_ylabel("unique classes so far")
    drawn = False
    for number, group in enumerate(series):
        if group.growth is None or group.growth.empty:
            continue
        drawn = True
        style = series_style(number)
        # At 0 minutes nothing was seen; a point stands at the end of its minute.
        minutes = np.concatenate(([0], np.asarray(group.growth["minute"], dtype="float64") + 1))
        total = np.concatenate(([0], np.asarray(group.growth["total"], dtype="float64")))
        axes.plot(
            *(minutes, total),
            color=style.colour,
            ls=style.dash,
            marker=style.marker,
            markevery=[len(total) - 1],
            lw=1.6,
            label=f"{short_name(group.name, letters=22)} ({int(total[-1]):,})",
        )
    if not drawn:
        axes.set_xticks([])
        axes.set_yticks([])
        say(axes, "objects were not counted")
        return
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(color=FAINT, lw=0.6)
    axes.set_axisbelow(True)
    axes.legend(loc="lower right", handlelength=2.6)


def _few(count: int) -> list[int]:
    """Return some places that are evenly spaced on a logarithmic axis, both ends among them."""
    return sorted({round(place) - 1 for place in np.geomspace(1, count, num=9)})
