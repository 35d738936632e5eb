"""Lightness over time, one panel a video (Figure 2 of the paper, extended to whole videos)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from analysis.figures.style import (
    BLUE,
    GREY,
    INK,
    SKY,
    VERMILION,
    draw_line,
    drawing,
    duration_text,
    fill_band,
    new_figure,
    say,
    set_time_axis,
)

TURN_MARKERS = {"bright": "^", "dim": "D", "dark": "v"}
_TURN: dict[str, Any] = {
    "linestyle": "none",
    "markersize": 7,
    "markerfacecolor": "white",
    "markeredgecolor": INK,
    "markeredgewidth": 1.4,
    "zorder": 5,
}
"""Of triangles and diamonds that mark turns."""


@dataclass(frozen=True, kw_only=True)
class LightnessPanel:
    """What the panel of one video shows."""

    video: str
    duration_s: float
    curve: pd.DataFrame
    """As `envelope` returns it."""
    cuts_s: Sequence[float] | None
    """None where cuts were not sought."""
    window_s: float
    """Of the moving median."""
    turns: pd.DataFrame
    """As `change_points` returns them: time_s, before, after."""


def draw_lightness(
    panels: Sequence[LightnessPanel], *, bright_from: float, dark_below: float
) -> Figure:
    """Draw L* over time: the pixels' 5-95 % band, means, their moving median, turns, cuts.

    Args:
        panels: 1 to 10 videos; over three stand in two columns.
        bright_from: mean L* from which a picture is bright.
        dark_below: mean L* under which it is dark.
    """
    columns = 1 if len(panels) <= 3 else 2
    rows = -(-len(panels) // columns)
    with drawing():
        figure = new_figure(height_in=0.7 + rows * 2.1)
        grid = figure.subplots(rows, columns, squeeze=False, sharey=True)
        for axes in grid.flat[len(panels) :]:
            axes.set_axis_off()
        for axes, panel in zip(grid.flat, panels, strict=False):
            _draw_panel(axes, panel, bounds=(bright_from, dark_below))
        for axes in grid[:, 0]:
            axes.set_ylabel("lightness L*")
        figure.legend(handles=_legend(panels), loc="outside upper left", ncols=4, handlelength=1.6)
    return figure


def _draw_panel(axes: Axes, panel: LightnessPanel, *, bounds: tuple[float, float]) -> None:
    axes.set_title(f"{panel.video}  ({duration_text(panel.duration_s)})")
    unit = set_time_axis(axes, panel.duration_s)
    axes.set_ylim(0, 100)
    axes.set_yticks([0, 25, 50, 75, 100])
    curve = panel.curve
    if curve["median"].notna().any():
        time = curve["time_s"] / unit.seconds
        fill_band(axes, time, curve["low"], curve["high"], color=SKY, alpha=0.38, lw=0)
        means = curve["mean_low"], curve["mean_high"]
        fill_band(axes, time, *means, color=BLUE, alpha=0.55, lw=0.8)
        draw_line(axes, time, curve["median"], color=INK, lw=1.8)
    else:
        say(axes, "no picture has a lightness")
    for bound in bounds:
        axes.axhline(bound, color=GREY, lw=0.8, dashes=(1, 3), zorder=0)
    _draw_turns(axes, panel, bounds=bounds, unit_s=unit.seconds)
    heights = (bounds[0] + 100) / 2, sum(bounds) / 2, bounds[1] / 2
    for name, height in zip(("bright", "dim", "dark"), heights, strict=True):
        beside = axes.get_yaxis_transform()
        axes.text(1.008, height, name, color=GREY, fontsize=9.5, va="center", transform=beside)
    if panel.cuts_s is not None and len(panel.cuts_s):
        cuts = np.asarray(panel.cuts_s) / unit.seconds
        many = len(cuts) > 60
        axes.vlines(cuts, 93 if many else 0, 100, color=VERMILION, lw=0.5 if many else 1.1)
    elif panel.cuts_s is None:
        note = "cuts were not sought"
        axes.set_title(note, loc="right", fontsize=10, fontweight="normal", color=GREY)


def _draw_turns(
    axes: Axes, panel: LightnessPanel, *, bounds: tuple[float, float], unit_s: float
) -> None:
    """Mark where a video turns, at the bound that it crosses, by the state that it turns to."""
    bright, dark = bounds
    for after, marker in TURN_MARKERS.items():
        turns = panel.turns[panel.turns["after"] == after]
        upper = (turns["before"] == "bright") | (after == "bright")
        axes.plot(turns["time_s"] / unit_s, np.where(upper, bright, dark), marker, **_TURN)


def _legend(panels: Sequence[LightnessPanel]) -> list[Artist]:
    windows_s = [panel.window_s for panel in panels]
    ends = dict.fromkeys(f"{edge_s:.3g}" for edge_s in (min(windows_s), max(windows_s)))
    window = " to ".join(ends)
    entries: list[Artist] = [
        Patch(color=SKY, alpha=0.38, label="5th to 95th percentile of pixels"),
        Patch(color=BLUE, alpha=0.55, label="mean of each picture"),
        Line2D([], [], color=INK, lw=1.8, label=f"moving median over {window} s"),
    ]
    if any(len(panel.turns) for panel in panels):
        entries += [
            Line2D([], [], marker=marker, label=f"turns {state}", **_TURN)
            for state, marker in TURN_MARKERS.items()
            if any((panel.turns["after"] == state).any() for panel in panels)
        ]
    cut = Line2D([], [], color=VERMILION, lw=1.4, label="cut")
    return [*entries, cut] if any(panel.cuts_s for panel in panels) else entries
