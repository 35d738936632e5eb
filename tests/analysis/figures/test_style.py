"""Figures leave no trace in matplotlib's global state and are the same bytes every time."""

import matplotlib as mpl
import pandas as pd
import pytest

from analysis.figures.style import (
    draw_line,
    drawing,
    duration_text,
    encode,
    new_figure,
    time_unit,
)


def make_figure() -> object:
    with drawing():
        figure = new_figure(height_in=2)
        values = pd.Series([1.0, None, 2.0, 3.0])
        draw_line(figure.subplots(), pd.Series(range(4)), values, color="#000000", lw=1)
    return figure


@pytest.mark.parametrize("kind", ["png", "svg", "jpg"])
def test_a_figure_becomes_the_same_bytes_every_time(kind: str) -> None:
    assert encode(make_figure(), kind) == encode(make_figure(), kind)


def test_drawing_changes_no_global_setting() -> None:
    before = dict(mpl.rcParams)
    encode(make_figure(), "svg")
    assert dict(mpl.rcParams) == before


def test_settings_of_a_user_do_not_reach_the_figures() -> None:
    with mpl.rc_context({"font.size": 40, "axes.facecolor": "red", "lines.linewidth": 9}):
        assert encode(make_figure(), "svg") == encode(make_figure(), "svg")
        odd = encode(make_figure(), "png")
    assert odd == encode(make_figure(), "png")


def test_an_svg_carries_no_date_and_needs_nothing_from_elsewhere() -> None:
    svg = encode(make_figure(), "svg").decode()
    assert "<dc:date>" not in svg
    assert "<image" not in svg
    assert 'href="http' not in svg


def test_a_value_alone_between_breaks_is_drawn() -> None:
    figure = make_figure()
    dots = figure.axes[0].lines[-1]
    assert list(dots.get_xdata()) == [0]


@pytest.mark.parametrize(
    ("duration_s", "text"),
    [(0.04, "0.04 s"), (9.96, "10 s"), (59.97, "1 min"), (60, "1 min"), (3599.8, "1 h")],
)
def test_durations_round_over_into_the_next_unit(duration_s: float, text: str) -> None:
    assert duration_text(duration_s) == text


def test_an_axis_counts_in_the_unit_that_fits_the_video() -> None:
    assert [time_unit(each).name for each in (180, 181, 10_800, 10_801)] == ["s", "min", "min", "h"]
