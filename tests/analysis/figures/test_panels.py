"""What the figures show is what they were given, and what is unknown is said in words."""

import numpy as np
import pandas as pd
import pytest

from analysis.figures.lightness import LightnessPanel, draw_lightness
from analysis.figures.pictures import PictureStrip, draw_pictures, pictures_in_strip
from analysis.figures.shots import ShotLane, draw_shots
from analysis.figures.style import encode
from analysis.statistics.lightness import ENVELOPE_COLUMNS


def curve(values: list[float]) -> pd.DataFrame:
    table = pd.DataFrame({name: np.asarray(values, dtype="float64") for name in ENVELOPE_COLUMNS})
    return table.assign(time_s=np.arange(len(values), dtype="float64"))


def panel(
    values: list[float],
    cuts_s: list[float] | None = None,
    turns: tuple[tuple[float, str, str], ...] = (),
) -> LightnessPanel:
    return LightnessPanel(
        video="walk",
        duration_s=200,
        curve=curve(values),
        cuts_s=cuts_s,
        window_s=20,
        turns=pd.DataFrame(turns, columns=["time_s", "before", "after"]),
    )


def words(figure: object) -> str:
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    titles = [axes.get_title(loc="right") for axes in figure.axes]
    legends = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    return " | ".join(texts + titles + legends)


def draw(*panels: LightnessPanel) -> object:
    return draw_lightness(panels, bright_from=36.4, dark_below=25.6)


def test_time_is_in_the_unit_of_the_axis() -> None:
    (axes,) = draw(panel([50, 60], cuts_s=[120])).axes
    assert axes.get_xlabel() == "time (min)"
    assert axes.get_xlim() == (0, 200 / 60)
    cuts = [c.get_segments() for c in axes.collections if hasattr(c, "get_segments")]
    assert cuts[-1][0][0][0] == 2


def test_cuts_not_sought_are_said_and_no_cuts_are_not() -> None:
    assert "cuts were not sought" in words(draw(panel([50], cuts_s=None)))
    assert "cut" not in words(draw(panel([50], cuts_s=[])))


def test_turns_are_marked_where_they_happen_the_way_they_go() -> None:
    turns = ((60.0, "bright", "dim"), (90.0, "dim", "dark"), (150.0, "dark", "bright"))
    figure = draw(panel([50, 20], turns=turns))
    (axes,) = figure.axes
    marked = {
        line.get_marker(): (float(line.get_xdata()[0]), float(line.get_ydata()[0]))
        for line in axes.lines
        if line.get_marker() in ("^", "v", "D")
    }
    assert marked == {"D": (1.0, 36.4), "v": (1.5, 25.6), "^": (2.5, 36.4)}
    assert "turns dark" in words(figure)
    assert "turns" not in words(draw(panel([50, 20])))


@pytest.mark.parametrize("values", [[], [np.nan], [np.nan, np.nan]])
def test_a_panel_without_lightness_says_so(values: list[float]) -> None:
    figure = draw(panel(values))
    assert "no picture has a lightness" in words(figure)
    assert encode(figure, "svg")


@pytest.mark.parametrize("number", [1, 3, 4, 10])
def test_up_to_ten_videos_stand_side_by_side(number: int) -> None:
    axes = draw(*[panel([50, 40])] * number).axes
    assert sum(each.axison for each in axes) == number


def test_a_lane_changes_its_colour_at_every_cut() -> None:
    strips, counts = draw_shots([ShotLane(video="a", duration_s=100, starts_s=[0, 30, 70])]).axes
    spans = [path.get_extents() for c in strips.collections for path in c.get_paths()]
    assert sorted((span.x0, span.x1) for span in spans) == [(0, 30), (30, 70), (70, 100)]
    assert [text.get_text() for text in counts.texts] == ["3"]


def test_lanes_of_very_different_length_are_shares_of_their_videos() -> None:
    def label(*lengths_s: float) -> str:
        lanes = [ShotLane(video="a", duration_s=each, starts_s=[0]) for each in lengths_s]
        return str(draw_shots(lanes).axes[0].get_xlabel())

    assert label(100, 150) == "time (s)"
    assert label(10, 7000) == "share of the video (%)"


def test_where_cuts_were_not_sought_no_number_of_shots_is_drawn() -> None:
    _, counts = draw_shots([ShotLane(video="a", duration_s=100, starts_s=None)]).axes
    assert [text.get_text() for text in counts.texts] == ["not sought"]
    assert not counts.lines


def strip(thumbnails: list[np.ndarray | None]) -> PictureStrip:
    return PictureStrip(video="a", duration_s=9, thumbnails=thumbnails, curve=curve([50, 40]))


def test_pictures_keep_their_shape_and_a_missing_one_leaves_its_place_empty() -> None:
    wide, tall = np.zeros((9, 16, 3), np.uint8), np.zeros((16, 9, 3), np.uint8)
    figure = draw_pictures([strip([wide, None, tall])])
    encode(figure, "png")
    box = figure.axes[0].get_window_extent()
    for image, (height, width), place in zip(
        figure.axes[0].images, [(9, 16), (16, 9)], [0, 2], strict=True
    ):
        left, right, low, high = image.get_extent()
        assert place <= left < right <= place + 1
        shown = (right - left) / 3 * box.width / ((high - low) * box.height)
        assert shown == pytest.approx(width / height, rel=0.12)


def test_a_video_without_pictures_says_so() -> None:
    assert "no pictures" in words(draw_pictures([strip([])]))


def test_narrow_pictures_are_shown_more_often() -> None:
    assert pictures_in_strip(9 / 16) > pictures_in_strip(16 / 9) >= 5
    assert pictures_in_strip(100) == 1
