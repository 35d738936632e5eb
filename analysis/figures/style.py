"""What all figures share: colours, type, the axis of time, and how a figure becomes bytes.

Figures are objects of their own (`matplotlib.figure.Figure`); pyplot and its global state are not
used. The style stands in a context around drawing and saving, and leaves no trace.
"""

import io
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

Series: TypeAlias = "pd.Series[Any]"

# Okabe and Ito's palette, told apart by colour-blind readers and in grey (jfly.uni-koeln.de/color).
BLUE, SKY, VERMILION, ORANGE = "#0072B2", "#56B4E9", "#D55E00", "#E69F00"
GREEN, PURPLE = "#009E73", "#CC79A7"
INK, GREY, FAINT = "#222222", "#6E6E6E", "#D9D9D9"

COLOURS = (BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY, INK)
"""Of groups that stand side by side, in this order; yellow is left out: too pale on white."""
DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1, 1.2)), (0, (6, 2, 1, 2)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
MAX_SERIES = 12
"""Groups in one figure: more cannot be told apart."""

WIDTH_IN = 10.0
MAX_PANELS = 10
"""Videos in one figure; more go to a next one."""

UNEQUAL = 4.0
"""Where the longest video is over so many times the shortest, time is shown as shares of each."""

STYLE: dict[Any, Any] = {
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.labelsize": 11,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "figure.facecolor": "white",
    "font.family": "DejaVu Sans",  # comes with matplotlib, so that figures are alike everywhere
    "font.size": 11,
    "legend.fontsize": 10.5,
    "legend.frameon": False,
    "savefig.dpi": 160,
    "svg.hashsalt": "wtours",  # names inside an SVG depend on its content alone
    "text.color": INK,
    "text.usetex": False,
    "xtick.color": GREY,
    "xtick.labelcolor": INK,
    "xtick.labelsize": 10.5,
    "ytick.color": GREY,
    "ytick.labelcolor": INK,
    "ytick.labelsize": 10.5,
}


_DRAWN = (
    *("axes", "figure", "font", "grid", "hatch", "image", "legend", "lines", "mathtext", "patch"),
    *("path", "savefig", "svg", "text", "xaxis", "xtick", "yaxis", "ytick"),
)
"""Groups of matplotlib's settings that change how our figures look."""


def drawing() -> AbstractContextManager[None]:
    """Return the context in which figures are drawn: matplotlib's defaults with our style on top.

    The defaults are matplotlib's own, not those of a user's matplotlibrc.

    >>> with drawing():
    ...     figure = new_figure(height_in=2)
    """
    defaults = {
        name: mpl.rcParamsDefault[name]
        for name in mpl.rcParamsDefault
        if name.partition(".")[0] in _DRAWN
    }
    return mpl.rc_context({**defaults, **STYLE})


def new_figure(*, height_in: float, hspace: float = 0.04) -> Figure:
    """Return an empty figure of the common width, laid out so that nothing overlaps.

    Args:
        height_in: inches.
        hspace: space between rows, as a share of their mean height.
    """
    layout = ConstrainedLayoutEngine(h_pad=0.05, w_pad=0.06, hspace=hspace, wspace=0.03)
    return Figure(figsize=(WIDTH_IN, height_in), layout=layout)


Ending: TypeAlias = Literal["png", "svg", "pdf", "jpg"]


def encode(figure: Figure, kind: Ending) -> bytes:
    """Return a figure as the bytes of a file, the same bytes for the same figure."""
    buffer = io.BytesIO()
    metadata: dict[str, dict[str, str | None] | None] = {
        "svg": {"Date": None, "Creator": None},
        "png": {"Software": None},
        "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
        "jpg": None,
    }
    with drawing():
        if figure.get_layout_engine() is not None:
            figure.draw_without_rendering()
            figure.set_layout_engine(None)  # laid out once, not anew for every kind of file
        figure.savefig(buffer, format=kind, metadata=metadata[kind])
    return buffer.getvalue()


@dataclass(frozen=True, kw_only=True)
class TimeUnit:
    """The unit in which an axis counts time."""

    name: str
    seconds: float


def time_unit(duration_s: float) -> TimeUnit:
    """Return seconds up to 3 minutes, minutes up to 3 hours, then hours."""
    if duration_s <= 180:
        return TimeUnit(name="s", seconds=1)
    if duration_s <= 3 * 3600:
        return TimeUnit(name="min", seconds=60)
    return TimeUnit(name="h", seconds=3600)


def set_time_axis(axes: Axes, duration_s: float) -> TimeUnit:
    """Let an axis go from 0 to a video's end; return the unit its data must be in."""
    unit = time_unit(duration_s)
    axes.set_xlim(0, max(duration_s, 1e-3) / unit.seconds)
    axes.set_xlabel(f"time ({unit.name})")
    return unit


@dataclass(frozen=True, kw_only=True)
class SeriesStyle:
    """How one of several groups is drawn: told apart by colour, and in grey by dash and marker."""

    colour: str
    dash: Any
    marker: str


def series_style(number: int) -> SeriesStyle:
    """Return the style of the n-th group, counted from 0."""
    return SeriesStyle(
        colour=COLOURS[number % len(COLOURS)],
        dash=DASHES[number % len(DASHES)],
        marker=MARKERS[number % len(MARKERS)],
    )


def short_name(name: str, *, letters: int = 30) -> str:
    """Return a name, cut where it is longer than fits beside others.

    >>> short_name("a walk through the old town of Zurich", letters=12)
    'a walk thro…'
    """
    return name if len(name) <= letters else name[: letters - 1] + "…"


def draw_line(axes: Axes, time: Series, values: Series, *, color: str, lw: float) -> None:
    """Draw values over time; NaN breaks the line, and a value alone between breaks is a dot."""
    axes.plot(time, values, color=color, lw=lw)
    alone = _alone(values)
    if alone.any():
        (dots,) = axes.plot(time[alone], values[alone], "o", color=color, ms=2 * lw, clip_on=False)
        dots.set_in_layout(False)  # it may reach over the axis, which shall not move for it


def fill_band(
    axes: Axes, time: Series, low: Series, high: Series, *, color: str, alpha: float, lw: float
) -> None:
    """Fill between two curves over time; a place alone between breaks is an upright line."""
    axes.fill_between(time, low, high, color=color, alpha=alpha, lw=lw)
    alone = _alone(low)
    if alone.any():
        bars = axes.vlines(time[alone], low[alone], high[alone], color=color, alpha=alpha, lw=3)
        bars.set_clip_on(False)
        bars.set_in_layout(False)


def _alone(values: Series) -> Series:
    known = values.notna()
    return known & ~known.shift(1, fill_value=False) & ~known.shift(-1, fill_value=False)


def say(axes: Axes, text: str) -> None:
    """Write in the middle of an axis why nothing is drawn there."""
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=GREY)


def duration_text(duration_s: float) -> str:
    """Return a duration as people write it.

    >>> duration_text(6600), duration_text(75.4), duration_text(4.04)
    ('1 h 50 min', '1 min 15 s', '4 s')
    """
    if 0 < duration_s < 1:
        return f"{duration_s:.2g} s"
    if duration_s < 59.95:
        text = f"{duration_s:.1f}" if duration_s < 9.95 else f"{duration_s:.0f}"
        return f"{text.removesuffix('.0')} s"
    minutes, seconds = divmod(round(duration_s), 60)
    if minutes < 60:
        return f"{minutes} min {seconds} s" if seconds else f"{minutes} min"
    hours, minutes = divmod(round(duration_s / 60), 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"
