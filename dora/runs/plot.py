"""Curves of runs side by side, a panel a figure, as PNG, SVG or PDF."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from dora.errors import DoraError
from dora.runs.curves import Curve, read_curves
from dora.whole_file import whole_file

FORMATS = (".png", ".svg", ".pdf")
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#222222")
"""Okabe and Ito's palette without its yellow, too pale on white."""
DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1, 1.2)), (0, (6, 2, 1, 2)))
SPARSE = 60
"""Up to so many points, each is drawn as a dot, and none is smoothed."""
STYLE: dict[Any, Any] = {
    "axes.edgecolor": "#6E6E6E",
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "font.family": "DejaVu Sans",  # comes with matplotlib
    "font.size": 11,
    "legend.frameon": False,
    "savefig.dpi": 150,
    "svg.hashsalt": "dora",
}


def plot_runs(
    runs: Sequence[Path],
    figures: Sequence[str],
    *,
    out: Path,
    over: Literal["step", "epoch"] = "step",
    smooth: float = 0.02,
) -> Path:
    """Write a picture of some figures of some runs.

    Args:
        runs: their folders.
        figures: such as loss or knn/20, from top to bottom.
        out: the file; its ending gives the format.
        over: what stands below.
        smooth: share of a curve over which the strong line is a mean; 0: every step as it was.

    Raises:
        DoraError: another format, a folder without steps, or a figure that a run lacks.
    """
    if out.suffix not in FORMATS:
        raise DoraError(f"{out} is no picture", remedy=f"end it in {', '.join(FORMATS)}")
    if not 0 <= smooth < 1:
        raise DoraError(f"curves smoothed over {smooth} of their length", remedy="use 0 to 0.5")
    names = short_names(runs)
    curves = {name: read_curves(run, list(figures)) for name, run in zip(names, runs, strict=True)}
    with mpl.rc_context(STYLE):
        figure = draw_curves(curves, figures, over=over, smooth=smooth)
        with whole_file(out) as partial:
            figure.savefig(partial, format=out.suffix[1:])
    return out


def short_names(runs: Sequence[Path]) -> list[str]:
    """Return the last parts of the folders' paths, as many as tell them apart."""
    parts = [run.resolve().parts for run in runs]
    for count in range(1, max(len(each) for each in parts) + 1):
        names = ["/".join(each[-count:]) for each in parts]
        if len(set(names)) == len({tuple(each) for each in parts}):
            break
    return [f"{name} ({names[:i].count(name) + 1})" if name in names[:i] else name
            for i, name in enumerate(names)]  # fmt: skip


def draw_curves(
    curves: Mapping[str, Mapping[str, Curve]],
    figures: Sequence[str],
    *,
    over: Literal["step", "epoch"],
    smooth: float,
) -> Figure:
    """Return the picture of curves by run and figure."""
    drawn = Figure(figsize=(9, 0.9 + 2.9 * len(figures)), layout="constrained")
    panels = drawn.subplots(len(figures), 1, sharex=True, squeeze=False)[:, 0]
    for axes, name in zip(panels, figures, strict=True):
        for number, (run, found) in enumerate(curves.items()):
            _draw(axes, found[name], number, label=run, over=over, smooth=smooth)
        axes.set_title(name)
        axes.margins(x=0.01)
        axes.grid(axis="y", color="#E4E4E4", linewidth=0.8)
        axes.set_axisbelow(True)
    panels[-1].set_xlabel(over)
    panels[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
    drawn.legend(*panels[0].get_legend_handles_labels(), loc="outside upper left",
                 ncols=min(4, len(curves)))  # fmt: skip
    return drawn


def _draw(axes: Axes, curve: Curve, number: int, *, label: str, over: str, smooth: float) -> None:
    x = curve.epochs if over == "epoch" else curve.steps
    colour, dash = COLOURS[number % len(COLOURS)], DASHES[number // len(COLOURS) % len(DASHES)]
    if len(x) <= SPARSE:
        axes.plot(x, curve.values, dash, color=colour, marker="o", markersize=4, label=label)
        return
    window = max(1, round(smooth * len(x)))
    if window > 1:
        axes.plot(x, curve.values, color=colour, linewidth=0.7, alpha=0.25)
    axes.plot(x, trailing_mean(curve.values, window), linestyle=dash, color=colour,
              linewidth=1.6, label=label)  # fmt: skip


def trailing_mean(values: Sequence[float], window: int) -> list[float]:
    """Return, for each value, the mean of it and up to `window` - 1 before it."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(ends - window, 0)
    means: list[float] = ((sums[ends] - sums[starts]) / (ends - starts)).tolist()
    return means
