"""Cut detectors beside each other: counts, agreement of all videos, scores by the truth."""

import pandas as pd
import pytest

from analysis.cut_comparison import compare_cuts
from analysis.statistics.shots import counted_interval
from wtours import WtoursError

FOUND = {
    "content": {"film": [30, 180, 394], "walk": [], "trailer": [10]},
    "adaptive": {"film": [30, 181, 394, 691], "walk": [5], "trailer": [10, 20]},
    "slow": {"film": [30]},
}
LENGTHS_S = {"walk": 3600.0, "film": 24.0, "trailer": 12.0, "bare": 5.0}


def test_each_detector_counts_the_cuts_of_the_videos_it_has_seen() -> None:
    table = compare_cuts(FOUND, LENGTHS_S).detectors
    rows = table.set_index(["video", "detector"])
    assert list(rows.index) == [
        *(("walk", "content"), ("walk", "adaptive")),
        *(("film", "content"), ("film", "adaptive"), ("film", "slow")),
        *(("trailer", "content"), ("trailer", "adaptive")),
    ]
    assert rows.loc[("film", "content"), ["cuts", "cuts_per_hour"]].tolist() == pytest.approx(
        [3, 450]
    )
    low, high = counted_interval([0])
    ends = rows.loc[("walk", "content"), ["cuts_per_hour_low", "cuts_per_hour_high"]].tolist()
    assert ends == [low[0], high[0]]


def test_a_video_without_duration_has_cuts_and_no_rate() -> None:
    table = compare_cuts({"content": {"still": []}}, {"still": 0.0}).detectors
    assert table["cuts"].tolist() == [0]
    assert table["cuts_per_hour"].isna().all()


def test_all_videos_together_count_by_their_cuts() -> None:
    table = compare_cuts(FOUND, LENGTHS_S).agreement
    pairs = table.groupby(["one", "other"], sort=False)
    assert pairs.size().to_dict() == {
        ("content", "adaptive"): 4,
        ("content", "slow"): 1,  # of one video: the same again would say nothing
        ("adaptive", "slow"): 1,
    }
    together = pairs.get_group(("content", "adaptive")).iloc[-1]
    assert pd.isna(together["video"])
    assert together[["one_cuts", "other_cuts", "both"]].tolist() == [4, 7, 4]
    assert together["share_of_other"] == pytest.approx(4 / 7)
    assert together["f1"] == pytest.approx(8 / 11)


def test_detectors_are_scored_where_the_truth_is_known() -> None:
    scores = compare_cuts(FOUND, LENGTHS_S, truth={"film": [30, 180, 691], "walk": []}).scores
    assert scores is not None
    rows = scores[scores["video"].isna()].set_index("detector")
    assert list(rows.index) == ["content", "adaptive"]
    assert rows.loc["content", ["precision", "recall"]].tolist() == pytest.approx([2 / 3, 2 / 3])
    assert rows.loc["adaptive", ["found", "true", "both"]].tolist() == [5, 3, 3]
    slow = scores[scores["detector"] == "slow"]
    assert slow["video"].tolist() == ["film"]
    assert slow[["precision", "recall"]].to_numpy().tolist() == [[1, pytest.approx(1 / 3)]]


def test_without_truth_or_scores_nothing_is_claimed() -> None:
    nothing = compare_cuts({"content": {}, "adaptive": {}}, LENGTHS_S)
    assert nothing.detectors.empty
    assert nothing.agreement.empty
    assert nothing.scores is None


@pytest.mark.parametrize(
    ("truth", "told"),
    [
        ({"flim": [3]}, "true cuts of flim, which is not among the videos: walk, film"),
        ({"bare": [3]}, "true cuts of bare, but its shards keep no scores"),
    ],
)
def test_true_cuts_of_a_video_that_is_not_there_are_refused(
    truth: dict[str, list[int]], told: str
) -> None:
    with pytest.raises(WtoursError, match=told):
        compare_cuts(FOUND, LENGTHS_S, truth=truth)
