"""Shots of each video: where the cuts are, and how many shots there are (Figure 2 of the paper)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import StrMethodFormatter

from analysis.figures.style import (
    BLUE,
    FAINT,
    GREY,
    SKY,
    UNEQUAL,
    drawing,
    duration_text,
    new_figure,
    time_unit,
)


@dataclass(frozen=True, kw_only=True)
class ShotLane:
    """What the lane of one video shows."""

    video: str
    duration_s: float
    starts_s: Sequence[float] | None
    """Start of every shot in seconds, the first 0; None where cuts were not sought."""


def draw_shots(lanes: Sequence[ShotLane]) -> Figure:
    """Draw each video as a strip whose colour changes at every cut, and its number of shots.

    Args:
        lanes: 1 to 10 videos, the first on top.
    """
    with drawing():
        figure = new_figure(height_in=1.15 + 0.52 * len(lanes))
        strips, counts = figure.subplots(1, 2, sharey=True, width_ratios=[3, 1])
        _set_time(strips, lanes)
        for row, lane in enumerate(lanes):
            _draw_strip(strips, row, lane, scale=_scale(lanes, lane))
            _draw_count(counts, row, lane)
        _label_lanes(strips, lanes)
        _set_counts(counts, lanes)
    return figure


def _as_shares(lanes: Sequence[ShotLane]) -> bool:
    lengths_s = [lane.duration_s for lane in lanes]
    return max(lengths_s) > UNEQUAL * min(lengths_s)


def _scale(lanes: Sequence[ShotLane], lane: ShotLane) -> float:
    """Return what a time in seconds is multiplied by."""
    if _as_shares(lanes):
        return 100 / max(lane.duration_s, 1e-3)
    return 1 / time_unit(max(each.duration_s for each in lanes)).seconds


def _set_time(axes: Axes, lanes: Sequence[ShotLane]) -> None:
    longest_s = max(lane.duration_s for lane in lanes)
    unit = time_unit(longest_s)
    shares = _as_shares(lanes)
    axes.set_xlim(0, 100 if shares else max(longest_s, 1e-3) / unit.seconds)
    axes.set_xlabel("share of the video (%)" if shares else f"time ({unit.name})")
    axes.set_title("Shots over time")


def _draw_strip(axes: Axes, row: int, lane: ShotLane, *, scale: float) -> None:
    length = lane.duration_s * scale
    if lane.starts_s is None:
        axes.barh(row, length, height=0.62, color="white", edgecolor=FAINT, hatch="///", lw=0.8)
        return
    starts = np.asarray(lane.starts_s) * scale
    widths = np.diff(starts, append=length)
    shots = list(zip(starts.tolist(), widths.tolist(), strict=True))
    place = (row - 0.31, 0.62)
    axes.broken_barh(shots[0::2], place, facecolors=BLUE, lw=0)
    axes.broken_barh(shots[1::2], place, facecolors=SKY, lw=0)


def _draw_count(axes: Axes, row: int, lane: ShotLane) -> None:
    if lane.starts_s is None:
        place = {"boxstyle": "square,pad=0.2", "facecolor": "white", "linewidth": 0}
        axes.text(1, row, "not sought", color=GREY, va="center", fontsize=10, bbox=place)
        return
    shots = len(lane.starts_s)
    axes.plot([shots], [row], "o", color=BLUE, ms=8)
    axes.annotate(
        f"{shots:,}", (shots, row), xytext=(9, 0), textcoords="offset points", va="center"
    )


def _label_lanes(axes: Axes, lanes: Sequence[ShotLane]) -> None:
    axes.set_ylim(len(lanes) - 0.4, -0.6)
    names = [f"{lane.video}\n{duration_text(lane.duration_s)}" for lane in lanes]
    axes.set_yticks(range(len(lanes)), labels=names, linespacing=1.1)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def _set_counts(axes: Axes, lanes: Sequence[ShotLane]) -> None:
    most = max((len(lane.starts_s) for lane in lanes if lane.starts_s is not None), default=1)
    axes.set_xscale("log")
    axes.set_xlim(0.8, max(10, most) * 4)
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.set_title("Number of shots")
    axes.set_xlabel("shots (logarithmic)")
    axes.grid(axis="x", color=FAINT, lw=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
