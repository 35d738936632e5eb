"""Each minute is a level line of its length, and what was not measured is said."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.patches import StepPatch

from analysis.figures.minutes import MinutesPanel, draw_minutes
from analysis.figures.style import encode


def panel(minutes: list[int], motion: list[float], *, duration_s: float) -> MinutesPanel:
    table = pd.DataFrame({"minute": minutes, "motion": motion}).astype({"motion": "float64"})
    return MinutesPanel(video="walk", duration_s=duration_s, minutes=table.assign(sharpness=90.0))


def test_a_minute_is_as_long_as_it_is_and_an_unknown_one_is_left_out() -> None:
    figure = draw_minutes([panel([0, 1, 3], [2, 3, 4], duration_s=200)])
    _, axes = figure.axes
    (steps,) = axes.patches
    assert isinstance(steps, StepPatch)
    values, edges, _ = steps.get_data()
    np.testing.assert_array_equal(values, [2, 3, np.nan, 4])
    assert edges.tolist() == pytest.approx([0, 1, 2, 3, 200 / 60])
    assert axes.get_xlabel() == "time (min)"


def test_every_scale_begins_at_0_and_holds_its_curve() -> None:
    figure = draw_minutes([panel([0], [2], duration_s=60), panel([0, 1], [0, 0], duration_s=90)])
    limits = [axes.get_ylim() for axes in figure.axes]
    assert limits == [(0, 1.2 * 90), (0, 1.2 * 2), (0, 1.2 * 90), (0, 1)]


@pytest.mark.parametrize("minutes", [[], [0]])
def test_a_video_of_no_picture_or_of_one_says_so(minutes: list[int]) -> None:
    figure = draw_minutes([panel(minutes, [np.nan] * len(minutes), duration_s=0)])
    texts = [[text.get_text() for text in axes.texts] for axes in figure.axes]
    assert texts[1] == ["not measured"]
    assert texts[0] == ([] if minutes else ["not measured"])
    assert encode(figure, "svg")
