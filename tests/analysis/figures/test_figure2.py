"""Figure 2 shows what it was given, groups told apart, and says what is not known."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from analysis.figures.figure2 import PANELS, draw_alone, draw_figure2
from analysis.figures.objects import ObjectsPanel, draw_objects
from analysis.figures.series import Series, VideoCurves
from analysis.figures.style import MAX_SERIES, encode, series_style
from analysis.statistics.lightness import ENVELOPE_COLUMNS

OBJECT_COLUMNS = [
    f"{name}_{end}" for name in ("classes", "instances", "median") for end in ("low", "high")
]


def curve(columns: Sequence[str], values: Sequence[float]) -> pd.DataFrame:
    table = pd.DataFrame({name: np.asarray(values, dtype="float64") for name in columns})
    return table.assign(time_s=np.arange(len(values), dtype="float64"))


def series(
    name: str, *, shots: Sequence[int | None] = (1,), objects: bool = True, length_s: float = 120
) -> Series:
    videos = [
        VideoCurves(
            duration_s=length_s,
            lightness=curve(ENVELOPE_COLUMNS, [50, 40, 60]),
            objects=curve(OBJECT_COLUMNS, [1, 3, 2]) if objects else None,
            shots=number,
        )
        for number in shots
    ]
    return Series(
        name=name,
        videos=videos,
        frequencies=np.asarray([900.0, 30, 1]) if objects else None,
        growth=pd.DataFrame({"minute": [0, 1], "total": [2, 3]}) if objects else None,
    )


def words(figure: Figure) -> str:
    return " | ".join(text.get_text() for text in figure.findobj(lambda a: hasattr(a, "get_text")))


@pytest.mark.parametrize("groups", [1, 4, MAX_SERIES])
def test_all_panels_and_groups_are_there_and_no_words_overlap(groups: int) -> None:
    figure = draw_figure2([series(f"group {n}", shots=[1, 20]) for n in range(groups)])
    encode(figure, "png")
    told = words(figure)
    for letter, (title, _) in zip("abcd", PANELS.values(), strict=True):
        assert f"({letter}) {title}" in told
    renderer = FigureCanvasAgg(figure).get_renderer()
    for axes in figure.findobj(Axes):
        labels = [t for t in (*axes.get_xticklabels(), *axes.get_yticklabels()) if t.get_text()]
        boxes = [label.get_window_extent(renderer) for label in labels if label.get_visible()]
        inside = [box for box in boxes if box.width and figure.bbox.overlaps(box)]
        assert all(box.x0 >= -1 and box.x1 <= figure.bbox.x1 + 1 for box in inside)


def panels_and_kinds() -> list[object]:
    """Dates and random names are a kind's, the rest a panel's: all other pairs are slow ones."""
    return [
        pytest.param(
            panel, kind, marks=[] if panel == "shots" or kind == "svg" else pytest.mark.slow
        )
        for panel in (*PANELS, "accumulation")
        for kind in ("svg", "png", "pdf")
    ]


@pytest.mark.parametrize(("panel", "kind"), panels_and_kinds())
def test_each_panel_alone_is_the_same_bytes_every_time(panel: str, kind: str) -> None:
    def drawn() -> bytes:
        return encode(draw_alone(panel, [series("a"), series("b", shots=[None])]), kind)

    assert drawn() == drawn()


def test_what_is_not_known_is_said() -> None:
    told = words(draw_figure2([series("a", shots=[None], objects=False)]))
    for sentence in ("not measured", "objects were not counted", "cuts were not sought"):
        assert sentence in told
    assert "objects were not counted" in words(draw_alone("accumulation", []))
    nothing = replace(series("a"), frequencies=np.empty(0), growth=None)
    assert "no object was found" in words(draw_figure2([nothing]))


def test_cuts_per_hour_are_those_of_the_groups_video_together() -> None:
    figure = draw_alone("shots", [series("a", shots=[1, 31, None])])
    small, large = figure.axes[0].lines
    assert sorted(small.get_xdata()) == [0, 900]
    assert list(large.get_xdata()) == [450]
    assert "32 shots in 4 min" in words(figure)


def test_frequencies_are_drawn_by_rank_on_logarithmic_axes() -> None:
    (axes,) = draw_alone("classes", [series("a")]).axes
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert axes.lines[0].get_xydata().tolist() == [[1, 900], [2, 30], [3, 1]]
    assert axes.get_legend().get_texts()[0].get_text() == "a (3 classes)"


def test_classes_accumulate_from_nothing_to_the_end_of_each_minute() -> None:
    (axes,) = draw_alone("accumulation", [series("a")]).axes
    assert axes.lines[0].get_xydata().tolist() == [[0, 0], [1, 2], [2, 3]]


def test_groups_of_very_different_length_are_shares_of_their_videos() -> None:
    figure = draw_alone("lightness", [series("a"), series("b", length_s=7000)])
    assert figure.axes[-1].get_xlabel() == "share of the video (%)"
    assert draw_alone("lightness", [series("a")]).axes[-1].get_xlabel() == "time (s)"


def test_a_name_that_is_too_long_is_cut() -> None:
    assert "a very long name of a group o…" in words(
        draw_figure2([series("a very long name of a group of videos that goes on")])
    )


def test_groups_differ_in_grey_or_in_dash_and_marker() -> None:
    def grey(colour: str) -> float:
        return float(np.dot(to_rgb(colour), (0.2126, 0.7152, 0.0722)))

    styles = [series_style(number) for number in range(MAX_SERIES)]
    assert len({(each.colour, str(each.dash), each.marker) for each in styles}) == MAX_SERIES
    for one, other in pairwise(styles):
        assert abs(grey(one.colour) - grey(other.colour)) > 0.04 or one.dash != other.dash
        assert one.marker != other.marker


def test_a_video_that_was_not_looked_at_says_so() -> None:
    empty = ObjectsPanel(video="a", duration_s=9, curve=curve(OBJECT_COLUMNS, []))
    assert "no picture was looked at" in words(draw_objects([empty]))
