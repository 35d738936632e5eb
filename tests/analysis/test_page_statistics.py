"""The page tells every statistic of the tables, with its interval, in words that say what it is."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.cut_comparison import compare_cuts
from analysis.report import Report, write_report
from analysis.uncertainty import Uncertainty
from tests.analysis.objects import WALK, make_objects
from tests.analysis.sets import make_set, set_column
from tests.analysis.test_report import text_of

pytestmark = pytest.mark.usefixtures("undrawn")

CUTS = {"content": {"walk": [5]}, "adaptive": {"walk": [5, 9]}, "network": {"walk": [6]}}


def intervals(unit: str, names: list[str]) -> pd.DataFrame:
    """Return for each figure of each unit an interval that no other has."""
    figures = ["mean", "p95", "dark", "change_60s", "sharpness", "motion", "near_duplicates"]
    figures += ["cuts_per_hour", "shot_mean_s", "classes_50", "per_frame_30", "instances_70"]
    table = pd.DataFrame({"figure": figures, "estimate": 0.0, "low": 0.77, "minutes": 12})
    places = np.arange(len(table))
    parts = [
        table.assign(**{unit: name}, high=3.0 + places + 20 * number)
        for number, name in enumerate(names)
    ]
    return pd.concat(parts)[[unit, "figure", "estimate", "low", "high", "minutes"]]


@pytest.fixture
def told(tmp_path: Path) -> Report:
    walk = make_set(tmp_path / "walk", frames=12, cut_frames=(5,))
    for name in ("mean", "p5", "p50", "p95"):
        set_column(walk, f"lightness_{name}", [70.0] * 6 + [5.0] * 6)
    bare = make_set(tmp_path / "bare", frames=6, cuts=False)
    return write_report(
        [walk, bare],
        tmp_path / "out",
        objects=make_objects([walk, bare], {"walk": WALK}),
        groups={"walk": "Walks", "bare": "Others"},
        domains={"Walks": "city walks"},
        uncertainty=Uncertainty(
            of_videos=intervals("video", ["walk"]), of_groups=intervals("group", ["x", "Walks"])
        ),
        cuts=compare_cuts(CUTS, {"walk": 12.0, "bare": 6.0}, truth={"walk": [5]}),
    )


def test_intervals_stand_under_their_figures_and_say_what_is_drawn(told: Report) -> None:
    page = told.page.read_text(encoding="utf-8")
    under = re.findall(r'([^<>]*)<span class="interval">([^<]*)</span>', page)
    walk = {row["video"]: row for row in told.summary.to_dict("records")}["walk"]
    for figure, low_high in (
        (f"{walk['mean']:.1f}", "0.8 to 3.0"),  # of the video
        (f"{walk['sharpness']:.1f}", "0.8 to 27.0"),  # of its group
        (f"{100 * walk['dark']:.0f} %", "77 to 500 %"),
        (f"{walk['classes_50']:.0f}", "1 to 32"),
        (f"{walk['per_frame_30']:.2f}", "0.77 to 13.00"),
        ("6 s", "0.77 s to 11 s"),
    ):
        assert (figure, low_high) in under
    text = text_of(told)
    assert "95 % interval by the bootstrap. Of the minutes of a video" in text
    assert "drawn with replacement, 1,000 times" in text
    assert "Of fewer than 10 minutes none is claimed" in text


def test_detectors_of_cuts_are_told_with_agreement_and_scores(told: Report) -> None:
    text = text_of(told).partition("Cut detectors beside each other")[2].partition("Blur,")[0]
    assert "content adaptive network" in text
    assert re.search(r"walk 1 300\.0 7\.6 to 1,671\.5 2 600\.0", text)
    assert "content, adaptive walk 1 2 1 100 % 50 % 0.67" in text
    assert "adaptive, network walk 2 1 1 50 % 100 % 0.67" in text
    assert "adaptive walk 2 1 1 0.50 1.00 0.67" in text
    assert "keep no scores: bare" in text


def test_what_table_1_leaves_out_is_told_by_video_and_group(told: Report) -> None:
    text = text_of(told)
    walk, bare = told.summary.to_dict("records")
    assert "Walks city walks 1 12 s 12 s 640 × 480 1 12 12" in text
    assert "Others – 1 6 s" in text
    for video in (walk, bare):
        row = rf"{video['video']} 64 × 48 1 {video['sharpness']:.1f} .*?{video['motion']:.1f} "
        assert re.search(row, text)
    minutes = pd.read_parquet(told.page.parent / "tables" / "minutes.parquet")
    assert minutes["video"].tolist() == ["walk", "bare"]
    assert minutes["motion"].tolist() == [walk["motion"], bare["motion"]]


def test_turns_of_lightness_are_named_with_their_time(told: Report) -> None:
    assert "walk turns from bright to dark at 6 s." in text_of(told)
    turns = pd.read_parquet(told.page.parent / "tables" / "turns.parquet")
    assert turns.to_numpy().tolist() == [["walk", 6.0, "bright", "dark"]]


def test_without_intervals_and_scores_the_page_does_not_speak_of_them(tmp_path: Path) -> None:
    walk = make_set(tmp_path / "walk", frames=4)
    nothing = compare_cuts({"content": {}, "adaptive": {}}, {"walk": 4.0})
    text = text_of(write_report([walk], tmp_path / "out", cuts=nothing))
    assert "bootstrap" not in text
    assert "Cut detectors beside each other" not in text
    assert "turns from" not in text
