"""Blur and motion of each minute of each video: what Table 1 of the paper leaves out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from analysis.figures.style import (
    BLUE,
    FAINT,
    VERMILION,
    drawing,
    duration_text,
    new_figure,
    say,
    set_time_axis,
    short_name,
)

MINUTE_S = 60.0
FIGURES = (
    ("sharpness", "sharpness\n(median)", BLUE),
    ("motion", "motion\n(mean)", VERMILION),
)
"""Column of `per_minute`, what the axis is called, and the colour."""


@dataclass(frozen=True, kw_only=True)
class MinutesPanel:
    """What the row of one video shows."""

    video: str
    duration_s: float
    minutes: pd.DataFrame
    """Rows of `per_minute` of the video."""


def draw_minutes(panels: Sequence[MinutesPanel]) -> Figure:
    """Draw sharpness and motion of each minute, a row a video, each on its own scale from 0.

    Sharpness depends on the size of the stored picture and motion on the kept rate, so that one
    scale would compare what cannot be compared, and flatten all curves but the highest. A minute is
    a level line as long as the minute; where nothing is known, there is none.

    Args:
        panels: 1 to 10 videos, the first on top.
    """
    with drawing():
        figure = new_figure(height_in=0.3 + 1.35 * len(panels))
        grid = figure.subplots(len(panels), len(FIGURES), squeeze=False)
        for axes_of_row, panel in zip(grid, panels, strict=True):
            name = f"{short_name(panel.video)}  ({duration_text(panel.duration_s)})"
            axes_of_row[0].set_title(name, fontsize=11)
            for axes, (column, label, colour) in zip(axes_of_row, FIGURES, strict=True):
                axes.set_ylabel(label, fontsize=9.5)
                _draw_steps(axes, panel, column, colour)
    return figure


def _draw_steps(axes: Axes, panel: MinutesPanel, column: str, colour: str) -> None:
    unit = set_time_axis(axes, panel.duration_s)
    axes.xaxis.label.set_fontsize(9.5)
    axes.grid(axis="y", color=FAINT, lw=0.6)
    axes.set_axisbelow(True)
    if not panel.minutes[column].notna().any():
        axes.set_yticks([])
        say(axes, "not measured")
        return
    values, edges_s = _steps(panel, column)
    axes.set_ylim(0, 1.2 * np.nanmax(values) or 1)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=3))
    axes.stairs(values, edges_s / unit.seconds, baseline=None, color=colour, lw=1.6)


def _steps(panel: MinutesPanel, column: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return a value of every minute, NaN where there is none, and the minutes' edges in s."""
    known = panel.minutes.set_index("minute")[column].astype("float64")
    count = int(known.index.max()) + 1
    edges_s = np.minimum(np.arange(count + 1) * MINUTE_S, max(panel.duration_s, 1e-3))
    return np.asarray(known.reindex(range(count)), dtype=np.float64), edges_s
