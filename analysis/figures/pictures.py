"""What a video shows: pictures evenly spaced over its time, their lightness below."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures.style import (
    BLUE,
    INK,
    SKY,
    WIDTH_IN,
    draw_line,
    drawing,
    duration_text,
    fill_band,
    new_figure,
    say,
    set_time_axis,
)

STRIP_IN = 0.85
"""Height of the pictures."""
STRIP_ASPECT = 0.93 * WIDTH_IN / STRIP_IN
"""Width by height of a whole strip, within the margins of a figure."""

Pixels = np.ndarray[Any, np.dtype[np.uint8]]


@dataclass(frozen=True, kw_only=True)
class PictureStrip:
    """What the strip of one video shows."""

    video: str
    duration_s: float
    thumbnails: Sequence[Pixels | None]
    """(H, W, 3) each, of equal stretches of the video in the order of time; None: no picture."""
    curve: pd.DataFrame
    """As `envelope` returns it."""


def pictures_in_strip(aspect: float) -> int:
    """Return how many pictures of a width by height fill a strip: at least one."""
    return max(1, int(STRIP_ASPECT / aspect))


def draw_pictures(strips: Sequence[PictureStrip]) -> Figure:
    """Draw pictures over time, each above the lightness of its own stretch of time.

    Args:
        strips: 1 to 10 videos, the first on top.
    """
    with drawing():
        figure = new_figure(height_in=0.2 + len(strips) * (STRIP_IN + 1.25), hspace=0.0)
        heights = [STRIP_IN, 0.6] * len(strips)
        grid = figure.subplots(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]
        for number, strip in enumerate(strips):
            _draw_strip(grid[2 * number], strip)
            _draw_curve(grid[2 * number + 1], strip)
    return figure


def _draw_strip(axes: Axes, strip: PictureStrip) -> None:
    axes.set_title(f"{strip.video}  ({duration_text(strip.duration_s)})")
    axes.set_xlim(0, max(1, len(strip.thumbnails)))
    axes.set_ylim(0, 1)
    axes.set_axis_off()
    if not strip.thumbnails:
        say(axes, "no pictures")
    slot_aspect = STRIP_ASPECT / max(1, len(strip.thumbnails))
    for place, picture in enumerate(strip.thumbnails):
        if picture is None:
            continue
        # Fit into the slot without distortion; where pictures are few, white stands between.
        width = min(1.0, picture.shape[1] / picture.shape[0] / slot_aspect)
        height = min(1.0, slot_aspect * picture.shape[0] / picture.shape[1])
        left, low = place + (1 - width) / 2, (1 - height) / 2
        extent = (left + 0.01, left + width - 0.01, low, low + height)
        axes.imshow(picture, extent=extent, aspect="auto", interpolation="antialiased")
    axes.set_xlim(0, max(1, len(strip.thumbnails)))
    axes.set_ylim(0, 1)


def _draw_curve(axes: Axes, strip: PictureStrip) -> None:
    unit = set_time_axis(axes, strip.duration_s)
    axes.set_ylim(0, 100)
    axes.set_yticks([0, 50, 100])
    axes.set_ylabel("L*")
    time = strip.curve["time_s"] / unit.seconds
    curve = strip.curve
    fill_band(axes, time, curve["low"], curve["high"], color=SKY, alpha=0.38, lw=0)
    draw_line(axes, time, (curve["mean_low"] + curve["mean_high"]) / 2, color=BLUE, lw=1.2)
    for place in range(1, len(strip.thumbnails)):
        edge = place / len(strip.thumbnails) * strip.duration_s / unit.seconds
        axes.axvline(edge, color=INK, lw=0.5, alpha=0.25)
