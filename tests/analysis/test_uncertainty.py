"""Intervals stand under the figure that they belong to, and nowhere where none is claimed."""

from pathlib import Path

import pandas as pd

from analysis.statistics.intervals import bootstrap_intervals
from analysis.tables import read_tables
from analysis.uncertainty import IntervalTexts, resample
from tests.analysis.sets import make_set


def test_videos_and_groups_have_intervals_of_their_own(tmp_path: Path) -> None:
    tables = read_tables([make_set(tmp_path / name, frames=3) for name in ("a", "b")])
    groups = {"a": "both", "b": "both"}
    found = resample(tables, detections=None, looked=None, groups=groups)
    pd.testing.assert_frame_equal(found.of_videos, bootstrap_intervals(tables))
    assert found.of_groups is not None
    pd.testing.assert_frame_equal(found.of_groups, bootstrap_intervals(tables, groups=groups))
    assert resample(tables, detections=None, looked=None, groups=None).of_groups is None


def test_ends_are_written_as_their_figure_is() -> None:
    table = pd.DataFrame(
        {
            "video": ["a<b", "a<b", "a<b", "c"],
            "figure": ["mean", "bright", "shot_mean_s", "mean"],
            "low": [41.26, 0.121, 61.0, float("nan")],
            "high": [1043.24, 0.345, 7200.0, 3.0],
        }
    )
    texts = IntervalTexts(table)
    assert texts
    small = '<span class="interval">{}</span>'
    assert texts("a<b", "mean") == small.format("41.3 to 1,043.2")
    assert texts("a<b", "mean", digits=0) == small.format("41 to 1,043")
    assert texts("a<b", "bright", "share") == small.format("12 to 34 %")
    assert texts("a<b", "shot_mean_s", "length") == small.format("1 min 1 s to 2 h")
    assert texts("c", "mean") == ""
    assert texts("d", "mean") == ""


def test_no_intervals_are_none() -> None:
    assert not IntervalTexts(None)
    assert IntervalTexts(None)("a", "mean") == ""
