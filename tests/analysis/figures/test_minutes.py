"""Each minute is a level line of its length, and what was not measured is said."""

import numpy as np
import pandas as pd
import pytest

from analysis.figures.minutes import MinutesPanel, draw_minutes
from analysis.figures.style import encode


def panel(minutes: list[int], motion: list[float], *, duration_s: float) -> MinutesPanel:
    table = pd.DataFrame({"minute": minutes, "motion": motion}).astype({"motion": "float64"})
    return MinutesPanel(video="walk", duration_s=duration_s, minutes=table.assign(sharpness=90.0))


def test_a_minute_is_as_long_as_it_is_and_an_unknown_one_is_left_out() -> None:
    figure = draw_minutes([panel([0, 1, 3], [2, 3, 4], duration_s=200)])
    _, axes = figure.axes
    (steps,) = axes.patches
    values, edges, _ = steps.get_data()
    np.testing.assert_array_equal(values, [2, 3, np.nan, 4])
    assert edges.tolist() == pytest.approx([0, 1, 2, 3, 200 / 60])
    assert axes.get_xlabel() == "time (min)"


def test_videos_share_the_scale_of_a_figure() -> None:
    figure = draw_minutes([panel([0], [2], duration_s=60), panel([0, 1], [8, 1], duration_s=90)])
    assert [axes.get_ylim() for axes in figure.axes[1::2]] == [(0, 1.12 * 8)] * 2
    assert [axes.get_ylim() for axes in figure.axes[::2]] == [(0, 1.12 * 90)] * 2


@pytest.mark.parametrize("minutes", [[], [0]])
def test_a_video_of_no_picture_or_of_one_says_so(minutes: list[int]) -> None:
    figure = draw_minutes([panel(minutes, [np.nan] * len(minutes), duration_s=0)])
    texts = [[text.get_text() for text in axes.texts] for axes in figure.axes]
    assert texts[1] == ["not measured"]
    assert texts[0] == ([] if minutes else ["not measured"])
    assert encode(figure, "svg")
